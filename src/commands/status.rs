//! `keyrota status`: every secret of an environment, as the state knows it.

mod compare;
mod look;

use clap::Args;
use serde_json::{Value, json};

use super::clock;
use super::context::Context;
use super::exit::{self, Failed};
use super::progress::second;
use super::say;
use crate::config::model::Secret;
use crate::engine::daemon::glance;
use crate::engine::mend;
use crate::output;
use crate::state::Held;
use jiff::Timestamp;
use look::{Age, Look, Next, Seen, Waits};

/// Options of `keyrota status`.
#[derive(Debug, Args)]
#[command(
    after_help = "Without names: one line for each secret. With names: everything that keyrota knows about them. Shows \
the age, the phase of a rotation under way and how long it waits, the next rotation, the last \
result, and what a person has to do. Reads the schedule and the state, but no provider and no keys; \
works while a daemon runs. With --check it also reads the keys and every current value, and compares \
the value with the recorded fingerprint. If there is no state yet, status shows that nothing is \
known.

Exit codes: 0; with --check 22 if a person must act."
)]
pub struct Status {
    /// Show only these secrets, in detail
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Compare stored values with the record; exit with 22 if a person must act
    #[arg(long)]
    pub check: bool,
}

/// Does it; the exit code.
pub fn run(args: &Status, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let env = &chosen.env;
    for name in &args.names {
        say::secret(env, name)?;
    }
    let meant = |s: &&Secret| args.names.is_empty() || args.names.contains(&s.name);
    let secrets: Vec<&Secret> = env.secrets.iter().filter(meant).collect();
    let (known, held, looks, now, skew, unproven) = context.block_on(async {
        let store = chosen.read_state(context.global).await?;
        let (now, skew, unproven) = match &store {
            Some(store) => clock::glance(context, &chosen, store).await?,
            None => (context.now(), None, false),
        };
        let mut looks = Vec::new();
        for secret in secrets {
            let mut seen = Seen::default();
            if let Some(store) = &store {
                seen.secret = glance(store, env, secret, now).await?;
                // One may be under way; the one before it is over.
                seen.latest = store.rotations(&env.name, &secret.name, 2).await?;
                seen.copies = mend::left(store, &env.name, secret).await?;
            }
            looks.push(look::look(env, secret, &seen, now));
        }
        if let Some(store) = &store
            && args.check
            && looks.iter().any(|l| !l.recorded.is_empty())
        {
            compare::compare(&chosen, store, &mut looks, now).await?;
        }
        let held = match &store {
            Some(store) => store.held(&format!("env/{}", env.name)).await?,
            None => None,
        };
        Ok((store.is_some(), held, looks, now, skew, unproven))
    })?;
    if context.global.json {
        say::print_json(&as_json(
            &env.name,
            held.as_ref(),
            &looks,
            now,
            (skew, unproven),
        ))?;
    } else {
        let mut out = heading(&env.name, known, held.as_ref(), now);
        if args.names.is_empty() {
            out.push_str(&overview(&looks, now));
        } else {
            out.push_str(&details(&looks, now));
        }
        out.push_str(&needs(&looks));
        if let Some(ms) = skew {
            out.push_str(&format!("\n{}\n", clock::differs(ms, &env.name)));
        }
        if unproven {
            out.push_str(&format!("\n{}\n", clock::UNPROVEN));
        }
        say::print(&out)?;
    }
    let person = skew.is_some() || looks.iter().any(|l| l.need.is_some());
    Ok(if args.check && person {
        exit::PERSON
    } else {
        exit::DONE
    })
}

fn heading(env: &str, known: bool, held: Option<&Held>, now: Timestamp) -> String {
    let who = match (known, held) {
        (false, _) => "nothing is recorded yet".to_owned(),
        (true, None) => "no keyrota is at work".to_owned(),
        (true, Some(held)) => format!(
            "pid {} on {} is at work since {}",
            held.pid,
            output::line(&held.host),
            say::moment_ms(held.since_ms, now)
        ),
    };
    format!("{env}: {who}\n\n")
}

fn overview(looks: &[Look<'_>], now: Timestamp) -> String {
    let header = [
        "SECRET",
        "KIND",
        "CHANGED",
        "STATE",
        "NEXT ROTATION",
        "LAST",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(looks.iter().map(|l| {
        [
            l.secret.name.clone(),
            l.secret.kind.word.to_owned(),
            changed(l, now),
            state(l, now),
            next(l, now),
            last(l, now),
        ]
    }));
    say::table(&rows)
}

fn details(looks: &[Look<'_>], now: Timestamp) -> String {
    let mut out = String::new();
    for l in looks {
        let dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rows = [
            ("kind", l.secret.kind.word.to_owned()),
            (
                "kept by",
                format!("{} at {}", l.secret.provider, l.secret.path),
            ),
            ("changed", changed(l, now)),
            (
                "max age",
                dash(l.secret.max_age.map(|d| say::span(d.as_secs()))),
            ),
            ("version", dash(l.version.clone())),
            ("fingerprint", dash(l.fingerprint.clone())),
            ("state", state(l, now)),
            ("not notified yet", dash(missing(l))),
            ("rotation", dash(l.under_way.as_ref().map(|u| u.id.clone()))),
            ("schedule", dash(l.secret.turn.schedule.clone())),
            ("next rotation", next(l, now)),
            ("last", last(l, now)),
            ("failures", l.failures.to_string()),
        ];
        let rows = rows.map(|(label, value)| [format!("  {label}"), value]);
        out.push_str(&format!("{}\n{}\n", l.secret.name, say::table(&rows)));
    }
    out
}

fn needs(looks: &[Look<'_>]) -> String {
    let mut out = String::new();
    for l in looks {
        if let Some(need) = &l.need {
            if out.is_empty() {
                out.push_str("\na person is needed:\n");
            }
            let (why, what) = (output::line(&need.why), &need.what);
            out.push_str(&format!("  {}: {why}\n    {what}\n", l.secret.name));
        }
    }
    out
}

fn changed(l: &Look<'_>, now: Timestamp) -> String {
    let Some(ms) = l.changed_ms else {
        return "-".to_owned();
    };
    let limit = l.secret.max_age.map(|d| say::span(d.as_secs()));
    match (l.age, limit) {
        (Age::Soon, Some(limit)) => format!("{}, soon over {limit}", say::moment_ms(ms, now)),
        (Age::Over, Some(limit)) => format!("{}, over {limit}", say::moment_ms(ms, now)),
        _ => say::moment_ms(ms, now),
    }
}

fn state(l: &Look<'_>, now: Timestamp) -> String {
    let Some(under_way) = &l.under_way else {
        return if l.fingerprint.is_some() {
            "current"
        } else {
            "-"
        }
        .to_owned();
    };
    let phase = &under_way.phase;
    match (under_way.waits, under_way.until_ms) {
        (Waits::Planned, Some(ms)) => format!("{phase} until {}", say::moment_ms(ms, now)),
        (Waits::Retry, Some(ms)) => {
            let why = under_way.failure.as_deref().unwrap_or("it failed");
            let times = match under_way.failures {
                0 | 1 => String::new(),
                n => format!(" ({n} times in a row)"),
            };
            format!(
                "{phase}, again at {}: {}{times}{}",
                say::moment_ms(ms, now),
                why,
                missing(l).map_or(String::new(), |who| format!(" (not yet: {who})"))
            )
        }
        (Waits::Person, _) => format!("{phase}: waits for a person"),
        _ => phase.clone(),
    }
}

/// Who has not got it yet, in a round under way.
fn missing(l: &Look<'_>) -> Option<String> {
    let missing = &l.under_way.as_ref()?.missing;
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn next(l: &Look<'_>, now: Timestamp) -> String {
    match &l.next {
        Next::Asked => "when asked".to_owned(),
        Next::NotOurs => "-".to_owned(),
        Next::Never => "never again".to_owned(),
        Next::Due(_) => "due".to_owned(),
        Next::At(at, _) => say::moment(*at, now),
    }
}

fn last(l: &Look<'_>, now: Timestamp) -> String {
    let Some(last) = &l.last else {
        return "-".to_owned();
    };
    let ended = last
        .ended_ms
        .map(|ms| say::relative(say::timestamp(ms), now));
    let mut said = match ended {
        Some(ended) => format!("{} {ended}", last.outcome),
        None => last.outcome.to_owned(),
    };
    if let Some(why) = &last.failure {
        said.push_str(&format!(": {why}"));
    }
    said
}

fn as_json(
    env: &str,
    held: Option<&Held>,
    looks: &[Look<'_>],
    now: Timestamp,
    (skew_ms, unproven): (Option<i64>, bool),
) -> Value {
    let time = |ms: i64| second(say::timestamp(ms));
    let secrets = looks.iter().map(|l| {
        let (due, turn, at) = match &l.next {
            Next::Due(turn) => (true, Some(turn), Some(now)),
            Next::At(at, turn) => (false, Some(turn), Some(*at)),
            Next::Asked | Next::NotOurs | Next::Never => (false, None, None),
        };
        json!({
            "name": l.secret.name,
            "kind": l.secret.kind.word,
            "provider": l.secret.provider,
            "path": l.secret.path,
            "version": l.version,
            "fingerprint": l.fingerprint,
            "changed": l.changed_ms.map(time),
            "age_seconds": l.changed_ms.map(|ms| now.as_millisecond().saturating_sub(ms).max(0) / 1000),
            "max_age_seconds": l.secret.max_age.map(|d| d.as_secs()),
            "age": l.age.as_str(),
            "rotation": l.under_way.as_ref().map(|u| json!({
                "id": u.id,
                "phase": u.phase,
                "waits_for": u.waits.as_str(&u.phase),
                "until": u.until_ms.map(time),
                "failure": u.failure,
                "failures": u.failures,
                "missing": u.missing,
            })),
            "phase": l.under_way.as_ref().map(|u| &u.phase),
            "schedule": l.secret.turn.schedule,
            "due": due,
            "next_turn": turn.map(|t| t.civil.to_string()),
            "next_at": at.map(second),
            "last": l.last.as_ref().map(|r| json!({
                "id": r.id, "outcome": r.outcome, "ended": r.ended_ms.map(time), "failure": r.failure,
            })),
            "failures": l.failures,
            "needs": l.need.as_ref().map(|n| json!({"why": n.why, "do": n.what})),
        })
    });
    json!({
        "schema_version": 1,
        "environment": env,
        "locked_by": held.map(|h| json!({"host": h.host, "pid": h.pid, "since": time(h.since_ms)})),
        "clock_ahead_seconds": skew_ms.map(|ms| ms / 1000),
        "clock_request": unproven.then_some("unproven"),
        "secrets": secrets.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
