//! One copy between rotations: found, judged, mended, each step written down before the next.

use std::time::Duration;

use keyrota_contract::{ErrorKind, ProviderError, SecretValue, Version};
use keyrota_rotation::Reply;
use uuid::Uuid;

use super::tale::Tale;
use crate::audit::{self, Actor, NewEntry};
use crate::engine::copies::{self, Copy, Found};
use crate::engine::job::Job;
use crate::engine::looked::Looked;
use crate::engine::performed::Performed;
use crate::engine::{entries, exposure, failure};
use crate::state::{Acknowledged, Change, StateError};

/// Tries to mend one copy within [`TRIES_WITHIN_MS`]; after that somebody means what they write
/// there, and a person has to settle it.
const TRIES_MAX: usize = 3;
const TRIES_WITHIN_MS: i64 = 24 * 60 * 60 * 1000;
/// A copy is written, made current and read in another store, with limits of its own.
const MEND_MAX: Duration = Duration::from_secs(45);
/// What stands for the fingerprint of what is deleted and can be brought back.
const DELETED: &str = "deleted";

/// One copy, with all that is known of it.
pub(super) struct Case<'a> {
    pub job: &'a Job<'a>,
    pub copy: &'a Copy<'a>,
    pub seen: Acknowledged,
    pub tale: Tale,
}

impl Case<'_> {
    /// Looks at one copy and mends it. What fails of its store is told and keeps no other waiting.
    pub async fn look(&mut self, current: &Version, looked: &mut Looked) -> Result<(), StateError> {
        let key = self.copy.key.clone();
        let secret = self.job.secret;
        let failed = |key: String, why: &'static str| {
            tracing::warn!(secret = %secret.name, copy = %key, why, "a copy cannot be checked or repaired now");
            (key, why)
        };
        let wanted = match self.job.idle(self.copy, current, self.seen.rotation) {
            Ok(wanted) => wanted,
            Err(why) => {
                looked
                    .failed
                    .push(failed(key, why.failure.unwrap_or_default()));
                return Ok(());
            }
        };
        let found = match self.find().await {
            Ok(found) => found,
            // The store keeps what was deleted, and whoever did it can undo it.
            Err(why) if why.kind == ErrorKind::SoftDeleted => {
                self.leave_deleted(why.context).await?;
                looked.left.push(key);
                return Ok(());
            }
            Err(why) => {
                looked.failed.push(failed(key, why.context));
                return Ok(());
            }
        };
        let print = self.job.copy_print(self.copy, wanted.as_ref());
        if copies::is_as_wanted(found.as_ref(), wanted.as_ref()) {
            return match self.found_right(print).await? {
                true => {
                    looked.mended.push(key);
                    Ok(())
                }
                false => Ok(()),
            };
        }
        if !self.begin(found.as_ref()).await? {
            looked.left.push(key);
            return Ok(());
        }
        let native = found.map(|f| f.native);
        let write = self.job.make_copy(self.copy, native, wanted.as_ref());
        let written =
            tokio::time::timeout(MEND_MAX, write)
                .await
                .unwrap_or(Err(Performed::failed(
                    Reply::Ambiguous,
                    "no answer in time",
                )));
        let kill = &self.job.engine.kill;
        kill.after_reply();
        match self.outcome(written, print).await? {
            None => looked.mended.push(key),
            Some(why) => looked.failed.push(failed(key, why)),
        }
        kill.after_outcome();
        Ok(())
    }

    async fn find(&self) -> Result<Option<Found>, ProviderError> {
        let looking = async {
            let versions = self.copy.provider.describe(&self.copy.place).await?;
            self.copy.found(&versions).await
        };
        tokio::time::timeout(MEND_MAX, looking)
            .await
            .unwrap_or(Err(ProviderError::new(
                ErrorKind::Unavailable,
                "no answer in time",
            )))
    }

    /// It is as it has to be. If an earlier process mended it and could not say so, that is said
    /// now; if a person did, it is theirs no more. Whether it was mended.
    async fn found_right(&mut self, print: String) -> Result<bool, StateError> {
        let unsaid = self.tale.mending.take();
        let was_left = std::mem::take(&mut self.tale.left);
        if unsaid.is_none() && !was_left && self.seen.exposure_fp == print {
            return Ok(false);
        }
        if was_left {
            self.tale.tries.clear();
        }
        let log = unsaid.map(|_| {
            let mut entry = self
                .entry("drift.mend", audit::Phase::Outcome)
                .outcome(audit::Outcome::Ok)
                .after(None, Some(print.clone()));
            entry.actor = Actor::recovery();
            entry
        });
        let changes = [self.seen_as(print), self.tale_change()];
        self.commit(&changes, log.as_slice()).await?;
        Ok(unsaid.is_some())
    }

    /// Writes down what was found and that it is about to be mended; whether it is: what is written
    /// again and again by somebody else is left to a person.
    async fn begin(&mut self, found: Option<&Found>) -> Result<bool, StateError> {
        let engine = self.job.engine;
        let now = engine.now().0;
        let print = self.job.copy_print(self.copy, found.map(|f| &f.value));
        let drifted = print != self.seen.exposure_fp;
        let was_left = self.tale.left;
        self.tale
            .tries
            .retain(|at| now.saturating_sub(*at) < TRIES_WITHIN_MS);
        self.tale.left |= self.tale.tries.len() >= TRIES_MAX;
        if was_left && !drifted {
            return Ok(false);
        }
        let mut log = Vec::new();
        if drifted {
            let then = match self.tale.left {
                true => "left to a person",
                false => "mended",
            };
            let native = found.map(|f| f.native.0.clone());
            log.push(self.drifted(native, &print).detail("then", then));
        }
        if self.tale.left {
            tracing::warn!(
                secret = %self.job.secret.name, copy = %self.copy.key,
                "a copy is wrong again after {TRIES_MAX} repairs in a day. keyrota leaves it until `keyrota resume` or the next rotation"
            );
        } else {
            let why = match (drifted, found) {
                (true, Some(_)) => "another tool changed a copy",
                (true, None) => "another tool deleted a copy",
                (false, _) => "a copy is not what it has to be",
            };
            tracing::warn!(secret = %self.job.secret.name, copy = %self.copy.key, "{why}; keyrota repairs it");
            if self.tale.mending.is_none() {
                self.tale.tries.push(now);
            }
            self.tale.mending = Some(self.job.id);
            let attempt = u32::try_from(self.tale.tries.len()).unwrap_or(u32::MAX);
            let intent = self.entry("drift.mend", audit::Phase::Intent);
            log.push(intent.effect("mend", attempt));
        }
        let mut changes = vec![self.tale_change()];
        if drifted {
            changes.push(self.seen_as(print));
        }
        engine.kill.before_intent();
        self.commit(&changes, &log).await?;
        engine.kill.after_intent();
        Ok(!self.tale.left)
    }

    /// Why it failed, if it did.
    async fn outcome(
        &mut self,
        written: Result<(), Performed>,
        print: String,
    ) -> Result<Option<&'static str>, StateError> {
        let entry = self.entry("drift.mend", audit::Phase::Outcome);
        let Err(failed) = written else {
            self.tale.mending = None;
            let entry = entry
                .outcome(audit::Outcome::Ok)
                .after(None, Some(print.clone()));
            let changes = [self.seen_as(print), self.tale_change()];
            self.commit(&changes, &[entry]).await?;
            return Ok(None);
        };
        let why = failed.failure.unwrap_or("it failed");
        let (outcome, class) = failure::logged(failed.reply);
        // Nobody knows yet whether it is mended: the next look has the same id, and says so.
        if failed.reply != Reply::Ambiguous {
            self.tale.mending = None;
        }
        // What passes is no sign of somebody who insists.
        if failed.reply != Reply::Refused {
            self.tale.tries.pop();
        }
        let entry = entry.outcome(outcome).error(class).detail("why", why);
        self.commit(&[self.tale_change()], &[entry]).await?;
        Ok(Some(why))
    }

    async fn leave_deleted(&mut self, why: &'static str) -> Result<(), StateError> {
        self.tale.left = true;
        if self.seen.exposure_fp == DELETED {
            return self.commit(&[self.tale_change()], &[]).await;
        }
        tracing::warn!(
            secret = %self.job.secret.name, copy = %self.copy.key, why,
            "another tool deleted a copy, and it can be restored: a person must decide"
        );
        let entry = self
            .drifted(None, DELETED)
            .detail("then", "left to a person");
        let changes = [self.tale_change(), self.seen_as(DELETED.to_owned())];
        self.commit(&changes, &[entry]).await
    }

    fn drifted(&self, native: Option<String>, print: &str) -> NewEntry {
        self.entry("drift.detected", audit::Phase::Observation)
            .before(None, Some(self.seen.exposure_fp.clone()))
            .after(native, Some(print.to_owned()))
    }

    fn entry(&self, event: &'static str, phase: audit::Phase) -> NewEntry {
        let mut object = entries::object(&self.job.engine.env.name, self.job.secret);
        object.path = Some(self.copy.place.path.clone());
        NewEntry::new(event, phase, Actor::system())
            .object(object)
            .detail("copy", self.copy.key.as_str())
    }

    fn tale_change(&self) -> Change {
        self.job
            .engine
            .put_tale(self.job.secret, self.copy, &self.tale)
    }

    /// The rotation and the round that told it stay what they were.
    fn seen_as(&mut self, print: String) -> Change {
        self.seen.exposure_fp = print;
        self.seen.acked_ms = self.job.engine.now().0;
        Change::PutDelivery(self.seen.clone())
    }

    async fn commit(&self, changes: &[Change], log: &[NewEntry]) -> Result<(), StateError> {
        self.job.engine.keep_lock().await?;
        self.job.engine.commit(changes, log).await
    }
}

impl Job<'_> {
    /// What stands at a copy while no rotation is under way; `rotation` is the one that ended last.
    fn idle(
        &self,
        copy: &Copy<'_>,
        current: &Version,
        rotation: Option<Uuid>,
    ) -> Result<Option<SecretValue>, Performed> {
        match copy.template() {
            Some(template) => exposure::render(template, current)
                .map(Some)
                .map_err(|_| copies::no_field()),
            None => Ok(self.filler(copy, rotation.unwrap_or_default())),
        }
    }
}
