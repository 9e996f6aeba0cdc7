//! `keyrota audit list`: entries, as they are stored, sound or not.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::audit::{Row, canonical};
use crate::commands::context::Context;
use crate::commands::exit::{self, Failed};
use crate::commands::progress;
use crate::commands::say::written;
use crate::output;
use crate::state::{About, Store};

/// Options of `keyrota audit list`.
#[derive(Debug, Args)]
pub struct List {
    /// Begin at this entry instead of showing the last ones
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub from: Option<i64>,
    /// Show at most this many entries
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// Show only entries about this secret of the environment
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
    /// Show only entries about this rotation
    #[arg(long, value_name = "ID")]
    pub rotation: Option<Uuid>,
}

/// Does it; the exit code.
pub fn run(args: &List, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let rows = context.block_on(async {
        match chosen.read_state(context.global).await? {
            Some(store) => select(&store, args, &chosen.env.name).await,
            None => Ok(Vec::new()),
        }
    })?;
    written(match context.global.json {
        true => json(&rows),
        false => output::many(|out| {
            rows.iter()
                .try_for_each(|row| writeln!(out, "{}", line(row)))
        }),
    })?;
    Ok(exit::DONE)
}

/// The entries that are meant. What filters goes by the database's copies, which `verify` compares.
async fn select(store: &Store, args: &List, env: &str) -> Result<Vec<Row>, Failed> {
    let (from, limit) = (args.from, args.limit);
    Ok(match (&args.secret, args.rotation, from) {
        (None, None, None) => store.latest_entries(limit).await?,
        (None, None, Some(from)) => store.entries(from, limit).await?,
        (Some(secret), None, _) => {
            let about = About::Secret(env, secret);
            store.entries_about(about, from, limit).await?
        }
        (secret, Some(id), _) => {
            let about = About::Rotation(id);
            let mut rows = store.entries_about(about, from, limit).await?;
            // A rotation is about one secret: these are all of them or none.
            rows.retain(|row| {
                let copies = row.copies.as_ref();
                secret.is_none() || copies.is_some_and(|c| &c.secret == secret)
            });
            rows
        }
    })
}

/// `12  2026-11-22T12:00:00Z  rotation.set outcome ok  production/database-url  uid:0 root`.
fn line(row: &Row) -> String {
    let Ok(body) = canonical::read(&row.body) else {
        return format!("{:>6}  cannot be read: see keyrota audit verify", row.seq);
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let at = body["ts_us"]
        .as_i64()
        .and_then(|us| Timestamp::from_microsecond(us).ok())
        .map_or_else(|| "?".to_owned(), progress::second);
    let what = ["event", "phase", "outcome"].map(|key| text(&body[key]).unwrap_or_default());
    let object = &body["object"];
    let whose = match (text(&object["env"]), text(&object["secret"])) {
        (Some(env), Some(secret)) => format!("{env}/{secret}"),
        (Some(env), None) => env,
        _ => "-".to_owned(),
    };
    let mut line = format!(
        "{:>6}  {at}  {}  {whose}  {}",
        row.seq,
        what.join(" ").trim_end(),
        text(&body["actor"]["id"]).unwrap_or_default()
    );
    for more in [text(&body["error"]["class"]), text(&body["reason"])] {
        line.extend(more.map(|more| format!("  {more}")));
    }
    output::line(&line).into_owned()
}

fn json(rows: &[Row]) -> io::Result<()> {
    let mut out = Vec::new();
    write!(out, r#"{{"schema_version":1,"entries":["#)?;
    for (i, row) in rows.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        match canonical::read(&row.body) {
            // The bytes that were hashed, and no rendering of them.
            Ok(_) => {
                write!(out, "{comma}")?;
                out.write_all(&row.body)?;
            }
            Err(_) => write!(out, r#"{comma}{{"seq":{},"unreadable":true}}"#, row.seq)?,
        }
    }
    writeln!(out, "]}}")?;
    output::exact_json(&String::from_utf8_lossy(&out))
}
