//! What is planned for one secret. Pure.

use jiff::Timestamp;
use keyrota_rotation::{Effect, Record, Round, Time, Which};

use crate::config::model::{Environment, Secret, Source, TurnPolicy};
use crate::config::registry::BuildError;
use crate::config::say_duration;
use crate::engine;
use crate::engine::daemon::turn_policy;
use crate::engine::forecast::{self, Forecast, Step, What};
use crate::state;
use crate::turns::{Due, Turn};

/// What the state knows of a secret.
#[derive(Debug, Default)]
pub struct Known {
    pub secret: Option<state::Secret>,
    /// The machine's record of a rotation under way.
    pub under_way: Option<Record>,
}

/// What is planned for a secret.
pub struct Outline<'a> {
    pub secret: &'a Secret,
    pub begins: Begins,
    pub turns: Vec<Start>,
    pub stands: Stands,
    /// `None` where keyrota never rotates it.
    pub forecast: Option<Forecast>,
}

/// What begins a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// Its turn.
    Schedule,
    /// A person asks.
    Asked,
    /// A person brings the value that its issuer made.
    Given,
    /// Nothing: it is kept and checked.
    Never,
}

impl Begins {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Asked => "asked",
            Self::Given => "given",
            Self::Never => "never",
        }
    }
}

/// What the steps told are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// The remaining ones of a rotation under way.
    UnderWay,
    /// The state knows the secret, and no value of it was ever seen: those of the first one.
    First,
    /// No state knows the secret: those of a rotation that has a value to replace.
    Unseen,
    /// Those of the next one.
    Current,
}

impl Stands {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::First => "first",
            Self::Unseen => "unseen",
            Self::Current => "current",
        }
    }
}

/// One turn, and when it starts: after the window has opened and the jitter has passed.
pub struct Start {
    pub turn: Turn,
    pub starts: Timestamp,
    pub due: bool,
}

/// Puts it together; with the next `turns` turns.
pub fn outline<'a>(
    env: &Environment,
    secret: &'a Secret,
    known: &Known,
    turns: usize,
    now: Timestamp,
) -> Result<Outline<'a>, BuildError> {
    let begins = match secret.facts.rotates() {
        false => Begins::Never,
        _ if secret.imported => Begins::Given,
        _ if secret.turn.schedule.is_some() => Begins::Schedule,
        _ => Begins::Asked,
    };
    let at = Time(now.as_millisecond());
    let stands = match (&known.under_way, &known.secret) {
        (Some(_), _) => Stands::UnderWay,
        (None, None) => Stands::Unseen,
        (None, Some(seen)) if seen.fingerprint.is_none() => Stands::First,
        (None, Some(_)) => Stands::Current,
    };
    let forecast = match (&known.under_way, begins) {
        (Some(record), _) => Some(forecast::of_record(record.clone(), at)),
        (None, Begins::Never) => None,
        (None, _) => Some(forecast::of_policy(
            engine::planned(env, secret, stands == Stands::First)?,
            at,
        )),
    };
    Ok(Outline {
        secret,
        begins,
        turns: next_turns(env, secret, known.secret.as_ref(), turns, now),
        stands,
        forecast,
    })
}

fn next_turns(
    env: &Environment,
    secret: &Secret,
    known: Option<&state::Secret>,
    turns: usize,
    now: Timestamp,
) -> Vec<Start> {
    let Some(policy) = turn_policy(env, secret) else {
        return Vec::new();
    };
    // Turns count from when the secret is first seen, which would be now.
    let unseen = || state::Secret::new(&env.name, &secret.name, "", now.as_millisecond());
    let known = known.cloned().unwrap_or_else(unseen);
    let mut due = engine::daemon::due(&policy, &known, now);
    let mut told: Vec<Start> = Vec::new();
    while told.len() < turns {
        let (turn, starts, is_due) = match due {
            Due::Now(turn) => (turn, now, told.is_empty()),
            Due::At(at, turn) => (turn, at, false),
            Due::Never => break,
        };
        told.push(Start {
            turn,
            starts,
            due: is_due,
        });
        // As if it were taken when it starts.
        due = policy.due(Some(turn.civil), turn.at, now);
    }
    told
}

/// What keeps a turn from starting when it comes.
pub fn limits(turn: &TurnPolicy) -> Vec<String> {
    let mut limits = Vec::new();
    if let Some(w) = turn.window {
        let time = |t: jiff::civil::Time| t.strftime("%H:%M").to_string();
        limits.push(format!("begun between {} and {}", time(w.from), time(w.to)));
    }
    if !turn.jitter.is_zero() {
        let most = say_duration(turn.jitter);
        limits.push(format!("put off by a fixed share of {most}"));
    }
    if let Some(first) = turn.not_before {
        limits.push(format!("none before {first}"));
    }
    for b in &turn.blackouts {
        limits.push(format!("none begun from {} to {}", b.from, b.to));
    }
    limits
}

/// How long after `now`, to the second.
pub fn after(at: Time, now: Timestamp) -> String {
    let ms = at.0.saturating_sub(now.as_millisecond()).max(0);
    say_duration(std::time::Duration::from_secs(ms.unsigned_abs() / 1000))
}

/// One step in words.
pub fn what(outline: &Outline<'_>, step: &Step) -> String {
    let secret = outline.secret;
    match &step.what {
        What::Effect(effect) => effect_in_words(effect, secret),
        What::Wait { until } => {
            let length = until.0.saturating_sub(step.at.0).max(0).unsigned_abs();
            let length = say_duration(std::time::Duration::from_millis(length));
            // A wait that is running, or was taken down by a record, is not the file's any more.
            let stated = outline.stands != Stands::UnderWay;
            match step.phase {
                "settle" if stated => {
                    format!(
                        "wait {length} ({})",
                        source(secret.waits.settle_from, "settle")
                    )
                }
                "grace" if stated => {
                    format!(
                        "wait {length} ({})",
                        source(secret.waits.grace_from, "grace")
                    )
                }
                "settle" | "grace" => format!("wait {length} more"),
                _ => format!("try again in {length}"),
            }
        }
        What::Confirm => match &secret.confirm {
            Some(confirm) => format!("a person: {}", confirm.ask),
            None => "a person confirms".to_owned(),
        },
        What::Person => "a person looks: see keyrota status".to_owned(),
    }
}

/// Where a wait comes from, in the file's words.
pub fn source(from: Source, key: &str) -> String {
    match from {
        Source::Stated => format!("{key}, as stated"),
        Source::Derived(sum) => sum.to_owned(),
    }
}

/// A consumer as the plan names it: whether it is waited for, by its key.
fn required(secret: &Secret, key: &str) -> bool {
    let at = secret.consumers.iter().find(|c| c.key() == key);
    at.is_none_or(|c| c.required)
}

fn effect_in_words(effect: &Effect, secret: &Secret) -> String {
    let provider = &secret.provider;
    let version = |which: &Which| match which {
        Which::Current => "the current value",
        Which::Pending => "the new value",
        Which::Previous => "the old value",
    };
    match effect {
        Effect::Preflight => {
            "look whether every later step can be done; nothing is changed".to_owned()
        }
        Effect::Create if secret.imported => {
            format!("take the value that a person gives, and keep it as pending in {provider}")
        }
        Effect::Create => format!("make a new value, and keep it as pending in {provider}"),
        Effect::Install(which) => format!("make the target accept {}", version(which)),
        Effect::Quiesce => "end what an earlier try may still be doing".to_owned(),
        Effect::Probe(Which::Previous) => "prove that the old value is refused".to_owned(),
        Effect::Probe(which) => format!("prove {}", version(which)),
        Effect::Deliver { round, listener } => {
            let shown = match round {
                Round::Announce => "accept the new value as well",
                Round::Switch => "use the new value",
                Round::Withdraw => "accept only the current value",
            };
            if engine::copies::keys(secret).any(|key| key == *listener) {
                let what = match round {
                    Round::Announce => "for what has to be accepted before it is used",
                    Round::Switch => "with the new value",
                    Round::Withdraw => "without the old value",
                };
                return format!("keep {listener} {what}");
            }
            let optional = if required(secret, listener) {
                ""
            } else {
                " (not waited for)"
            };
            format!("notify {listener}{optional}: {shown}")
        }
        Effect::ObservePublished => "see the new key in the published set".to_owned(),
        Effect::Promote => format!("make the new value current in {provider}"),
        Effect::ObserveCurrent => format!("see which value is current in {provider}"),
        Effect::Refuse(which) => format!("make the target refuse {}", version(which)),
        Effect::Destroy(which) => format!("destroy {} in {provider}", version(which)),
    }
}

#[cfg(test)]
mod tests;
