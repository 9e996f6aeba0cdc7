//! Follows the clock: what is trusted at a start and at every look, and what moves when it was set.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use keyrota_rotation::Time;

use super::clock::{self, Reading, Trusted};
use super::journal::Journal;
use super::{Engine, EngineError};
use crate::audit::{self, Actor, NewEntry};
use crate::state::{Asked, Change, Holder, StateError, Store};
use crate::world::Clock;

/// While something waits, the trusted time is written at least so often, in milliseconds.
const KEEP_EVERY_MS: i64 = 5 * 60_000;

/// What this host's clocks show, without the state's.
pub fn reading(clock: &dyn Clock, holder: &Holder) -> Reading {
    Reading {
        wall_ms: clock.now().as_millisecond(),
        // Without a name of the boot, only this process can be compared with itself.
        boot: (clock.boot()).unwrap_or_else(|| format!("process {}", holder.instance)),
        boot_ms: i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX),
        server_ms: None,
        waiting: true,
    }
}

/// The moment that the state of `env` trusts, if it has one.
pub async fn trusted(store: &Store, env: &str) -> Result<Option<Trusted>, StateError> {
    let text = store.fact(&clock::fact(env)).await?;
    Ok(text.as_deref().and_then(Trusted::from_text))
}

/// What to count from.
pub struct Judged {
    /// The moment.
    pub anchor: Trusted,
    /// A person accepted it, and no process has taken that up yet.
    pub accepted: bool,
    /// A moment that a person seems to have accepted is left; without keys nothing proves it.
    pub unproven: bool,
}

/// The moment to count from: a person's, else what the clocks agree on. Changes nothing.
pub async fn judge(
    store: &Store,
    env: &str,
    here: &mut Reading,
    known: Option<&Trusted>,
) -> Result<Judged, StateError> {
    let asked = store.asked(&clock::accepted_fact(env)).await?;
    if let Some(Asked::Genuine(text)) = &asked
        && let Some(accepted) = Trusted::from_text(text)
    {
        return Ok(Judged {
            anchor: here.since(&accepted),
            accepted: true,
            unproven: false,
        });
    }
    here.waiting = !store.under_way(env).await?.is_empty();
    here.server_ms = store
        .server_clock()
        .await?
        .and_then(|server| server.apart());
    Ok(Judged {
        anchor: here.anchor(known),
        accepted: false,
        unproven: asked == Some(Asked::Unproven),
    })
}

impl Engine {
    /// The time by which deadlines and schedules are judged. A clock that is set while something
    /// waits changes no wait.
    pub fn now(&self) -> Time {
        Time(self.reading().now_ms(&self.trusted()))
    }

    /// How far the wall clock is ahead of the trusted time, or behind it if negative, in
    /// milliseconds. `None`: they agree.
    pub fn clock_skew_ms(&self) -> Option<i64> {
        self.reading().skew_ms(&self.trusted())
    }

    /// The trusted time of now, for the next process.
    pub(super) fn trusted_now(&self) -> Change {
        self.put_trusted(&self.trusted())
    }

    /// Judges the clocks again: at the start, and at every look of the daemon.
    ///
    /// When keyrota counts from another moment, the deadlines of rotations under way move with it
    /// in one transaction, so that what is left of a wait stays as it was.
    /// Whether they moved.
    pub async fn watch_clock(&self) -> Result<bool, EngineError> {
        let accepted = clock::accepted_fact(&self.env.name);
        if self.store.asked(&accepted).await? == Some(Asked::Forged) {
            self.refuse_request(accepted.clone(), None).await?;
        }
        let before = self.trusted();
        let mut here = self.reading();
        let judged = judge(&self.store, &self.env.name, &mut here, Some(&before)).await?;
        let after = judged.anchor;
        let skew = here.skew_ms(&after);
        let shift = here.shift_ms(&before, &after);
        // Time that passed while nobody looked is no news. While something waits it is written now
        // and then: after a reboot, no more than that has to be waited for once more.
        if skew.is_none() && shift.is_none() && !judged.accepted {
            self.trust(after);
            if here.waiting && self.clock_is_old(here.boot_ms) {
                self.commit_under(&[self.trusted_now()], &[], false).await?;
            }
            return Ok(false);
        }
        let event = match skew {
            Some(_) => "clock.suspect",
            None => "clock.followed",
        };
        let mut entry = NewEntry::new(event, audit::Phase::Observation, Actor::system())
            .detail("trusted_ms", here.now_ms(&before).to_string())
            .detail("wall_ms", here.wall_ms.to_string());
        entry.object.env = Some(self.env.name.clone());
        let mut changes = Vec::new();
        if judged.accepted {
            changes.push(Change::DropFact { key: accepted });
        }
        if let Some(ms) = shift {
            let Some(shifted) = self.shifted(ms).await? else {
                tracing::warn!(env = %self.env.name, "the trusted time stays: the state holds a rotation that keyrota did not write, and its deadlines cannot move with it");
                return Ok(false);
            };
            changes.extend(shifted);
            entry = entry.detail("shifted_ms", ms.to_string());
        }
        // What is still in doubt is logged once by each process.
        if skew.is_none() || judged.accepted || !self.told_of_clock.swap(true, Ordering::SeqCst) {
            if let Some(ms) = skew {
                let (seconds, env) = (ms / 1000, &self.env.name);
                tracing::warn!(%env, seconds, "the system clock differs from the time that has provably passed; waits follow the latter: keyrota clock");
            }
            changes.push(self.put_trusted(&after));
            self.commit_under(&changes, &[entry], false).await?;
        }
        self.trust(after);
        Ok(shift.is_some())
    }

    fn clock_is_old(&self, boot_ms: i64) -> bool {
        let kept = self.clock_kept_ms.load(Ordering::Relaxed);
        boot_ms.saturating_sub(kept) >= KEEP_EVERY_MS
    }

    /// The rotations under way, with every instant moved by `ms`. `None`: another program changed one, or took
    /// it away. The genuine row may be put back later, and then its deadlines must still be right.
    async fn shifted(&self, ms: i64) -> Result<Option<Vec<Change>>, StateError> {
        let mut changes = Vec::new();
        for secret in self.store.under_way(&self.env.name).await? {
            let row = match self.store.open_rotation(&self.env.name, &secret).await {
                Err(StateError::Altered(_)) => return Ok(None),
                row => row?,
            };
            // A record of another version is refused when a rotation uses it.
            if let Some(mut row) = row
                && let Ok(mut journal) = Journal::from_text(&row.record)
            {
                journal.shift(ms);
                row.record = journal.to_text();
                changes.push(Change::UpdateRotation(row));
            }
        }
        Ok(Some(changes))
    }

    fn put_trusted(&self, anchor: &Trusted) -> Change {
        let here = self.reading();
        self.clock_kept_ms.store(here.boot_ms, Ordering::Relaxed);
        Change::PutFact {
            key: clock::fact(&self.env.name),
            value: here.since(anchor).to_text(),
        }
    }

    fn reading(&self) -> Reading {
        reading(self.clock.as_ref(), self.lock.holder())
    }

    fn trusted(&self) -> Trusted {
        let trusted = self.trusted.lock();
        trusted.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn trust(&self, moment: Trusted) {
        *self.trusted.lock().unwrap_or_else(PoisonError::into_inner) = moment;
    }
}
