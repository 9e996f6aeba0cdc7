//! The rotation plan of an environment as a document, for people who decide, operate or audit.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::outline::{Begins, Outline, Stands, after, limits, source, what};
use crate::commands::progress::second;
use crate::commands::say::cell;
use crate::config::model::{Environment, Secret};
use crate::config::say_duration;
use crate::engine;
use crate::engine::daemon::FAILURES_MAX;
use crate::engine::forecast::What;

/// The document, as Markdown.
pub fn document(env: &Environment, outlines: &[Outline<'_>], now: Timestamp) -> String {
    let mut out = format!(
        "# Rotation plan of {}\n\n\
         Written {} by keyrota {} from the schedule with the SHA-256 digest `{}`. Schedules, windows and \
         blackouts are read in {}; instants are UTC.\n\n",
        cell(&env.name),
        second(now),
        env!("CARGO_PKG_VERSION"),
        env.digest,
        cell(&env.timezone_name),
    );
    out.push_str(
        "| Secret | Kind | Kept by | Rotates | Settle | Grace |\n|---|---|---|---|---|---|\n",
    );
    for o in outlines {
        let s = o.secret;
        let waits = |d| match o.begins {
            Begins::Never => "-".to_owned(),
            _ => say_duration(d),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} at {} | {} | {} | {} |",
            cell(&s.name),
            s.kind.word,
            cell(&s.provider),
            cell(&s.path),
            rotates(o),
            waits(s.waits.settle),
            waits(s.waits.grace),
        );
    }
    for o in outlines {
        section(&mut out, o, now);
    }
    out.push_str(&failure(env, outlines));
    out
}

fn section(out: &mut String, o: &Outline<'_>, now: Timestamp) {
    let s = o.secret;
    let _ = write!(out, "\n## {}\n\n", cell(&s.name));
    if let Some(max_age) = s.max_age {
        let limit = say_duration(max_age);
        let _ = writeln!(
            out,
            "A value older than {limit} is reported, and from 80 % of that on.\n"
        );
    }
    if o.begins == Begins::Never {
        out.push_str("Kept and checked; made and changed by others, never by keyrota.\n");
        return;
    }
    out.push_str(&turns(o));
    out.push_str(&waits(s));
    let copies: Vec<String> = engine::copies::keys(s).collect();
    if s.consumers.is_empty() && copies.is_empty() {
        out.push_str("No consumers: readers fetch the value themselves.\n\n");
    } else {
        out.push_str("Consumers, in the order in which they are notified:\n\n");
        for copy in &copies {
            let _ = writeln!(out, "1. {} (waited for)", cell(copy));
        }
        for consumer in &s.consumers {
            let waited = if consumer.required {
                "waited for"
            } else {
                "not waited for"
            };
            let _ = writeln!(out, "1. {} ({waited})", cell(&consumer.key()));
        }
        out.push('\n');
    }
    let Some(forecast) = &o.forecast else { return };
    let from = if o.stands == Stands::UnderWay {
        "What remains of the rotation under way"
    } else {
        "Steps"
    };
    let _ = writeln!(
        out,
        "{from}, with the earliest time after {}:\n",
        second(now)
    );
    for step in &forecast.steps {
        let after = after(step.at, now);
        let name = match step.what {
            What::Person => "stop",
            _ => step.phase,
        };
        let _ = writeln!(out, "1. +{after} **{name}**: {}", cell(&what(o, step)));
    }
    let end = after(forecast.end, now);
    let _ = writeln!(out, "\nDone after {end} at the earliest.");
}

fn rotates(o: &Outline<'_>) -> String {
    match (o.begins, &o.secret.turn.schedule) {
        (Begins::Schedule, Some(schedule)) => format!("`{schedule}`"),
        (Begins::Given, _) => "when its issuer gives a new one".to_owned(),
        (Begins::Never, _) => "never".to_owned(),
        _ => "when asked".to_owned(),
    }
}

fn turns(o: &Outline<'_>) -> String {
    let turn = &o.secret.turn;
    let mut out = String::new();
    if o.begins != Begins::Schedule {
        return out;
    }
    let limits = limits(turn);
    for limit in &limits {
        let _ = writeln!(out, "- {limit}");
    }
    if !limits.is_empty() {
        out.push('\n');
    }
    if !o.turns.is_empty() {
        out.push_str("| Rotation | Starts |\n|---|---|\n");
        for start in &o.turns {
            let starts = match start.due {
                true => "due".to_owned(),
                false => second(start.starts),
            };
            let _ = writeln!(out, "| {} | {starts} |", start.turn.civil);
        }
        out.push('\n');
    }
    out
}

fn waits(s: &Secret) -> String {
    let rows = [
        (
            "settle",
            "before the new value is used",
            s.waits.settle,
            source(s.waits.settle_from, "settle"),
        ),
        (
            "grace",
            "before the old value dies",
            s.waits.grace,
            source(s.waits.grace_from, "grace"),
        ),
        (
            "refresh",
            "until every reader surely re-read it",
            s.waits.refresh,
            "as stated".to_owned(),
        ),
        (
            "skew",
            "how far two clocks may differ",
            s.waits.skew,
            "as stated, or 60s".to_owned(),
        ),
    ];
    let mut out = "| Wait | Length | From |\n|---|---|---|\n".to_owned();
    for (name, why, length, from) in rows {
        let _ = writeln!(
            out,
            "| {name}: {why} | {} | {} |",
            say_duration(length),
            cell(&from)
        );
    }
    out.push('\n');
    out
}

/// What happens when a step fails; the same machine for all.
fn failure(env: &Environment, outlines: &[Outline<'_>]) -> String {
    let attempts = outlines
        .iter()
        .filter_map(|o| crate::engine::planned(env, o.secret, false).ok())
        .map(|policy| policy.attempts_max)
        .max();
    let Some(attempts) = attempts else {
        return String::new();
    };
    format!(
        "\n## On failure\n\n\
         The record of a rotation is written before each step, and every step may be repeated: after a crash, \
         a restart or a lost reply the rotation continues at the same step. At every moment the value stored as \
         current works.\n\n\
         - **preflight, create**: a permanent failure ends the rotation. A transient failure is retried up to {attempts} \
         times with growing pauses; then the rotation is abandoned. Nothing changed for readers.\n\
         - **test, announce, settle**: the same. The new value is withdrawn from all consumers that \
         have it, and destroyed. The old value stays current.\n\
         - **finish, switch, retire**: retried until it works. After a permanent failure the rotation is stuck and a \
         person decides: `keyrota status` says what to do.\n\
         - After {FAILURES_MAX} failed rotations in a row keyrota skips scheduled rotations until one succeeds.\n\
         - An edited schedule, a clock or a restart never shortens a settle or grace. Only a person does, \
         with a reason, in the audit log.\n"
    )
}
