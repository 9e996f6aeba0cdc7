//! Performs one effect at a time: the only caller of providers, rotators and consumers.
//!
//! The machine (`keyrota_rotation`) decides, this module does. Every change of a record is one
//! transaction with its audit entries, fenced by the lock; every effect is preceded by such a
//! transaction with its intent, and followed by one with its outcome. So there is no recovery code:
//! a process that finds an effect begun asks the machine what to do about it.
//!
//! # Layout
//! - [`Engine`]: one environment with its lock; `start`: how a rotation begins
//! - `drive`: one rotation, from where it stands to where it has to wait
//! - `perform`: one effect; `target`: on a server, `deliver`: notifying a consumer, `listeners`: all who are notified, `copies`: further places, `mend`: those between rotations; `performed`: what came of it; `lag`: answers older than what was written; `exposure`: what programs see of a secret, pure
//! - [`clock`]: which time is trusted, pure; `watch_clock`: the same at work
//! - `budget`: how many logins may be refused before it waits, pure
//! - `journal`: what the state keeps of a rotation; `entries`: what the audit log keeps
//! - [`parts`], [`providers`], `rotators`: from the checked model to the things that act; `remembered`: values that were read already
//! - [`adopt`]: import; [`view`]: what is current, for `run`, `jwks` and `status`
//! - [`forecast`]: what would happen if nothing failed, and when, pure
//! - [`daemon`]: follows the schedules; [`request`]: decisions for a process at work; `kill`: kill points for tests

pub mod adopt;
mod budget;
pub mod clock;
pub mod copies;
pub mod daemon;
mod deliver;
mod drive;
mod entries;
mod error;
pub mod exposure;
pub mod forecast;
pub mod journal;
mod kill;
pub mod lag;
mod listeners;
pub mod mend;
mod mint;
pub mod parts;
mod perform;
mod performed;
pub mod providers;
mod remembered;
pub mod request;
mod start;
mod target;
pub mod view;
pub mod watch_clock;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use keyrota_contract::{Entropy, SecretValue};
use keyrota_rotation::{Outcome, Phase, Time};

use crate::audit::{self, NewEntry};
use crate::config::model::{Environment, Secret};
use crate::config::registry::BuildError;
use crate::keys::Keys;
use crate::state::{self, Change, Lock, StateError, Store};
use crate::world::{Clock, uuid_v7};
use clock::Trusted;
use parts::Parts;
use providers::Providers;
use uuid::Uuid;

pub use error::EngineError;
pub use start::{Begin, NotBegun, Order, planned};

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
    env: Environment,
    store: Store,
    lock: Lock,
    keys: Keys,
    providers: Providers,
    clock: Arc<dyn Clock>,
    /// The moment that keyrota trusts, and counts from.
    trusted: Mutex<Trusted>,
    /// The log has an entry of this process about a clock in doubt.
    told_of_clock: AtomicBool,
    /// The boot clock when the trusted time was last written, in milliseconds.
    clock_kept_ms: AtomicI64,
    entropy: Mutex<Box<dyn Entropy>>,
    stop: Arc<AtomicBool>,
    watch: Arc<dyn Watch>,
    kill: kill::KillPoints,
    /// What the last look at the copies of each secret led to, and when that was.
    looks: Mutex<BTreeMap<String, (Time, mend::Looked)>>,
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
    /// Takes an environment over: the lock is already held. Raises the floor under every document
    /// to what the state remembers, so that a restored older copy is noticed before it is used.
    pub async fn new(
        env: Environment,
        store: Store,
        lock: Lock,
        keys: Keys,
        providers: Providers,
        around: Surroundings,
    ) -> Result<Self, EngineError> {
        for (name, file) in &providers.files {
            if let Some(fact) = store.fact(&document_fact(&env.name, name)).await?
                && let Ok(generation) = fact.parse()
            {
                file.raise_generation_floor(generation);
            }
        }
        let here = watch_clock::reading(around.clock.as_ref(), lock.holder());
        let trusted = watch_clock::trusted(&store, &env.name).await?;
        Ok(Self {
            trusted: Mutex::new(trusted.unwrap_or_else(|| here.accepted())),
            told_of_clock: AtomicBool::new(false),
            clock_kept_ms: AtomicI64::new(i64::MIN),
            env,
            store,
            lock,
            keys,
            providers,
            clock: around.clock,
            entropy: Mutex::new(around.entropy),
            stop: around.stop,
            watch: around.watch,
            kill: kill::KillPoints::from_env(),
            looks: Mutex::default(),
        })
    }

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

    fn dice(&self) -> u64 {
        let mut bytes = [0; 8];
        self.with_entropy(|entropy| entropy.fill(&mut bytes));
        u64::from_le_bytes(bytes)
    }

    /// An id for a rotation and its candidate.
    fn new_id(&self) -> Uuid {
        self.with_entropy(|entropy| uuid_v7(self.clock.now(), entropy))
    }

    /// Lends the randomness to `f`, which does not wait for anything.
    fn with_entropy<R>(&self, f: impl FnOnce(&mut dyn Entropy) -> R) -> R {
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

    fn parts<'a>(&self, secret: &'a Secret) -> Result<Parts<'a>, EngineError> {
        Ok(Parts::new(&self.env, secret, &self.providers)?)
    }

    /// What the state knows of a secret; a secret it has not seen is seen now.
    async fn secret_row(&self, secret: &Secret) -> Result<state::Secret, StateError> {
        let (env, name, kind) = (&self.env.name, &secret.name, secret.kind.word);
        let known = self.store.secret(env, name).await?;
        let mut known = known.unwrap_or_else(|| state::Secret::new(env, name, kind, self.now().0));
        // The schedule's word counts, also after it changed: whatever is written next says it too.
        known.kind = kind.to_owned();
        Ok(known)
    }

    async fn last_seen(&self, secret: &str, consumer: &str) -> Option<state::Acknowledged> {
        let seen = self.store.deliveries(&self.env.name, secret).await.ok()?;
        seen.into_iter().find(|d| d.consumer == consumer)
    }

    /// One transaction; the generations of documents go with whatever is written.
    async fn commit(&self, changes: &[Change], log: &[NewEntry]) -> Result<(), StateError> {
        let mut all = changes.to_vec();
        all.push(self.trusted_now());
        self.commit_under(&all, log, false).await
    }

    /// The same, with the trusted time that `changes` hold. `wait`: a wait begins with it.
    async fn commit_under(
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

    /// Once, when the environment is taken over: whether these keys and this document are the
    /// ones that the state knows, and whether the schedule was edited since.
    pub async fn settle_in(&self) -> Result<(), EngineError> {
        let mut changes = vec![Change::ClaimFact {
            key: "keys".to_owned(),
            value: self.keys.id().to_owned(),
        }];
        let mut log = Vec::new();
        let key = format!("schedule/{}", self.env.name);
        let before = self.store.fact(&key).await?;
        if before.as_deref() != Some(self.env.digest.as_str()) {
            let mut entry = NewEntry::new(
                "config.loaded",
                audit::Phase::System,
                audit::Actor::system(),
            )
            .detail("digest", self.env.digest.as_str())
            .detail("timezone", self.env.timezone_name.as_str());
            entry.object.env = Some(self.env.name.clone());
            if let Some(before) = before {
                entry = entry.detail("before", before);
            }
            log.push(entry);
            changes.push(Change::PutFact {
                key,
                value: self.env.digest.clone(),
            });
        }
        for (name, file) in &self.providers.files {
            if let Some(document) = file.document_info()?
                && document.host != self.lock.holder().host
            {
                return Err(EngineError::Parts(BuildError::Refused(
                    format!("providers.{name}"),
                    "the document belongs to another host; rotate there, or give this host a document of its own",
                )));
            }
        }
        for name in self.orphans().await? {
            tracing::warn!(
                secret = %name,
                "it has a rotation under way, and the schedule does not name it any more: put it back until that has ended"
            );
        }
        self.sweep();
        match self.commit(&changes, &log).await {
            Ok(()) => self.watch_clock().await.map(drop),
            Err(StateError::Claimed(_)) => Err(EngineError::Parts(BuildError::Refused(
                "keys".to_owned(),
                "these are not the keys that the state was made with: fingerprints and checkpoints would not fit; use the same seed on every host of one state",
            ))),
            other => Ok(other?),
        }
    }
}

impl Engine {
    /// Removes temporary files of writers that died, wherever this environment writes.
    fn sweep(&self) {
        let files = self
            .env
            .secrets
            .iter()
            .flat_map(|s| &s.consumers)
            .filter_map(|c| Some(c.facts.file.as_ref()?.path.as_path()));
        let documents = self.providers.files.values().map(|f| f.path());
        let mut dirs: Vec<_> = files
            .chain(documents)
            .filter_map(|path| path.parent())
            .collect();
        dirs.sort();
        dirs.dedup();
        for dir in dirs {
            // Failing to tidy is no reason not to work.
            if let Err(why) = keyrota_local::atomic::sweep(dir) {
                tracing::debug!(dir = %dir.display(), %why, "temporary files could not be swept");
            }
        }
    }
}

/// How much of a lock must be left for an effect to begin: more than the longest one takes that
/// has no limit of its own.
const LOCK_LEFT_MS: i64 = 60_000;

fn document_fact(env: &str, provider: &str) -> String {
    format!("document/{env}/{provider}")
}
