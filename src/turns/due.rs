//! Whether a rotation is due: schedule, window, blackouts, jitter and what was done already.

use std::time::Duration;

use aws_lc_rs::digest;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::hours::{Blackout, Hours, Window};
use super::schedule::{Schedule, Turn, instant};

/// When one secret's turns come and when they may start.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The civil times of its turns.
    pub schedule: Schedule,
    /// The zone in which schedule, window and blackouts are read.
    pub zone: TimeZone,
    /// Turns before this instant do not count.
    pub not_before: Option<Timestamp>,
    /// How much later than its turn, or than the opening of its window, this secret starts; see
    /// [`jitter`].
    pub jitter: Duration,
    /// Hours in which it may start; `None`: at any time.
    pub window: Option<Window>,
    /// Spans in which it must not start.
    pub blackouts: Vec<Blackout>,
}

/// What a look at the clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Start now. The turn is the newest that has come: when it is done, so are those before it.
    Now(Turn),
    /// Not before this instant, for this turn.
    At(Timestamp, Turn),
    /// There is no further turn.
    Never,
}

impl Policy {
    /// Whether a rotation is due at `now`.
    ///
    /// `done` is [`Turn::civil`] of the last turn that ended, however it ended: neither it nor an
    /// earlier one comes again, also if the clock is put back. `since` is the later of two
    /// instants: when this secret was first seen with this schedule, and its last success. Turns
    /// at or before it do not count, so a secret never rotates because it is new.
    pub fn due(&self, done: Option<DateTime>, since: Timestamp, now: Timestamp) -> Due {
        let floors = [
            Some(since),
            done.and_then(|civil| instant(&self.zone, civil)),
            self.not_before
                .and_then(|first| first.checked_sub(SignedDuration::from_nanos(1)).ok()),
        ];
        let after = floors.into_iter().flatten().max().unwrap_or(since);
        let Some(first) = self.schedule.next(&self.zone, after) else {
            return Due::Never;
        };
        // The oldest turn that was missed decides when to start, or a jitter longer than the gap
        // between two turns would put off every one of them. The newest is the one that is done.
        let start = self.start(first.at, now);
        let turn = self
            .schedule
            .latest(&self.zone, now)
            .filter(|newest| newest.at > first.at)
            .unwrap_or(first);
        if start <= now {
            Due::Now(turn)
        } else {
            Due::At(start, turn)
        }
    }

    /// When a turn that comes at `at` starts: in the stretch of open time that `now` lies in or
    /// before, so that a late start is spread over the secrets like a punctual one.
    fn start(&self, at: Timestamp, now: Timestamp) -> Timestamp {
        let hours = Hours::new(self.window, &self.blackouts, &self.zone);
        let mut opens = hours.opens(at);
        let mut closes = hours.closes(opens);
        while closes <= now && closes < Timestamp::MAX {
            opens = hours.opens(closes);
            closes = hours.closes(opens);
        }
        let jitter = SignedDuration::try_from(self.jitter).unwrap_or(SignedDuration::MAX);
        let open_for = closes.duration_since(opens);
        // Shortened to fit, but still different for each secret.
        let late = if jitter < open_for {
            jitter
        } else {
            let left = jitter.as_millis().checked_rem(open_for.as_millis().max(1));
            SignedDuration::from_millis(left.and_then(|ms| ms.try_into().ok()).unwrap_or(0))
        };
        opens.checked_add(late).unwrap_or(Timestamp::MAX)
    }
}

/// How much later than its turns a secret starts: from zero to less than `max`, to the
/// millisecond. The same for the same names, after every restart and on every host.
pub fn jitter(environment: &str, secret: &str, max: Duration) -> Duration {
    let mut names = digest::Context::new(&digest::SHA256);
    // A name holds no zero byte, so two pairs of names never read alike.
    for part in ["keyrota jitter", environment, secret] {
        names.update(part.as_bytes());
        names.update(&[0]);
    }
    let sum = names.finish();
    let drawn = sum
        .as_ref()
        .iter()
        .take(8)
        .fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let max_millis = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(drawn.checked_rem(max_millis).unwrap_or(0))
}
