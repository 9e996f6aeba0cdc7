//! Copies between rotations: they are looked at, and what is not as it has to be is mended.
//!
//! A look reads the secret's own place and each copy: two calls in most stores for each of them
//! (`describe`, `read`). Only copies that keyrota wrote or judged before are looked at; a new one
//! is the next rotation's. The value that copies are held against is the one that keyrota knows:
//! if somebody else wrote the secret's own place, that is told and nothing is spread.
//!
//! What is found, the intent to mend it and what came of that are written down like an effect of a
//! rotation. A process that dies in between leaves a `Tale` with the id of its version; the next
//! look goes on with that id, or finds the work done and says so.

mod case;
mod tale;

use std::time::Duration;

use keyrota_contract::{ErrorKind, ProviderError, Stage, VersionRef};
use keyrota_rotation::Record;

use super::copies::{self, ABSENT, Copy};
use super::job::Job;
use super::journal::{Journal, place};
pub use super::looked::Looked;
use super::{Engine, EngineError, entries, policy};
use crate::audit::{self, Actor, NewEntry};
use crate::config::model::Secret;
use crate::state::{Acknowledged, Change, StateError, Store};
use case::Case;
use tale::Tale;

/// How long a daemon leaves copies alone between two looks. A wrong copy hurts whoever reads it
/// next, so it should not wait for hours; and a look is paid for: at four times an hour each place
/// costs about two hundred calls a day, a cent in a month where ten thousand cost five.
pub const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

/// How long a look at one place may take: less than a lock lasts.
const LOOK_MAX: Duration = Duration::from_secs(45);

/// Under which fact the state remembers that a copy was wrong.
fn tale_fact(env: &str, secret: &str, copy: &str) -> String {
    format!("copy/{env}/{secret}/{copy}")
}

/// Under which fact the state remembers that the secret's own value is somebody else's.
fn edited_fact(env: &str, secret: &str) -> String {
    format!("drift/{env}/{secret}")
}

/// What is left to a person of the places of `secret`, as the last look left it in the state.
pub async fn left(store: &Store, env: &str, secret: &Secret) -> Result<Looked, StateError> {
    let mut looked = Looked::default();
    if copies::keys(secret).next().is_none() {
        return Ok(looked);
    }
    let told = store.deliveries(env, &secret.name).await?;
    for key in copies::keys(secret) {
        let text = store.fact(&tale_fact(env, &secret.name, &key)).await?;
        let tale = text.and_then(|text| serde_json::from_str::<Tale>(&text).ok());
        let seen = told.iter().find(|d| d.consumer == key);
        if tale.is_some_and(|t| t.left && seen.is_some_and(|d| d.rotation == t.rotation)) {
            looked.left.push(key);
        }
    }
    let known = store.secret(env, &secret.name).await?;
    let edited = store.fact(&edited_fact(env, &secret.name)).await?;
    looked.own_edited = edited.is_some_and(|said| {
        let since = said.split(' ').next();
        known.is_some_and(|known| known.fingerprint.as_deref() == since)
    });
    Ok(looked)
}

impl Engine {
    /// Looks at the copies of a secret, and mends what is wrong. `None` where there is nothing to
    /// look at: it has no copies, or a rotation is under way and minds them itself.
    pub async fn look_at_copies(&self, name: &str) -> Result<Option<Looked>, EngineError> {
        let secret = self.secret(name)?;
        if copies::keys(secret).next().is_none()
            || self
                .store
                .open_rotation(&self.env.name, name)
                .await?
                .is_some()
        {
            return Ok(None);
        }
        let mut looked = Looked::default();
        let told = self.store.deliveries(&self.env.name, name).await?;
        let parts = self.parts(secret)?;
        let known = self.secret_row(secret).await?.fingerprint;
        let (Some(known), true) = (
            known,
            parts
                .copies
                .iter()
                .any(|c| told.iter().any(|d| d.consumer == c.key)),
        ) else {
            return Ok(Some(looked));
        };
        self.keep_lock().await?;
        let look = async {
            let seen = parts.provider.describe(&parts.place).await?;
            // The last rotation may be another process' work.
            let all = self.after_last(secret, &parts, seen).await?;
            let current = parts.load(&all, &VersionRef::Stage(Stage::Current)).await?;
            Ok::<_, EngineError>(current)
        };
        let no_answer = ProviderError::new(ErrorKind::Unavailable, "no answer in time");
        let look = tokio::time::timeout(LOOK_MAX, look).await;
        let current = look.unwrap_or(Err(no_answer.into()))?;
        let found = current
            .as_ref()
            .map(|v| self.keys.fingerprint(&self.env.name, name, &v.value));
        self.tell_own(secret, &known, found.as_deref()).await?;
        let Some(current) = current.filter(|_| found.as_ref() == Some(&known)) else {
            looked.own_edited = true;
            return Ok(Some(looked));
        };
        let policy = policy::policy(&self.env, secret, parts.rotator.target(), false, "command");
        let journal = Journal::new(place(secret), Record::new(policy));
        for copy in &parts.copies {
            let Some(seen) = told.iter().find(|d| d.consumer == copy.key) else {
                continue;
            };
            if self.stopping() {
                break;
            }
            self.keep_lock().await?;
            let tale = self.tale(secret, copy, seen).await?;
            let job = Job {
                engine: self,
                secret,
                parts: &parts,
                id: tale.mending.unwrap_or_else(|| self.new_id()),
                journal: &journal,
                fingerprint: None,
                given: None,
            };
            let mut case = Case {
                job: &job,
                copy,
                seen: seen.clone(),
                tale,
            };
            case.look(&current, &mut looked).await?;
        }
        Ok(Some(looked))
    }

    /// A mending whose end nobody wrote down is looked at before a rotation begins: to that, what was
    /// written would be somebody else's.
    pub(super) async fn finish_mending(&self, secret: &Secret) -> Result<(), EngineError> {
        for key in copies::keys(secret) {
            let fact = tale_fact(&self.env.name, &secret.name, &key);
            let text = self.store.fact(&fact).await?.unwrap_or_default();
            let tale = serde_json::from_str::<Tale>(&text).unwrap_or_default();
            if tale.mending.is_some() {
                return match self.look_at_copies(&secret.name).await {
                    Err(why) if why.is_of_state() => Err(why),
                    // What cannot be looked at now, the rotation will say.
                    _ => Ok(()),
                };
            }
        }
        Ok(())
    }

    /// A person wants the copies of a secret looked at again, also those that were left to them.
    pub async fn resume_copies(
        &self,
        name: &str,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Option<Looked>, EngineError> {
        let secret = self.secret(name)?;
        let parts = self.parts(secret)?;
        let told = self.store.deliveries(&self.env.name, name).await?;
        let mut changes = Vec::new();
        for copy in &parts.copies {
            let Some(seen) = told.iter().find(|d| d.consumer == copy.key) else {
                continue;
            };
            let tale = self.tale(secret, copy, seen).await?;
            if tale.left || !tale.tries.is_empty() {
                let anew = Tale {
                    tries: Vec::new(),
                    left: false,
                    ..tale
                };
                changes.push(self.put_tale(secret, copy, &anew));
            }
        }
        if !changes.is_empty() {
            let mut entry = NewEntry::new("drift.resume", audit::Phase::Admin, Actor::operator(by))
                .object(entries::object(&self.env.name, secret));
            entry.reason = reason.map(str::to_owned);
            self.keep_lock().await?;
            self.commit(&changes, &[entry]).await?;
        }
        self.look_at_copies(name).await
    }

    /// Somebody else wrote the secret's own current value: told once for each value. What it means
    /// is not decided here: the next rotation starts from it, an import makes it known.
    async fn tell_own(
        &self,
        secret: &Secret,
        known: &str,
        found: Option<&str>,
    ) -> Result<(), StateError> {
        let key = edited_fact(&self.env.name, &secret.name);
        let said = self.store.fact(&key).await?;
        if found == Some(known) {
            return match said {
                Some(_) => self.commit(&[Change::DropFact { key }], &[]).await,
                None => Ok(()),
            };
        }
        let value = format!("{known} {}", found.unwrap_or(ABSENT));
        if said.as_ref() == Some(&value) {
            return Ok(());
        }
        tracing::warn!(
            secret = %secret.name,
            "another tool changed the current value; keyrota leaves its copies as they are. `keyrota rotate` starts from this value, `keyrota import --in-place` accepts it"
        );
        let entry = NewEntry::new("drift.detected", audit::Phase::Observation, Actor::system())
            .object(entries::object(&self.env.name, secret))
            .before(None, Some(known.to_owned()))
            .after(None, found.map(str::to_owned));
        self.keep_lock().await?;
        self.commit(&[Change::PutFact { key, value }], &[entry])
            .await
    }

    /// What the state remembers of a copy. What it remembers from before the last rotation is over.
    async fn tale(
        &self,
        secret: &Secret,
        copy: &Copy<'_>,
        seen: &Acknowledged,
    ) -> Result<Tale, StateError> {
        let key = tale_fact(&self.env.name, &secret.name, &copy.key);
        let text = self.store.fact(&key).await?;
        let tale = text.and_then(|text| serde_json::from_str::<Tale>(&text).ok());
        Ok(tale
            .filter(|tale| tale.rotation == seen.rotation)
            .unwrap_or(Tale {
                rotation: seen.rotation,
                ..Tale::default()
            }))
    }

    fn put_tale(&self, secret: &Secret, copy: &Copy<'_>, tale: &Tale) -> Change {
        let key = tale_fact(&self.env.name, &secret.name, &copy.key);
        if *tale
            == (Tale {
                rotation: tale.rotation,
                ..Tale::default()
            })
        {
            return Change::DropFact { key };
        }
        Change::PutFact {
            key,
            value: serde_json::to_string(tale).expect("numbers and ids have a JSON form"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_remembered_comes_back_whole() {
        let all = Tale {
            rotation: Some(Uuid::from_u128(1)),
            tries: vec![1, 2],
            mending: Some(Uuid::from_u128(2)),
            left: true,
        };
        for tale in [Tale::default(), all] {
            let text = serde_json::to_string(&tale).unwrap();
            assert_eq!(serde_json::from_str::<Tale>(&text).unwrap(), tale);
        }
    }
}
