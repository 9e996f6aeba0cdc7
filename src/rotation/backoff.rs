//! How long to wait before the next try.

use crate::record::{Announcing, Moment, Phase, Time};

/// Exponential from one second, half of it by dice, so that many secrets that fail together do not
/// come back together. The cap is a minute while an application may be waiting, and where only a
/// look at a public document is repeated; else an hour.
pub(crate) fn retry_at(phase: &Phase, failures: u32, at: Moment) -> Time {
    let cap_ms: u64 = match phase {
        Phase::Set(_)
        | Phase::Test
        | Phase::Announce(Announcing::Observe)
        | Phase::Finish(_)
        | Phase::Switch(_)
        | Phase::Restore(_) => MINUTE_MS,
        _ => HOUR_MS,
    };
    let full = SECOND_MS
        .saturating_mul(1 << failures.saturating_sub(1).min(20))
        .min(cap_ms);
    let half = full / 2;
    let extra = at.dice.checked_rem(half.saturating_add(1));
    at.now.plus(half.saturating_add(extra.unwrap_or(0)))
}

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Finishing;

    fn delays(phase: &Phase, failures: u32) -> (i64, i64) {
        let at = |dice| Moment { now: Time(5), dice };
        (
            retry_at(phase, failures, at(0)).0 - 5,
            (0..4_000_000)
                .step_by(997)
                .map(|d| retry_at(phase, failures, at(d)).0 - 5)
                .max()
                .unwrap_or(0),
        )
    }

    #[test]
    fn doubles_up_to_the_cap_of_its_phase() {
        assert_eq!(delays(&Phase::Preflight, 1), (500, 1_000));
        assert_eq!(delays(&Phase::Preflight, 2).0, 1_000);
        assert_eq!(delays(&Phase::Preflight, 3).0, 2_000);
        assert_eq!(delays(&Phase::Preflight, 40).0, 1_800_000);
        assert_eq!(delays(&Phase::Finish(Finishing::Promote), 40).0, 30_000);
        assert_eq!(delays(&Phase::Test, 7).0, 30_000);
        assert_eq!(delays(&Phase::Test, 6).0, 16_000);
    }

    #[test]
    fn no_number_of_a_record_stops_the_machine() {
        for now in [i64::MIN, -1, 0, i64::MAX] {
            for dice in [0, 1, u64::MAX] {
                for failures in [0, 1, 21, u32::MAX] {
                    let at = Moment {
                        now: Time(now),
                        dice,
                    };
                    assert!(retry_at(&Phase::Preflight, failures, at) >= Time(now));
                }
            }
        }
    }

    #[test]
    fn dice_fill_the_upper_half() {
        let (least, most) = delays(&Phase::Preflight, 4);
        assert_eq!(least, 4_000);
        assert!(most > 7_000 && most <= 8_000, "{most}");
    }
}
