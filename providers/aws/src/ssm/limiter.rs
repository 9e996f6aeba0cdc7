//! Who writes when: so many turns a second, in the order in which they were asked for. Pure.

use std::time::Duration;

/// Hands out turns. A second that nobody used is kept for a burst; more is not.
pub(super) struct Limiter {
    every: Duration,
    burst: u32,
    /// When the next turn would be if nobody had rested.
    next: Duration,
}

impl Limiter {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = per_second.max(1);
        Self {
            every: Duration::from_secs(1)
                .checked_div(per_second)
                .unwrap_or_default(),
            burst: per_second,
            next: Duration::ZERO,
        }
    }

    /// How long to wait from `now`; `None`, and no turn is taken, if that is longer than `longest`.
    pub(super) fn turn(&mut self, now: Duration, longest: Duration) -> Option<Duration> {
        let kept = self.every.saturating_mul(self.burst.saturating_sub(1));
        let turn = self.next.max(now.saturating_sub(kept));
        let wait = turn.saturating_sub(now);
        if wait > longest {
            return None;
        }
        self.next = turn.saturating_add(self.every);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    fn waits(limiter: &mut Limiter, at_ms: u64, turns: usize) -> Vec<Option<u128>> {
        (0..turns)
            .map(|_| limiter.turn(Duration::from_millis(at_ms), LONGEST))
            .map(|wait| wait.map(|w| w.as_millis()))
            .collect()
    }

    #[test]
    fn a_burst_then_one_after_the_other_then_come_back_later() {
        let mut limiter = Limiter::new(2);
        let at_once = waits(&mut limiter, 10_000, 7);
        let expected = [0, 0, 500, 1_000, 1_500, 2_000].map(Some);
        assert_eq!(at_once[..6], expected);
        assert_eq!(at_once[6], None);
        // The refused turn was not taken.
        assert_eq!(waits(&mut limiter, 12_500, 1), [Some(0)]);
    }

    #[test]
    fn rest_is_kept_for_one_second_only() {
        let mut limiter = Limiter::new(3);
        assert_eq!(waits(&mut limiter, 0, 1), [Some(0)]);
        let later = waits(&mut limiter, 3_600_000, 4);
        assert_eq!(later[..3], [Some(0); 3]);
        assert!(later[3] > Some(300), "{later:?}");
    }

    #[test]
    fn never_more_in_a_second_than_twice_the_rate() {
        let mut limiter = Limiter::new(3);
        let mut at: Vec<u128> = Vec::new();
        for now in (0..20_000).step_by(50) {
            if let Some(wait) = limiter.turn(Duration::from_millis(now), LONGEST) {
                at.push(u128::from(now) + wait.as_millis());
            }
        }
        for window in at.windows(7) {
            assert!(window[6] - window[0] >= 1_000, "{window:?}");
        }
    }
}
