//! `keyrota audit export`: the log for somebody who has only the public key.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::log::{entry, note, writable};
use super::verify;
use crate::audit::export::ExportError;
use crate::audit::{Exporter, Format};
use crate::commands::context::Context;
use crate::commands::exit::{self, Failed};
use crate::commands::say::{print, print_json};
use crate::state::ExportFailure;

/// Options of `keyrota audit export`.
#[derive(Debug, Args)]
pub struct Export {
    /// One JSON object per line, or a table
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    pub format: Form,
    /// The directory: new, or empty
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// The first entry [default: 1]
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true, value_parser = clap::value_parser!(i64).range(1..))]
    pub from: i64,
    /// The last entry [default: the entry that records this export]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub until: Option<i64>,
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Form {
    /// One JSON object per line.
    Jsonl,
    /// A table for spreadsheets.
    Csv,
}

/// Does it; the exit code.
pub fn run(args: &Export, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(true)?;
    let keys = chosen.keys()?;
    let format = match args.format {
        Form::Jsonl => Format::Jsonl,
        Form::Csv => Format::Csv,
    };
    context.block_on(async {
        let store = writable(&chosen, context, &keys).await?;
        let head = store.head().await?;
        let until = args.until.unwrap_or(head.size);
        if args.from > until || until > head.size {
            return Err(Failed::new(
                exit::USAGE,
                format!("the log has the entries 1 to {}", head.size),
            ));
        }
        let exporter = Exporter::create(&args.to, format, head.chain, args.from)
            .map_err(|e| failed(args, e))?;
        // Who takes a copy of the log is told by the log, before there is a copy.
        let told = entry("audit.export", &chosen)
            .detail("format", format.as_str())
            .detail("from", args.from.to_string());
        let told = match args.until {
            Some(until) => told.detail("until", until.to_string()),
            None => told,
        };
        let last = note(&store, &chosen, context, told).await?.head.size;
        let last = args.until.unwrap_or(last);
        let exported = store.export(exporter, last, &keys).await;
        store.close().await;
        match exported {
            Ok(()) => {}
            Err(ExportFailure::State(e)) => return Err(e.into()),
            Err(ExportFailure::Export(ExportError::Unsound(report))) => {
                return verify::tell_unsound(&report, context);
            }
            Err(ExportFailure::Export(e)) => return Err(failed(args, e)),
        }
        if context.global.json {
            let answer = json!({"schema_version": 1, "directory": args.to, "format": format.as_str(), "from": args.from, "until": last});
            print_json(&answer)?;
        } else {
            print(&format!(
                "entries {} to {last} in {}\nverify: keyrota audit verify --export DIR --pubkey KEY, with the key that keyrota audit pubkey prints\n",
                args.from,
                args.to.display()
            ))?;
        }
        Ok(exit::DONE)
    })
}

fn failed(args: &Export, why: ExportError) -> Failed {
    let code = match why {
        ExportError::NotEmpty | ExportError::Empty => exit::CONFIG,
        _ => exit::TRANSIENT,
    };
    Failed::new(code, format!("{}: {why}", args.to.display()))
}
