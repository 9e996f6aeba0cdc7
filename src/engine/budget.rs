//! How many logins may be refused before keyrota waits: servers lock accounts that guess.
//!
//! The times of unexpected refusals are kept in the state, for all hosts and restarts, one account
//! at a time. That a retired password is refused is what is wanted, and does not count. Pure.

use keyrota_rotation::Phase;

/// Unexpected refusals of one account within [`WINDOW_MS`] that are followed by a wait. One less
/// than the fewest after which a server known to us locks an account by default.
const REFUSALS_MAX: usize = 3;
const WINDOW_MS: u64 = 15 * 60 * 1000;

/// Under which fact the refusals of an account are known.
pub(super) fn fact(account: &str) -> String {
    format!("refused/{account}")
}

/// Whether another try has to wait.
pub(super) fn is_spent(known: Option<&str>, now_ms: i64) -> bool {
    recent(known, now_ms).count() >= REFUSALS_MAX
}

/// What is known after one more refusal.
pub(super) fn with_refusal(known: Option<&str>, now_ms: i64) -> String {
    let times: Vec<String> = recent(known, now_ms)
        .chain([now_ms])
        .map(|time| time.to_string())
        .collect();
    times.join(" ")
}

/// Whether a value is expected to be refused in this phase.
pub(super) fn expects_refusal(phase: &Phase) -> bool {
    matches!(phase, Phase::Retire(_) | Phase::Undo(_))
}

fn recent(known: Option<&str>, now_ms: i64) -> impl Iterator<Item = i64> {
    let times = known.unwrap_or_default().split(' ');
    times
        .filter_map(|time| time.parse().ok())
        // A clock that was set back must not make a refusal last for ever.
        .filter(move |time: &i64| now_ms.abs_diff(*time) < WINDOW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_that_a_state_holds_stops_the_program() {
        let known = format!("{} {} 1e308 NaN -1 0 {}", i64::MIN, i64::MAX, u64::MAX);
        for now in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert!(!is_spent(Some(&known), now), "{now}");
            assert!(with_refusal(Some(&known), now).ends_with(&now.to_string()));
        }
    }

    #[test]
    fn three_refusals_are_followed_by_a_wait_and_forgotten_in_time() {
        let minute = 60_000;
        let mut known: Option<String> = None;
        for at in [0, minute, 2 * minute] {
            assert!(!is_spent(known.as_deref(), at));
            known = Some(with_refusal(known.as_deref(), at));
        }
        let known = known.as_deref();
        assert!(is_spent(known, 3 * minute));
        assert!(!is_spent(known, 15 * minute));
        assert!(
            is_spent(known, -minute),
            "a clock that was set back a little"
        );
        assert!(!is_spent(known, -60 * minute));
        assert_eq!(
            with_refusal(known, 16 * minute),
            format!("{} {}", 2 * minute, 16 * minute)
        );
    }
}
