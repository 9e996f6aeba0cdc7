//! What is known of one secret, put together. Pure.

use jiff::Timestamp;
use keyrota_rotation::{Phase, Time, Todo};

use crate::commands::say;
use crate::config::model::{Environment, Secret};
use crate::engine::clock;
use crate::engine::daemon::{FAILURES_MAX, due, is_far_ahead, turn_policy};
use crate::engine::journal::Journal;
use crate::engine::mend::Looked;
use crate::state::{self, Rotation};
use crate::turns::{Due, Turn};

/// What the state holds of a secret.
#[derive(Debug, Default)]
pub struct Seen {
    pub secret: Option<state::Secret>,
    /// Its newest rotations, newest first.
    pub latest: Vec<Rotation>,
    /// What the last look at its copies left to a person.
    pub copies: Looked,
}

/// What is told of a secret.
pub struct Look<'a> {
    pub secret: &'a Secret,
    pub version: Option<String>,
    pub fingerprint: Option<String>,
    /// The fingerprints that the current value may have: the recorded one, and that of a rotation
    /// which may have promoted already. Empty: no value was recorded.
    pub recorded: Vec<String>,
    pub changed_ms: Option<i64>,
    pub age: Age,
    pub under_way: Option<UnderWay>,
    pub next: Next,
    pub last: Option<Last>,
    /// Rotations that failed since the last one that succeeded.
    pub failures: u32,
    pub need: Option<Need>,
}

/// How the age stands to `max_age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// There is no limit, or the age is not known.
    Unlimited,
    /// Below 80 % of it.
    Within,
    /// From 80 % on.
    Soon,
    /// At the limit or beyond.
    Over,
}

impl Age {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unlimited => "unlimited",
            Self::Within => "within",
            Self::Soon => "soon",
            Self::Over => "over",
        }
    }
}

/// A rotation that has not ended.
pub struct UnderWay {
    pub id: String,
    pub phase: String,
    pub waits: Waits,
    pub until_ms: Option<i64>,
    /// The last failure, as a fixed sentence.
    pub failure: Option<String>,
    /// How often it failed in a row.
    pub failures: u32,
    /// The consumers and copies that its round still waits for.
    pub missing: Vec<String>,
}

/// What a rotation under way waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Nothing: it is being worked on, or will be as soon as somebody does.
    No,
    /// The end of its settle or grace.
    Planned,
    /// Its next try.
    Retry,
    /// A person.
    Person,
}

impl Waits {
    /// `settle`, `grace`, `retry`, `person`; `None` while nothing is waited for.
    pub fn as_str(self, phase: &str) -> Option<&str> {
        match self {
            Self::No => None,
            Self::Planned => Some(phase),
            Self::Retry => Some("retry"),
            Self::Person => Some("person"),
        }
    }
}

/// The next turn.
pub enum Next {
    /// There is no schedule.
    Asked,
    /// keyrota never rotates it.
    NotOurs,
    /// The schedule has no further turn.
    Never,
    /// It has come.
    Due(Turn),
    /// Not before this moment.
    At(Timestamp, Turn),
}

/// The last rotation that ended.
pub struct Last {
    pub id: String,
    pub outcome: &'static str,
    pub ended_ms: Option<i64>,
    /// Why it was abandoned.
    pub failure: Option<String>,
}

/// What a person has to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    pub why: String,
    pub what: String,
}

/// Puts it together.
pub fn look<'a>(env: &Environment, secret: &'a Secret, seen: &Seen, now: Timestamp) -> Look<'a> {
    let open = seen.latest.iter().find(|r| r.outcome.is_none());
    let last = seen.latest.iter().find_map(|r| {
        Some(Last {
            id: r.id.to_string(),
            outcome: r.outcome?.as_str(),
            ended_ms: r.ended_ms,
            failure: Journal::from_text(&r.record).ok().and_then(|j| j.failure),
        })
    });
    let known = seen.secret.as_ref();
    let changed_ms = known.and_then(|k| k.changed_ms);
    let mut look = Look {
        secret,
        version: known.and_then(|k| Some(k.version?.to_string())),
        fingerprint: known.and_then(|k| k.fingerprint.clone()),
        recorded: recorded(known, open),
        changed_ms,
        age: age(secret, changed_ms, now),
        under_way: open.map(|r| under_way(r, now)),
        next: next(env, secret, known, now),
        last,
        failures: known.map_or(0, |k| k.failures),
        need: None,
    };
    look.need = need(&env.name, &look, &seen.copies);
    look
}

pub fn recorded(known: Option<&state::Secret>, open: Option<&Rotation>) -> Vec<String> {
    let Some(recorded) = known.and_then(|k| k.fingerprint.clone()) else {
        return Vec::new();
    };
    let promoted = open.and_then(|rotation| rotation.fingerprint.clone());
    [Some(recorded), promoted].into_iter().flatten().collect()
}

fn age(secret: &Secret, changed_ms: Option<i64>, now: Timestamp) -> Age {
    let (Some(limit), Some(changed)) = (secret.max_age, changed_ms) else {
        return Age::Unlimited;
    };
    // It was changed under a clock that was far ahead: nobody knows when.
    if is_far_ahead(clock::timestamp(changed), now) {
        return Age::Over;
    }
    let age = now.as_millisecond().saturating_sub(changed);
    let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
    if age >= limit {
        Age::Over
    } else if age >= limit / 5 * 4 {
        Age::Soon
    } else {
        Age::Within
    }
}

fn under_way(row: &Rotation, now: Timestamp) -> UnderWay {
    let journal = Journal::from_text(&row.record).ok();
    let (waits, until_ms) = match &journal {
        // Nobody but a person can help with a record that cannot be read.
        None => (Waits::Person, None),
        Some(journal) => match journal.machine.todo(Time(now.as_millisecond())) {
            Todo::Wait { until, retry: true } => (Waits::Retry, Some(until.0)),
            Todo::Wait { until, .. } => (Waits::Planned, Some(until.0)),
            Todo::Confirm | Todo::Person => (Waits::Person, None),
            // A wait that is over and that nobody ended yet still says when that was.
            Todo::Wake => match journal.machine.phase {
                Phase::Settle { until, .. } | Phase::Grace { until, .. } => {
                    (Waits::Planned, Some(until.0))
                }
                _ => (Waits::No, None),
            },
            Todo::Effect(_) | Todo::Recover | Todo::Over(_) => (Waits::No, None),
        },
    };
    UnderWay {
        id: row.id.to_string(),
        phase: row.phase.clone(),
        waits,
        until_ms,
        failures: journal.as_ref().map_or(0, |j| j.machine.failures),
        missing: journal
            .as_ref()
            .and_then(|j| j.machine.phase.telling())
            .map(|telling| telling.waiting_for().map(str::to_owned).collect())
            .unwrap_or_default(),
        failure: match journal {
            Some(journal) => journal.failure,
            None => Some("its record was written by another version of keyrota".to_owned()),
        },
    }
}

fn next(env: &Environment, secret: &Secret, known: Option<&state::Secret>, now: Timestamp) -> Next {
    let Some(policy) = turn_policy(env, secret) else {
        return match secret.facts.rotates() {
            false => Next::NotOurs,
            true => Next::Asked,
        };
    };
    // Turns count from when the secret is first seen, which would be now.
    let unseen = || state::Secret::new(&env.name, &secret.name, "", now.as_millisecond());
    let known = known.cloned().unwrap_or_else(unseen);
    match due(&policy, &known, now) {
        Due::Now(turn) => Next::Due(turn),
        Due::At(at, turn) => Next::At(at, turn),
        Due::Never => Next::Never,
    }
}

fn need(env: &str, look: &Look<'_>, copies: &Looked) -> Option<Need> {
    let (secret, name) = (look.secret, &look.secret.name);
    let command = |rest: &str| format!("keyrota --env {env} {rest}");
    let need = |why: String, what: String| Some(Need { why, what });
    if let Some(under_way) = &look.under_way
        && under_way.waits == Waits::Person
    {
        if under_way.phase == Phase::Confirm.name() {
            let ask = secret.confirm.as_ref().map(|c| c.ask.clone());
            let ask = ask.unwrap_or_else(|| "the schedule asks for a confirmation".to_owned());
            let what = command(&format!("confirm {name}"));
            return need(ask, format!("when it is done: {what}"));
        }
        let why = under_way.failure.clone();
        let why = why.unwrap_or_else(|| "a step failed for good".to_owned());
        let what = command(&format!("resume {name}"));
        return need(why, format!("when that is corrected: {what}"));
    }
    if look.failures >= FAILURES_MAX {
        let why = look.last.as_ref().and_then(|l| l.failure.clone());
        let why = why.unwrap_or_else(|| "see keyrota history".to_owned());
        let what = command(&format!("rotate {name}"));
        return need(
            format!("{} rotations failed in a row: {why}", look.failures),
            format!(
                "scheduled rotations are skipped until one succeeds; when that is corrected: {what}"
            ),
        );
    }
    if look.under_way.is_none() && !copies.left.is_empty() {
        let why = format!(
            "another tool keeps writing its copy {}, or deleted it",
            copies.left.join(", ")
        );
        let what = command(&format!("resume {name}"));
        return need(why, format!("when that is settled: {what}"));
    }
    if look.under_way.is_none() && copies.own_edited {
        let (rotate, import) = (
            format!("rotate {name}"),
            format!("import {name} --in-place"),
        );
        return need(
            "another tool wrote its current value, and its copies do not follow it".to_owned(),
            format!(
                "to replace it: {}; to accept it: {}",
                command(&rotate),
                command(&import)
            ),
        );
    }
    if look.age == Age::Over && look.under_way.is_none() {
        let limit = say::span(secret.max_age.unwrap_or_default().as_secs());
        let what = if !secret.facts.rotates() {
            let what = command(&format!("import {name} --in-place"));
            format!("put a new one into its provider, then: {what}")
        } else if secret.imported {
            let what = command(&format!("rotate {name} --value-stdin"));
            format!("get a new one from its issuer, and pipe it into: {what}")
        } else {
            command(&format!("rotate {name}"))
        };
        return need(format!("older than {limit}"), what);
    }
    None
}
