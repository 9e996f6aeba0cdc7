//! Reads that lag: a store that shows, for a while, what stood before keyrota's own write.
//!
//! AWS' stores and clusters of Vault answer a read from a copy of their data that may be behind. Such an
//! answer is no work of another tool, and nothing may be decided or written by it. A provider notes what
//! each of its writes was answered with ([`Written::note`]) and reads through [`Written::shown`], which
//! asks again, less and less often, while the answer is older than the note. Only an answer that is
//! *newer* than the note is another tool's.
//!
//! Both bounds are in time. A read waits [`WAIT_MAX`], then it is `Unavailable` and whoever drives the
//! provider tries again later. A note counts for [`NOTE_LASTS`]: after that the store is believed, since
//! a person may have taken away what keyrota wrote.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::{ErrorKind, Native, ProviderError};

/// How long one read waits for the store. Several calls fit into the time that keyrota gives an effect.
pub const WAIT_MAX: Duration = Duration::from_secs(8);
/// How long keyrota takes its own word for what the store holds.
pub const NOTE_LASTS: Duration = Duration::from_secs(120);

/// Between two tries of a read, at first; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What is said of a store that lags for too long.
pub const LAGS: ProviderError = ProviderError::new(
    ErrorKind::Unavailable,
    "the store does not show yet what keyrota wrote: its reads lag, or another tool took it away; keyrota asks again",
);

/// What another process of keyrota wrote at a place, as the state has it.
#[derive(Debug, Clone, Copy)]
pub enum Recalled<'a> {
    /// The candidate of this id stands there.
    Candidate(Uuid),
    /// A version became current.
    Current {
        /// Its name.
        native: &'a Native,
        /// The version that was current until then.
        replaced: Option<&'a Native>,
    },
}

/// What keyrota wrote in a store, by the name under which it is read. `M` says what a read must show.
pub struct Written<M>(Mutex<BTreeMap<String, (M, Instant)>>);

impl<M> Default for Written<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: Default> Written<M> {
    /// Notes what the store answered to a write of `name`.
    pub fn note(&self, name: &str, change: impl FnOnce(&mut M)) {
        let mut all = self.all();
        all.retain(|_, (_, at)| at.elapsed() < NOTE_LASTS);
        let (mark, at) = all
            .entry(name.to_owned())
            .or_insert_with(|| (M::default(), Instant::now()));
        change(mark);
        *at = Instant::now();
    }

    /// Reads `name` until the answer does not lag behind what was noted.
    ///
    /// # Errors
    /// Those of `read`; [`LAGS`] after [`WAIT_MAX`].
    pub async fn shown<T, F>(
        &self,
        name: &str,
        read: impl FnMut() -> F,
        lags: impl Fn(&M, &T) -> bool,
    ) -> Result<T, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let behind = |seen: &T| {
            let all = self.all();
            let noted = all.get(name).filter(|(_, at)| at.elapsed() < NOTE_LASTS);
            noted.is_some_and(|(mark, _)| lags(mark, seen))
        };
        shown(read, behind).await?.ok_or(LAGS)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, (M, Instant)>> {
        self.0.lock().unwrap_or_else(|held| held.into_inner())
    }
}

/// Reads until the answer does not lag; `None` if it still does after [`WAIT_MAX`].
///
/// # Errors
/// Those of `read`.
pub async fn shown<T, E, F>(
    mut read: impl FnMut() -> F,
    lags: impl Fn(&T) -> bool,
) -> Result<Option<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let (began, mut pause) = (Instant::now(), PAUSE);
    loop {
        let seen = read().await?;
        if !lags(&seen) {
            return Ok(Some(seen));
        }
        if began.elapsed().saturating_add(pause) > WAIT_MAX {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    /// Reads a store that holds `new` and shows it only after a time.
    async fn read(
        written: &Written<u32>,
        began: Instant,
        lag: Duration,
    ) -> Result<u32, ProviderError> {
        let read = async || Ok::<u32, ProviderError>(if began.elapsed() < lag { 1 } else { 2 });
        written
            .shown("name", read, |noted, seen| seen < noted)
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_lagging_read_is_waited_for_in_a_bounded_time() {
        for (lag_ms, waits) in [
            (0, true),
            (300, true),
            (1_000, true),
            (7_000, true),
            (9_000, false),
        ] {
            let (written, began) = (Written::default(), Instant::now());
            written.note("name", |noted| *noted = 2);
            let lag = Duration::from_millis(lag_ms);
            let told = read(&written, began, lag).await;
            assert_eq!(told, if waits { Ok(2) } else { Err(LAGS) }, "{lag_ms}");
            assert!(
                began.elapsed() < lag.max(Duration::from_millis(1)) + PAUSE_MAX,
                "{lag_ms}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_note_is_of_one_name_and_ends() {
        let written = Written::default();
        written.note("other", |noted| *noted = 2);
        let never = Duration::from_secs(10_000);
        assert_eq!(read(&written, Instant::now(), never).await, Ok(1));
        written.note("name", |noted| *noted = 2);
        assert_eq!(read(&written, Instant::now(), never).await, Err(LAGS));
        tokio::time::sleep(NOTE_LASTS).await;
        assert_eq!(read(&written, Instant::now(), never).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_newer_than_the_note_is_believed_at_once() {
        let written: Written<u32> = Written::default();
        written.note("name", |noted| *noted = 2);
        let began = Instant::now();
        let read = written.shown(
            "name",
            || std::future::ready(Ok(3)),
            |noted, seen| seen < noted,
        );
        assert_eq!(read.await, Ok(3));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
