//! `keyrota history`: past rotations of a secret.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{self, Failed};
use super::progress::second;
use super::say;
use crate::engine::journal::Journal;
use crate::state::Rotation;

/// Options of `keyrota history`.
#[derive(Debug, Args)]
#[command(
    after_help = "Newest first. The outcome is rotated (the new value is current, the old one is revoked), abandoned \
(nothing changed for readers) or imported (an existing value was adopted). A rotation under way \
shows its phase instead. A fingerprint is a keyed hash: with the keys you can see whether two values \
are equal. History never holds a value. To prove it, run `keyrota audit verify`.

Works while a daemon runs, also for secrets that the schedule no longer names."
)]
pub struct History {
    /// The secret
    pub name: String,
    /// Show at most this many rotations
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
    /// The format: a table, a document for an auditor, or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How a history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table.
    Text,
    /// A document.
    Markdown,
    /// One JSON document.
    Json,
}

/// What is told, and what a document says about itself.
struct Told<'a> {
    env: &'a str,
    name: &'a str,
    rotations: &'a [Rotation],
    /// There are older ones.
    more: bool,
    written: jiff::Timestamp,
}

/// Does it; the exit code.
pub fn run(args: &History, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let mut rotations = context.block_on(async {
        let Some(store) = chosen.read_state(context.global).await? else {
            return Ok(Vec::new());
        };
        // One more than is told shows whether there are older ones.
        let most = args.limit.saturating_add(1);
        Ok(store.rotations(&chosen.env.name, &args.name, most).await?)
    })?;
    if rotations.is_empty() {
        say::secret(&chosen.env, &args.name)?;
    }
    let more = rotations.len() > args.limit as usize;
    rotations.truncate(args.limit as usize);
    let told = Told {
        env: &chosen.env.name,
        name: &args.name,
        rotations: &rotations,
        more,
        written: context.now(),
    };
    match args.format {
        _ if context.global.json => say::print_json(&as_json(&told))?,
        Format::Json => say::print_json(&as_json(&told))?,
        Format::Text => say::print(&as_text(&told))?,
        Format::Markdown => say::print(&as_markdown(&told))?,
    }
    Ok(exit::DONE)
}

fn as_text(told: &Told<'_>) -> String {
    if told.rotations.is_empty() {
        return format!("{} was never rotated\n", told.name);
    }
    let header = [
        "STARTED", "OUTCOME", "TOOK", "BY", "WHY", "ROTATION", "FAILURE",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for r in told.rotations {
        rows.push([
            say::moment_ms(r.started_ms, told.written),
            outcome(r),
            r.ended_ms.map_or_else(
                || "-".to_owned(),
                |end| say::span(end.abs_diff(r.started_ms) / 1000),
            ),
            r.actor.clone(),
            why(r),
            r.id.to_string(),
            failure(r).unwrap_or_default(),
        ]);
    }
    let mut out = say::table(&rows);
    if told.more {
        out.push_str("older ones with --limit\n");
    }
    out
}

fn as_markdown(told: &Told<'_>) -> String {
    let mut out = format!(
        "# Rotations of {} in {}\n\nWritten {} by keyrota {}. Times are UTC. Newest first.\n\n",
        say::cell(told.name),
        say::cell(told.env),
        second(told.written),
        env!("CARGO_PKG_VERSION"),
    );
    if told.rotations.is_empty() {
        out.push_str("None.\n");
        return out;
    }
    out.push_str("| Started | Ended | Outcome | Trigger | Reason | Actor | Version | Fingerprint | Rotation |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for r in told.rotations {
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let cells = [
            second(say::timestamp(r.started_ms)),
            dash(r.ended_ms.map(|ms| second(say::timestamp(ms)))),
            match failure(r) {
                Some(why) => say::cell(&format!("{}: {why}", outcome(r))),
                None => say::cell(&outcome(r)),
            },
            say::cell(&r.trigger),
            dash(r.reason.as_deref().map(say::cell)),
            say::cell(&r.actor),
            dash(r.version.map(|v| v.to_string())),
            dash(r.fingerprint.as_deref().map(say::cell)),
            r.id.to_string(),
        ];
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    if told.more {
        out.push_str("\nOlder rotations exist and are not listed here.\n");
    }
    out.push_str("\nThe audit log proves these rows: `keyrota audit verify`.\n");
    out
}

fn as_json(told: &Told<'_>) -> Value {
    let rotations = told.rotations.iter().map(|r| {
        json!({
            "id": r.id.to_string(),
            "trigger": r.trigger,
            "reason": r.reason,
            "actor": r.actor,
            "outcome": r.outcome.map(|o| o.as_str()),
            "phase": r.phase,
            "started": second(say::timestamp(r.started_ms)),
            "ended": r.ended_ms.map(|ms| second(say::timestamp(ms))),
            "version": r.version.map(|v| v.to_string()),
            "fingerprint": r.fingerprint,
            "failure": failure(r),
        })
    });
    json!({
        "schema_version": 1,
        "environment": told.env,
        "secret": told.name,
        "rotations": rotations.collect::<Vec<_>>(),
        "more": told.more,
    })
}

fn outcome(r: &Rotation) -> String {
    match r.outcome {
        Some(outcome) => outcome.as_str().to_owned(),
        None => format!("under way: {}", r.phase),
    }
}

/// Why it was abandoned, or is not further: a fixed sentence.
fn failure(r: &Rotation) -> Option<String> {
    Journal::from_text(&r.record).ok()?.failure
}

fn why(r: &Rotation) -> String {
    match &r.reason {
        Some(reason) => format!("{}: {reason}", r.trigger),
        None => r.trigger.clone(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::state::Outcome;

    fn rotation(outcome: Option<Outcome>, reason: Option<&str>) -> Rotation {
        Rotation {
            id: Uuid::from_u128(7),
            env: "production".to_owned(),
            secret: "token".to_owned(),
            account: None,
            trigger: "command".to_owned(),
            reason: reason.map(str::to_owned),
            actor: "uid:1000 alice".to_owned(),
            phase: if outcome.is_some() { "done" } else { "grace" }.to_owned(),
            outcome,
            started_ms: 0,
            ended_ms: outcome.map(|_| 90_000),
            version: None,
            fingerprint: Some("v1:ab".to_owned()),
            record: "{}".to_owned(),
            revision: 0,
        }
    }

    fn told(rotations: &[Rotation], more: bool) -> Told<'_> {
        Told {
            env: "production",
            name: "token",
            rotations,
            more,
            written: say::timestamp(120_000),
        }
    }

    #[test]
    fn one_under_way_has_no_outcome_and_no_end() {
        let rows = [rotation(None, None), rotation(Some(Outcome::Rotated), None)];
        let json = as_json(&told(&rows, false));
        assert_eq!(json["rotations"][0]["outcome"], Value::Null);
        assert_eq!(json["rotations"][0]["ended"], Value::Null);
        assert_eq!(json["rotations"][1]["outcome"], "rotated");
        assert_eq!(json["rotations"][1]["ended"], "1970-01-01T00:01:30Z");
        let text = as_text(&told(&rows, false));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].contains("under way: grace  -  "), "{text}");
        assert!(lines[2].contains("(2m ago)  rotated"), "{text}");
        assert!(
            lines[2].contains("  1m 30s  uid:1000 alice  command"),
            "{text}"
        );
    }

    #[test]
    fn a_document_cannot_be_rewritten_by_a_reason() {
        let rows = [rotation(
            Some(Outcome::Abandoned),
            Some("x |\n| 1970-01-01T00:00:00Z | <b>rotated</b>"),
        )];
        let document = as_markdown(&told(&rows, true));
        let table: Vec<_> = document.lines().filter(|l| l.starts_with('|')).collect();
        assert_eq!(table.len(), 3, "{document}");
        let bars = table[2].replace("\\|", "").matches('|').count();
        assert_eq!(bars, 10, "{document}");
        assert!(!document.contains("<b>"), "{document}");
        assert!(document.contains("Older rotations exist"), "{document}");
    }
}
