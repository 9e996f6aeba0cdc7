//! `keyrota audit verify`: whether the log is what was written, and how far somebody vouches for it.

use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;
use serde_json::json;
use uuid::Uuid;

use super::{Context, Failed, NO_LOG, exit, public_keys};
use crate::audit::anchors::{self, Anchors};
use crate::audit::export::ExportError;
use crate::audit::{Checkpoint, Head, NoteError, Problem, Report, VerifyingKey, verify_export};
use crate::commands::context::Chosen;
use crate::commands::say::{print, print_json};
use crate::output;

/// Options of `keyrota audit verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 sound, 30 entry modified, 31 gap, 32 fork or duplicate, 33 reordered, \
34 shorter than a checkpoint, 35 bad signature, 36 indexed copy differs: the first finding's."
)]
pub struct Verify {
    /// From this entry on, instead of the whole log
    #[arg(long, value_name = "N", default_value_t = 1, hide_default_value = true, value_parser = clap::value_parser!(i64).range(1..))]
    pub from: i64,
    /// Checkpoints kept outside the state [default: where keyrota keeps them]
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,
    /// The public key, or a file with it, instead of this host's keys
    #[arg(long, value_name = "FILE|KEY")]
    pub pubkey: Option<String>,
    /// Verify an export; needs no schedule, no state and no keys
    #[arg(long, value_name = "DIR", requires = "pubkey", conflicts_with_all = ["from", "checkpoints"])]
    pub export: Option<PathBuf>,
}

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

/// Whose signatures are believed.
enum Trust {
    /// Those of a key that was given.
    Given(Vec<VerifyingKey>),
    /// Those of this host's own key, in whatever log.
    Own([u8; 32]),
}

impl Trust {
    fn judge(&self, note: &str, log: Uuid) -> Result<Checkpoint, NoteError> {
        match self {
            Self::Given(keys) => Checkpoint::verify(note, keys),
            Self::Own(public) => {
                // Signed by us and about another log is worse than signed by a stranger.
                let named = note.lines().next().and_then(|l| l.strip_prefix("keyrota/"));
                let named = named.and_then(|id| Uuid::parse_str(id).ok());
                let logs = [Some(log), named.filter(|id| *id != log)];
                let keys = logs.into_iter().flatten();
                let keys: Vec<_> = keys.map(|id| VerifyingKey::new(id, *public)).collect();
                Checkpoint::verify(note, &keys)
            }
        }
    }
}

fn stored(args: &Verify, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let trust = trust(args, &chosen)?;
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
            return Err(match anchors.notes.is_empty() {
                true => Failed::config(NO_LOG),
                false => Failed::new(
                    Problem::Shorter.exit_code(),
                    "there is no log here any more, but there are checkpoints of one",
                ),
            });
        };
        // Before the entries: what is signed meanwhile may be about later ones.
        let log = store.head().await?;
        if args.from > log.size.max(1) {
            return Err(Failed::new(
                exit::USAGE,
                format!("the log has the entries 1 to {}", log.size),
            ));
        }
        let judged = |notes: &[String]| -> Vec<_> {
            notes.iter().map(|n| trust.judge(n, log.chain)).collect()
        };
        let (inside, outside) = (judged(&store.checkpoints().await?), judged(&anchors.notes));
        let sizes = [&inside, &outside].map(|all| sizes(all, log.chain));
        let all = inside.into_iter().chain(outside);
        let (report, head) = store.verify_from(args.from, all).await?;
        let reached = |sizes: &[i64]| {
            let fits = |size: &&i64| report.vouched.is_some_and(|most| **size <= most);
            sizes.iter().filter(fits).max().copied()
        };
        let told = Told {
            report: &report,
            head: Some(&head),
            inside: reached(&sizes[0]),
            outside: reached(&sizes[1]),
            directory: directory.as_deref(),
            torn: &anchors.torn,
        };
        told.print(context)?;
        Ok(report.exit_code())
    })
}

fn trust(args: &Verify, chosen: &Chosen) -> Result<Trust, Failed> {
    match &args.pubkey {
        Some(key) => Ok(Trust::Given(public_keys(key)?)),
        None => match chosen.keys() {
            Ok(keys) => Ok(Trust::Own(keys.public())),
            Err(failed) => Err(Failed::config(format!(
                "{}; or name the public key with --pubkey",
                failed.say
            ))),
        },
    }
}

/// How long the log was when each of these was signed.
fn sizes(judged: &[Result<Checkpoint, NoteError>], log: Uuid) -> Vec<i64> {
    let sound = judged.iter().flatten().filter(|c| c.chain == log);
    sound.map(|c| c.size).collect()
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
                ExportError::NotSigned | ExportError::Manifest => Problem::BadSignature.exit_code(),
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
            "sound": report.findings.is_empty(),
            "exit": report.exit_code(),
            "entries": report.entries,
            "log": self.head.map(|h| h.chain.to_string()),
            "head": self.head.map(|h| HEXLOWER.encode(&h.hash)),
            "signed_up_to": {"state": self.inside, "outside": self.outside},
            "findings": findings,
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
        lines.push(match report.findings.len() {
            0 => "sound".to_owned(),
            1 => "not sound: 1 finding".to_owned(),
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
        vec![by(self.inside, "in the state"), by(self.outside, &outside)]
    }
}
