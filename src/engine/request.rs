//! A person's decision for a process that holds the lock: left in the state, taken at its next look.

use jiff::Timestamp;
use keyrota_rotation::{Decision, Event, Illegal, Moment, Time};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::journal::Journal;
use super::{Engine, EngineError, Stop};
use crate::audit::{self, Actor, NewEntry};
use crate::state::{Asked as InState, Change, Holder, StateError, Store};

/// What is left in the state.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    /// The rotation it is about: it never applies to a later one. `None`: about the copies of a
    /// secret with none under way.
    rotation: Option<Uuid>,
    decision: Word,
    by: String,
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Confirm,
    Resume,
    Abandon,
    RetireNow,
}

impl Word {
    fn of(decision: Decision) -> Option<Self> {
        match decision {
            Decision::Confirm => Some(Self::Confirm),
            Decision::Resume => Some(Self::Resume),
            Decision::Abandon => Some(Self::Abandon),
            Decision::RetireNow => Some(Self::RetireNow),
            Decision::Compromised => None,
        }
    }

    fn decision(self) -> Decision {
        match self {
            Self::Confirm => Decision::Confirm,
            Self::Resume => Decision::Resume,
            Self::Abandon => Decision::Abandon,
            Self::RetireNow => Decision::RetireNow,
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Confirm => "request.confirm",
            Self::Resume => "request.resume",
            Self::Abandon => "request.abandon",
            Self::RetireNow => "request.retire-now",
        }
    }
}

/// Who asks for what.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The environment.
    pub env: &'a str,
    /// The secret.
    pub secret: &'a str,
    /// What was decided.
    pub decision: Decision,
    /// By whom: `uid:1000 (claims USER=alice)`.
    pub by: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
    /// Whether, without a rotation, it is about the secret's copies.
    pub copies: bool,
}

/// What became of a decision that was to be left.
#[derive(Debug)]
pub enum Left {
    /// It waits to be taken up.
    Left,
    /// No rotation is under way that it could be about.
    NoRotation,
    /// It makes no sense where the rotation stands.
    Illegal(Illegal),
}

/// Leaves a decision for the process at work, if it makes sense as far as can be seen from here.
pub async fn leave(
    store: &Store,
    who: &Holder,
    asked: Asked<'_>,
    now: Timestamp,
) -> Result<Left, StateError> {
    let row = store.open_rotation(asked.env, asked.secret).await?;
    if row.is_none() && !asked.copies {
        return Ok(Left::NoRotation);
    }
    let Some(word) = Word::of(asked.decision) else {
        return Ok(Left::NoRotation);
    };
    // While an effect is under way nobody knows yet what will make sense after it.
    if let Some(Ok(journal)) = row.as_ref().map(|row| Journal::from_text(&row.record))
        && !journal.machine.in_flight
    {
        let at = Moment {
            now: Time(now.as_millisecond()),
            dice: 0,
        };
        if let Err(illegal) = journal.machine.step(Event::Decided(asked.decision), at) {
            return Ok(Left::Illegal(illegal));
        }
    }
    let request = Request {
        rotation: row.as_ref().map(|row| row.id),
        decision: word,
        by: asked.by.to_owned(),
        reason: asked.reason.map(str::to_owned),
    };
    let value = serde_json::to_string(&request).expect("names have a JSON form");
    let mut entry = NewEntry::new(word.event(), audit::Phase::Admin, Actor::operator(asked.by))
        .secret(asked.env, asked.secret);
    entry.rotation = request.rotation;
    entry.reason = request.reason;
    let key = key(asked.env, asked.secret);
    let written = store.ask(who, &key, &value, &entry, now).await?;
    store.try_keep(who, written.note.as_deref());
    Ok(Left::Left)
}

/// Whether a decision is still waiting to be taken up.
pub async fn is_left(store: &Store, env: &str, secret: &str) -> Result<bool, StateError> {
    Ok(store.fact(&key(env, secret)).await?.is_some())
}

impl Engine {
    /// Takes up what a person left for this secret; where that led, if anything was left that makes
    /// sense. What does not is dropped.
    pub async fn take_request(&self, secret: &str) -> Result<Option<Stop>, EngineError> {
        let key = key(&self.env.name, secret);
        let text = match self.store.asked(&key).await? {
            None => return Ok(None),
            Some(InState::Genuine(text)) => text,
            Some(InState::Forged | InState::Unproven) => {
                self.refuse_request(key, Some(secret)).await?;
                return Ok(None);
            }
        };
        let mut led_to = None;
        let open = self.store.open_rotation(&self.env.name, secret).await?;
        let request = serde_json::from_str::<Request>(&text).ok();
        if let Some(request) = request
            && request.rotation == open.map(|row| row.id)
        {
            if request.rotation.is_none() {
                self.forget_look(secret);
                match self
                    .resume_copies(secret, &request.by, request.reason.as_deref())
                    .await
                {
                    Err(why) if why.is_of_state() => return Err(why),
                    Err(why) => tracing::warn!(secret, %why, "copies cannot be looked at now"),
                    Ok(_) => {}
                }
            }
            let decision = request.decision.decision();
            match self
                .decide(secret, decision, &request.by, request.reason.as_deref())
                .await
            {
                Ok(decided) => led_to = decided.map(|(_, stop)| stop),
                Err(EngineError::Illegal(illegal)) => {
                    tracing::warn!(secret, %illegal, "a person's decision came too late, or too early");
                }
                Err(other) => return Err(other),
            }
        }
        // A crash before this line takes it up again: for the same rotation, where it makes no
        // sense a second time.
        self.commit(&[Change::DropFact { key }], &[]).await?;
        Ok(led_to)
    }

    /// Drops a request that no host with the seed left, and logs it.
    pub(super) async fn refuse_request(
        &self,
        key: String,
        secret: Option<&str>,
    ) -> Result<(), StateError> {
        tracing::warn!(request = %key, "a request in the state was not left by keyrota: it is dropped");
        let mut entry = NewEntry::new(
            "request.refused",
            audit::Phase::Observation,
            Actor::system(),
        );
        entry.object.env = Some(self.env.name.clone());
        entry.object.secret = secret.map(str::to_owned);
        let entry = entry.outcome(audit::Outcome::Denied).error("forged");
        self.commit(&[Change::DropFact { key }], &[entry]).await
    }
}

fn key(env: &str, secret: &str) -> String {
    format!("request/{env}/{secret}")
}
