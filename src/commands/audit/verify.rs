//! `keyrota audit verify`: whether the log is what was written, and how far somebody vouches for it.

use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::json;

use super::log::{NO_LOG, public_keys};
use crate::audit::anchors::{self, Anchors};
use crate::audit::export::ExportError;
use crate::audit::{Checkpoint, FINDINGS_MAX, Head, Problem, Report, Signers, verify_export};
use crate::commands::context::Chosen;
use crate::commands::context::Context;
use crate::commands::exit::{self, Failed};
use crate::commands::say::{print, print_json};
use crate::output;

/// Options of `keyrota audit verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the log is sound; otherwise the code of the first finding: 30 an entry was changed; 31 \
an entry is missing; 32 an entry exists twice, or this is another log; 33 an entry is out of order; \
34 the log is shorter than a checkpoint says; 35 a signature is wrong; 36 a column differs from its \
entry; 38 an entry, a rotation under way, the trusted time or a request was not written by a host \
with the seed; 39 a checkpoint is missing. 37 nothing is wrong, but no checkpoint signs the log."
)]
pub struct Verify {
    /// Begin at this entry instead of the first
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true, value_parser = clap::value_parser!(i64).range(1..))]
    pub from: i64,
    /// The directory of checkpoints outside the state [default: the one that keyrota writes to]
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,
    /// The public key, or a file with it, instead of the keys of this host
    #[arg(long, value_name = "FILE|KEY")]
    pub pubkey: Option<String>,
    /// Verify an export; needs no schedule, no state and no keys
    #[arg(long, value_name = "DIR", requires = "pubkey", conflicts_with_all = ["from", "checkpoints"])]
    pub export: Option<PathBuf>,
}

const UNSIGNED: &str = "unsigned: nothing is wrong, but no checkpoint signs this log, so it can be another log. keyrota signs \
its log from the first rotation on";

/// Does it; the exit code.
pub fn run(args: &Verify, context: &Context<'_>) -> Result<u8, Failed> {
    match (&args.export, &args.pubkey) {
        (Some(directory), Some(key)) => exported(directory, key, context),
        _ => stored(args, context),
    }
}

/// Why an export that could not be made was refused: the log itself is not sound.
pub fn tell_unsound(report: &Report, context: &Context<'_>) -> Result<u8, Failed> {
    Told::alone(report).print(context)?;
    Ok(report.exit_code())
}

fn stored(args: &Verify, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let signers = signers(args, &chosen)?;
    let directory = match &args.checkpoints {
        Some(directory) if !directory.is_dir() => {
            let at = directory.display();
            return Err(Failed::config(format!("{at} is not a directory")));
        }
        Some(directory) => Some(directory.clone()),
        None => chosen.checkpoints().ok(),
    };
    let anchors = match &directory {
        None => Anchors::default(),
        Some(directory) => anchors::read(directory).map_err(|e| {
            let at = directory.display();
            Failed::new(exit::TRANSIENT, format!("{at}: {}", e.kind()))
        })?,
    };
    context.block_on(async {
        let Some(store) = chosen.read_state(context.global).await? else {
            return Err(match anchors.notes().is_empty() {
                true => Failed::config(NO_LOG),
                false => Failed::new(
                    Problem::Shorter.exit_code(),
                    "there is no log here any more, but there are checkpoints of one",
                ),
            });
        };
        let log = store.head().await?;
        if args.from > log.size.max(1) {
            return Err(Failed::new(
                exit::USAGE,
                format!("the log has the entries 1 to {}", log.size),
            ));
        }
        let verified = store.verify(args.from, &signers, &anchors.notes()).await?;
        let report = &verified.report;
        let reached = |signed: &[Checkpoint]| {
            let fits = |size: &i64| report.vouched.is_some_and(|most| *size <= most);
            signed.iter().map(|c| c.size).filter(fits).max()
        };
        let told = Told {
            report,
            head: Some(&verified.head),
            macs: signers.vouch().is_some(),
            inside: reached(&verified.inside),
            outside: reached(&verified.outside),
            directory: directory.as_deref(),
            torn: &anchors.torn,
        };
        told.print(context)?;
        Ok(report.exit_code())
    })
}

fn signers(args: &Verify, chosen: &Chosen) -> Result<Signers, Failed> {
    match &args.pubkey {
        Some(key) => Ok(Signers::given(public_keys(key)?)),
        None => match chosen.keys() {
            Ok(keys) => Ok(Signers::own(&keys)),
            Err(failed) => Err(Failed::config(format!(
                "{}; or name the public key with --pubkey",
                failed.say
            ))),
        },
    }
}

fn exported(directory: &Path, key: &str, context: &Context<'_>) -> Result<u8, Failed> {
    let keys = public_keys(key)?;
    match verify_export(directory, &keys) {
        Ok(report) => {
            Told::alone(&report).print(context)?;
            Ok(report.exit_code())
        }
        Err(why) => {
            let code = match &why {
                ExportError::NotSigned | ExportError::Manifest | ExportError::NotRegular => {
                    Problem::BadSignature.exit_code()
                }
                ExportError::Io(std::io::ErrorKind::NotFound) => Problem::Shorter.exit_code(),
                _ => exit::TRANSIENT,
            };
            Err(Failed::new(code, format!("{}: {why}", directory.display())))
        }
    }
}

/// A verification, and what it was held to.
struct Told<'r> {
    report: &'r Report,
    head: Option<&'r Head>,
    /// The MACs were judged: the seed is at hand.
    macs: bool,
    /// How far the checkpoints in the state vouch.
    inside: Option<i64>,
    /// How far those outside it do.
    outside: Option<i64>,
    directory: Option<&'r Path>,
    torn: &'r [String],
}

impl<'r> Told<'r> {
    /// Of an export: its own checkpoint is the only one.
    fn alone(report: &'r Report) -> Self {
        Self {
            report,
            head: None,
            macs: false,
            inside: None,
            outside: report.vouched,
            directory: None,
            torn: &[],
        }
    }

    fn print(&self, context: &Context<'_>) -> Result<(), Failed> {
        match context.global.json {
            true => print_json(&self.json()),
            false => print(&self.text()),
        }
    }

    fn json(&self) -> serde_json::Value {
        let report = self.report;
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|f| json!({"entry": f.seq, "problem": f.problem.as_str(), "detail": f.detail}))
            .collect();
        let dangling: Vec<_> = report
            .dangling
            .iter()
            .map(|d| json!({"entry": d.seq, "event": d.event}))
            .collect();
        json!({
            "schema_version": 1,
            "sound": report.findings.is_empty() && !report.unsigned,
            "signed": !report.unsigned,
            "macs": if self.macs { "checked" } else { "not checked" },
            "exit": report.exit_code(),
            "entries": report.entries,
            "log": self.head.map(|h| h.chain.to_string()),
            "head": self.head.map(|h| HEXLOWER.encode(&h.hash)),
            "signed_up_to": {"state": self.inside, "outside": self.outside},
            "findings": findings,
            "accepted_by": report.accepted.map(|(entry, _)| entry),
            "dangling": dangling,
            "torn": self.torn,
        })
    }

    fn text(&self) -> String {
        let report = self.report;
        let mut lines = vec![match self.head {
            Some(head) => format!(
                "{} entries of the log {}, head {}",
                report.entries,
                head.chain,
                HEXLOWER.encode(&head.hash)
            ),
            None => format!("{} entries", report.entries),
        }];
        lines.extend(self.signed());
        lines.extend(
            self.torn
                .iter()
                .map(|at| format!("warning: {at}: a checkpoint that cannot be read")),
        );
        lines.extend(report.dangling.iter().map(|d| {
            let event = output::line(&d.event);
            format!(
                "warning: entry {}: {event} began, and its outcome was not written yet",
                d.seq
            )
        }));
        lines.extend(
            report
                .findings
                .iter()
                .map(|f| output::line(&f.to_string()).into_owned()),
        );
        lines.extend(report.accepted.map(|(entry, before)| {
            format!("entry {entry} accepts what was wrong before it ({before} findings in the entries, and checkpoints that do not fit)")
        }));
        lines.push(match report.findings.len() {
            0 if report.unsigned => UNSIGNED.to_owned(),
            0 => "sound".to_owned(),
            1 => "not sound: 1 finding".to_owned(),
            many if many >= FINDINGS_MAX => {
                format!("not sound: {many} findings, and the rest was not read")
            }
            many => format!("not sound: {many} findings"),
        });
        lines.join("\n") + "\n"
    }

    /// Which checkpoint vouches for how far.
    fn signed(&self) -> Vec<String> {
        let Some(_) = self.head else {
            let signed = |size| format!("signed up to entry {size} by the key given");
            return self.outside.map(signed).into_iter().collect();
        };
        let by = |size: Option<i64>, who: &str| match size {
            Some(size) => format!("signed up to entry {size} by a checkpoint {who}"),
            None => format!("no entry is signed by a checkpoint {who}"),
        };
        let outside = match self.directory {
            Some(directory) => format!("in {}", directory.display()),
            None => "outside the state".to_owned(),
        };
        let macs = match self.macs {
            true => "each entry is held to its MAC",
            false => "no MAC was checked: that takes the seed, which --pubkey does without",
        };
        let macs = macs.to_owned();
        vec![
            by(self.inside, "in the state"),
            by(self.outside, &outside),
            macs,
        ]
    }
}
