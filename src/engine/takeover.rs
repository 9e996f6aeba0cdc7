//! Taking an environment over: what is checked before the first rotation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64};

use super::core::{Engine, Surroundings, document_fact};
use super::kill::KillPoints;
use super::providers::Providers;
use super::{EngineError, watch_clock};
use crate::audit::{self, NewEntry};
use crate::config::model::Environment;
use crate::config::registry::BuildError;
use crate::keys::Keys;
use crate::state::{Change, Lock, StateError, Store};

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
            kill: KillPoints::from_env(),
            looks: Mutex::default(),
        })
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
