//! The engine: one environment with its lock, and what all of its parts need.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keyrota_contract::{Entropy, SecretValue};
use keyrota_rotation::{Outcome, Phase, Time};
use uuid::Uuid;

use super::EngineError;
use super::clock::Trusted;
use super::kill::KillPoints;
use super::looked::Looked;
use super::parts::Parts;
use super::providers::Providers;
use crate::audit::{self, NewEntry};
use crate::config::model::{Environment, Secret};
use crate::keys::Keys;
use crate::state::{self, Change, Lock, StateError, Store};
use crate::world::{Clock, uuid_v7};

/// Told of what happens while it happens.
pub trait Watch: Send + Sync {
    /// A rotation of `secret` entered `phase`.
    fn moved(&self, secret: &str, phase: &Phase);
}

/// What the engine is given by the process it runs in.
pub struct Surroundings {
    /// Real time, in production.
    pub clock: Arc<dyn Clock>,
    /// Real randomness, in production.
    pub entropy: Box<dyn Entropy>,
    /// Set when the process is to stop before the next effect.
    pub stop: Arc<AtomicBool>,
    /// Who is told of progress.
    pub watch: Arc<dyn Watch>,
}

/// One environment, locked.
pub struct Engine {
    pub(super) env: Environment,
    pub(super) store: Store,
    pub(super) lock: Lock,
    pub(super) keys: Keys,
    pub(super) providers: Providers,
    pub(super) clock: Arc<dyn Clock>,
    /// The moment that keyrota trusts, and counts from.
    pub(super) trusted: Mutex<Trusted>,
    /// The log has an entry of this process about a clock in doubt.
    pub(super) told_of_clock: AtomicBool,
    /// The boot clock when the trusted time was last written, in milliseconds.
    pub(super) clock_kept_ms: AtomicI64,
    pub(super) entropy: Mutex<Box<dyn Entropy>>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) watch: Arc<dyn Watch>,
    pub(super) kill: KillPoints,
    /// What the last look at the copies of each secret led to, and when that was.
    pub(super) looks: Mutex<BTreeMap<String, (Time, Looked)>>,
}

/// Where a drive ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It is over.
    Over(Outcome),
    /// A planned wait.
    Wait {
        /// Until when.
        until: Time,
    },
    /// A failure that passes.
    Retry {
        /// When it is tried again.
        until: Time,
    },
    /// A person must confirm.
    Confirm,
    /// A person must look.
    Person,
    /// The process was asked to stop.
    Interrupted,
}

/// A value that a person gave, held by this process only.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The value.
    pub value: &'a SecretValue,
    /// The key id by which others know it; `None`: the one that follows from it, or a new one.
    pub kid: Option<&'a str>,
}

impl Engine {
    /// The environment's schedule.
    pub fn env(&self) -> &Environment {
        &self.env
    }

    /// The state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Gives the lock back and closes the state.
    pub async fn close(self) -> Result<(), StateError> {
        self.store.release(self.lock).await?;
        self.store.close().await;
        Ok(())
    }

    pub(super) fn dice(&self) -> u64 {
        let mut bytes = [0; 8];
        self.with_entropy(|entropy| entropy.fill(&mut bytes));
        u64::from_le_bytes(bytes)
    }

    /// An id for a rotation and its candidate.
    pub(super) fn new_id(&self) -> Uuid {
        self.with_entropy(|entropy| uuid_v7(self.clock.now(), entropy))
    }

    /// Lends the randomness to `f`, which does not wait for anything.
    pub(super) fn with_entropy<R>(&self, f: impl FnOnce(&mut dyn Entropy) -> R) -> R {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        f(entropy.as_mut())
    }

    /// Whether the process was asked to stop before the next effect.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// A secret of the schedule.
    pub fn secret(&self, name: &str) -> Result<&Secret, EngineError> {
        let found = self.env.secrets.iter().find(|s| s.name == name);
        found.ok_or_else(|| EngineError::NoSecret(name.to_owned()))
    }

    pub(super) fn parts<'a>(&self, secret: &'a Secret) -> Result<Parts<'a>, EngineError> {
        Ok(Parts::new(&self.env, secret, &self.providers)?)
    }

    /// What the state knows of a secret; a secret it has not seen is seen now.
    pub(super) async fn secret_row(&self, secret: &Secret) -> Result<state::Secret, StateError> {
        let (env, name, kind) = (&self.env.name, &secret.name, secret.kind.word);
        let known = self.store.secret(env, name).await?;
        let mut known = known.unwrap_or_else(|| state::Secret::new(env, name, kind, self.now().0));
        // The schedule's word counts, also after it changed: whatever is written next says it too.
        known.kind = kind.to_owned();
        Ok(known)
    }

    pub(super) async fn last_seen(
        &self,
        secret: &str,
        consumer: &str,
    ) -> Option<state::Acknowledged> {
        let seen = self.store.deliveries(&self.env.name, secret).await.ok()?;
        seen.into_iter().find(|d| d.consumer == consumer)
    }

    /// One transaction; the generations of documents go with whatever is written.
    pub(super) async fn commit(
        &self,
        changes: &[Change],
        log: &[NewEntry],
    ) -> Result<(), StateError> {
        let mut all = changes.to_vec();
        all.push(self.trusted_now());
        self.commit_under(&all, log, false).await
    }

    /// The same, with the trusted time that `changes` hold. `wait`: a wait begins with it.
    pub(super) async fn commit_under(
        &self,
        changes: &[Change],
        log: &[NewEntry],
        wait: bool,
    ) -> Result<(), StateError> {
        let mut all = changes.to_vec();
        for (name, file) in &self.providers.files {
            let key = document_fact(&self.env.name, name);
            if let Some(generation) = file.generation_seen()
                && self.store.fact(&key).await? != Some(generation.to_string())
            {
                all.push(Change::PutFact {
                    key,
                    value: generation.to_string(),
                });
            }
        }
        // Whatever a person, the clock or the schedule caused is signed at once, and so is the beginning of a wait.
        // The effects between two of these are signed with the second.
        let signs = |e: &NewEntry| !matches!(e.phase, audit::Phase::Intent | audit::Phase::Outcome);
        let (store, lock, now) = (&self.store, &self.lock, self.clock.now());
        if wait || log.iter().any(signs) {
            let written = store.commit_signed(lock, &all, log, now).await?;
            store.try_keep(lock.holder(), written.note.as_deref());
        } else {
            store.commit(lock, &all, log, now).await?;
        }
        Ok(())
    }

    /// Renews the lock where it runs out by itself; an effect never begins under one that might.
    pub async fn keep_lock(&self) -> Result<(), StateError> {
        let now = self.clock.now().as_millisecond();
        match self.lock.safe_until_ms() {
            Some(until) if until.saturating_sub(now) < LOCK_LEFT_MS => {
                self.store.renew(&self.lock, now).await
            }
            _ => Ok(()),
        }
    }
}

/// How much of a lock must be left for an effect to begin: more than the longest one takes that
/// has no limit of its own.
const LOCK_LEFT_MS: i64 = 60_000;

/// Under which fact the state remembers the generation of a document.
pub(super) fn document_fact(env: &str, provider: &str) -> String {
    format!("document/{env}/{provider}")
}
