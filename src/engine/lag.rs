//! Answers of a store that are older than what a rotation wrote.
//!
//! A provider waits for its own process' writes. A process that goes on with what another one wrote knows of
//! them from the record: the candidate that is written, and the version that its switch replaced.

use keyrota_contract::{ErrorKind, Native, ProviderError, Recalled, Stage, VersionInfo, lag};
use keyrota_rotation::{Finishing, Phase, Reply};

use super::job::Job;
use super::journal::Journal;
use super::parts::Parts;
use super::performed::Performed;
use super::{Engine, EngineError};
use crate::config::model::Secret;
use crate::state::{Rotation, StateError, Store};

impl Job<'_> {
    /// What stands in the provider, looked at afresh, and not older than what this rotation wrote.
    pub(super) async fn described(&self) -> Result<Vec<VersionInfo>, Performed> {
        let read = || self.parts.provider.describe(&self.parts.place);
        let shown = lag::shown(read, |all| self.is_behind(all)).await?;
        shown.ok_or(lags())
    }

    /// Waits until the candidate is shown. One that another tool took away is no longer waited for when
    /// the write of it is not recent any more.
    pub(super) async fn wait_for_candidate(&self) -> Result<(), Performed> {
        match is_recent(self.engine, self.parts, self.journal.wrote_ms) {
            true => self.described().await.map(drop),
            false => Ok(()),
        }
    }

    /// A refusal of this kind may come of a look that is older than what this rotation wrote: then it is
    /// tried again.
    pub(super) fn unless_behind(&self, e: ProviderError, kind: ErrorKind) -> Performed {
        match e.kind == kind && is_recent(self.engine, self.parts, self.journal.wrote_ms) {
            true => lags(),
            false => e.into(),
        }
    }

    fn is_behind(&self, all: &[VersionInfo]) -> bool {
        let recent = |ms| is_recent(self.engine, self.parts, ms);
        let (phase, promoting) = (&self.journal.machine.phase, self.journal.promoting_ms);
        let switched = match phase {
            Phase::Switch(_) | Phase::Confirm | Phase::Grace { .. } | Phase::Retire(_) => true,
            // A promote whose answer is missing is waited for; at last the store is believed.
            Phase::Finish(Finishing::Observe | Finishing::Late(_)) => recent(promoting),
            _ => false,
        };
        if !recent(self.journal.wrote_ms.max(promoting)) {
            return false;
        }
        match switched {
            true => shows(all, self.journal.from.as_deref()),
            // Nobody but this rotation ends it.
            false => self.fingerprint.is_some() && !all.iter().any(|v| v.ours == Some(self.id)),
        }
    }
}

impl Engine {
    /// [`recall`] of a secret of this environment.
    pub(super) async fn recall(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
    ) -> Result<(), StateError> {
        let secret = (self.env.name.as_str(), secret.name.as_str());
        recall(&self.store, secret, parts, self.now().0).await
    }

    /// What a provider shows, `seen` or, if that is what the last rotation replaced, later.
    pub(super) async fn after_last(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        seen: Vec<VersionInfo>,
    ) -> Result<Vec<VersionInfo>, EngineError> {
        let Some(replaced) = self.last_replaced(secret, parts).await? else {
            return Ok(seen);
        };
        if !shows(&seen, replaced.as_deref()) {
            return Ok(seen);
        }
        let read = || parts.provider.describe(&parts.place);
        let shown = lag::shown(read, |all| shows(all, replaced.as_deref())).await?;
        shown.ok_or(lag::LAGS.into())
    }

    /// What the last rotation replaced, if that was lately.
    async fn last_replaced(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
    ) -> Result<Option<Option<String>>, EngineError> {
        let known = self.secret_row(secret).await?;
        if known.version.is_none() || !is_recent(self, parts, known.changed_ms) {
            return Ok(None);
        }
        let rotations = self
            .store
            .rotations(&self.env.name, &secret.name, 8)
            .await?;
        let last = rotations
            .into_iter()
            .find(|row| Some(row.id) == known.version);
        let journal = last.and_then(|row| Journal::from_text(&row.record).ok());
        Ok(journal.map(|journal| journal.from))
    }
}

/// Tells the provider of a secret what keyrota wrote there lately: another process may have done it, and this
/// one would take an older answer for another tool's work.
pub async fn recall(
    store: &Store,
    secret: (&str, &str),
    parts: &Parts<'_>,
    now_ms: i64,
) -> Result<(), StateError> {
    if !parts.provider.capabilities().reads_lag {
        return Ok(());
    }
    let (env, name) = secret;
    let recent = |wrote_ms| was_recent(now_ms, parts, wrote_ms);
    let (provider, place) = (&parts.provider, &parts.place);
    let rotations = store.rotations(env, name, 8).await?;
    let journal = |row: &Rotation| Journal::from_text(&row.record).ok();
    let known = store.secret(env, name).await?;
    if let Some(known) = known.filter(|known| recent(known.changed_ms))
        && let (Some(version), Some(native)) = (known.version, known.native)
        && let Some(last) = rotations.iter().find(|row| row.id == version)
        && let Some(journal) = journal(last)
    {
        provider.recall(
            place,
            Recalled::Current {
                native: &Native(native),
                replaced: journal.from.map(Native).as_ref(),
            },
        );
    }
    if let Some(open) = rotations.iter().find(|row| row.outcome.is_none())
        && let Some(journal) = journal(open)
        && open.fingerprint.is_some()
        && recent(journal.wrote_ms)
        // Nobody but this rotation ends its candidate, and it does so in later phases.
        && matches!(
            journal.machine.phase,
            Phase::Set(_) | Phase::Test | Phase::Announce(_) | Phase::Settle { .. }
        )
    {
        provider.recall(place, Recalled::Candidate(open.id));
    }
    Ok(())
}

/// Whether what was written then may not be shown yet.
fn is_recent(engine: &Engine, parts: &Parts<'_>, wrote_ms: Option<i64>) -> bool {
    was_recent(engine.now().0, parts, wrote_ms)
}

fn was_recent(now_ms: i64, parts: &Parts<'_>, wrote_ms: Option<i64>) -> bool {
    let lasts = i64::try_from(lag::NOTE_LASTS.as_millis()).unwrap_or(i64::MAX);
    let since = wrote_ms.map(|at| now_ms.saturating_sub(at));
    parts.provider.capabilities().reads_lag && since.is_some_and(|ms| (0..lasts).contains(&ms))
}

/// Whether this is current, or nothing is.
fn shows(all: &[VersionInfo], replaced: Option<&str>) -> bool {
    let current = all.iter().find(|v| v.stages.contains(&Stage::Current));
    current.is_none_or(|v| Some(v.native.0.as_str()) == replaced)
}

pub(super) fn lags() -> Performed {
    Performed::failed(Reply::Retry, lag::LAGS.context)
}

/// Looks for a version that the store refuses to write, since an earlier try did.
pub(super) async fn of_earlier_try(
    job: &Job<'_>,
    refused: ProviderError,
) -> Result<Vec<VersionInfo>, Performed> {
    let (provider, place) = (&job.parts.provider, &job.parts.place);
    let ours = |all: &Vec<VersionInfo>| all.iter().any(|v| v.ours == Some(job.id));
    // A process that died counts no failure.
    let waits = provider.capabilities().reads_lag;
    let read = || provider.describe(place);
    let all = match waits {
        true => lag::shown(read, |all| !ours(all)).await?,
        false => Some(provider.describe(place).await?).filter(ours),
    };
    all.ok_or(refused.into())
}
