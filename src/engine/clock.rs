//! The time that deadlines and schedules are judged by. Pure.
//!
//! A wall clock may be wrong: set by hand, by a dead battery, or by a time server that lies. So
//! every commit stores the trusted time beside a reading of the boot clock, and the next process
//! knows how much time has provably passed since. Whatever the wall clock shows beyond that is
//! *unproven*: it ends no settle, no grace and no pause, until a second source agrees, a person
//! accepts it, or nothing waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment that keyrota trusted, as the state stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    /// The trusted time, in milliseconds since 1970-01-01 UTC.
    pub ms: i64,
    /// The boot in which it was read.
    pub boot: String,
    /// The boot clock at that moment, in milliseconds since that boot.
    pub boot_ms: i64,
    /// No second source confirmed the time: deadlines that were counted from it move with it.
    #[serde(default)]
    pub doubt: bool,
}

/// What the clocks of this host and of the state show now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, in milliseconds since 1970-01-01 UTC.
    pub wall_ms: i64,
    /// This host's boot, as the kernel names it; a name of its own where the kernel does not say.
    pub boot: String,
    /// Its boot clock, in milliseconds.
    pub boot_ms: i64,
    /// The clock of the state's server; `None` where that is this host's own.
    pub server_ms: Option<i64>,
    /// A rotation of this environment is under way.
    pub waiting: bool,
}

/// Below this, a difference between two clocks is no news, in milliseconds.
const AGREE_MS: i64 = 60_000;

/// How long a host may have been switched off, or ran with a clock that was behind, for its wall
/// clock to be believed when nothing waits: 32 days in milliseconds.
const OFF_MAX_MS: i64 = 32 * 24 * 3_600_000;

impl Reading {
    /// The moment to count from: the wall clock where it is believed, else the time that has
    /// provably passed since `known`. A new state has none, and no rotation waits in it.
    pub fn anchor(&self, known: Option<&Trusted>) -> Trusted {
        let mut anchor = match known {
            Some(known) if !self.is_believed(known) => self.since(known),
            _ => self.accepted(),
        };
        let contradicted = self.server_ms.is_some() && !self.server_agrees();
        anchor.doubt = contradicted || self.skew_ms(&anchor).is_some();
        anchor
    }

    /// `moment`, and what has provably passed since then.
    pub fn since(&self, moment: &Trusted) -> Trusted {
        let mut since = self.at(self.now_ms(moment));
        since.doubt = moment.doubt;
        since
    }

    /// This reading, as one that a person accepts.
    pub fn accepted(&self) -> Trusted {
        self.at(self.wall_ms)
    }

    /// How far the wall clock is ahead of the proven time, or behind it if negative, in
    /// milliseconds. `None`: they agree.
    pub fn skew_ms(&self, anchor: &Trusted) -> Option<i64> {
        let skew = self.wall_ms.saturating_sub(self.now_ms(anchor));
        (skew.saturating_abs() > AGREE_MS).then_some(skew)
    }

    /// By how much deadlines move, in milliseconds, when keyrota counts from `after` instead of
    /// `before`: a clock that was set is no time that passed. Between two boots, or two hosts, a step
    /// ahead of at most 32 days counts as time that passed, unless the time was in doubt before.
    pub fn shift_ms(&self, before: &Trusted, after: &Trusted) -> Option<i64> {
        let step = self.now_ms(after).saturating_sub(self.now_ms(before));
        let passed = self.boot != before.boot && !before.doubt && (0..=OFF_MAX_MS).contains(&step);
        (step.saturating_abs() > AGREE_MS && !passed).then_some(step)
    }

    /// The time to judge by: the earliest that it can be. Within one boot it runs as the boot clock
    /// does, however the wall clock is set meanwhile. A reading of another boot, or of another host,
    /// says nothing of the time in between.
    pub fn now_ms(&self, known: &Trusted) -> i64 {
        let passed = match self.boot == known.boot {
            true => self.boot_ms.saturating_sub(known.boot_ms),
            false => 0,
        };
        known.ms.saturating_add(passed.max(0))
    }

    fn is_believed(&self, known: &Trusted) -> bool {
        let unproven = self.wall_ms.saturating_sub(self.now_ms(known));
        !self.waiting && unproven <= OFF_MAX_MS || self.server_agrees()
    }

    fn server_agrees(&self) -> bool {
        self.server_ms
            .is_some_and(|server| server.abs_diff(self.wall_ms) <= AGREE_MS.unsigned_abs())
    }

    fn at(&self, ms: i64) -> Trusted {
        Trusted {
            ms,
            boot: self.boot.clone(),
            boot_ms: self.boot_ms,
            doubt: false,
        }
    }
}

/// The fact of an environment that holds its [`Trusted`] moment.
pub fn fact(env: &str) -> String {
    format!("clock/{env}")
}

/// The fact that holds a moment that a person accepted.
pub fn accepted_fact(env: &str) -> String {
    format!("clock-accepted/{env}")
}

impl Trusted {
    /// As the state stores it.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("names and numbers have a JSON form")
    }

    /// As the state stored it; `None` for a text of another form.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// The instant of `ms`, as far as there is one.
pub fn timestamp(ms: i64) -> Timestamp {
    let last = if ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(ms).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000;
    const YEARS: i64 = 3_650 * DAY;

    fn known() -> Trusted {
        Trusted {
            ms: 1_000 * DAY,
            boot: "one".to_owned(),
            boot_ms: 5 * DAY,
            doubt: false,
        }
    }

    /// An hour after [`known`], with a rotation under way.
    fn reading() -> Reading {
        Reading {
            wall_ms: 1_000 * DAY + DAY / 24,
            boot: "one".to_owned(),
            boot_ms: 5 * DAY + DAY / 24,
            server_ms: None,
            waiting: true,
        }
    }

    /// What is judged by after an edit of that hour later, as a difference to [`known`], and how
    /// far the wall clock is ahead of it.
    fn judged(edit: impl FnOnce(&mut Reading)) -> (i64, Option<i64>) {
        let mut reading = reading();
        edit(&mut reading);
        let anchor = reading.anchor(Some(&known()));
        (
            reading.now_ms(&anchor) - known().ms,
            reading.skew_ms(&anchor),
        )
    }

    #[test]
    fn only_what_has_provably_passed_ends_a_wait() {
        const HOUR: i64 = DAY / 24;
        let rebooted = |r: &mut Reading| {
            r.boot = "two".to_owned();
            r.boot_ms = 200 * DAY;
        };
        assert_eq!(judged(|_| ()), (HOUR, None));
        assert_eq!(judged(|r| r.wall_ms += YEARS), (HOUR, Some(YEARS)));
        assert_eq!(judged(|r| r.wall_ms += 2 * HOUR), (HOUR, Some(2 * HOUR)));
        // A clock that was put back neither ends nor prolongs a wait.
        assert_eq!(judged(|r| r.wall_ms -= 2 * HOUR), (HOUR, Some(-2 * HOUR)));
        assert_eq!(judged(|r| r.wall_ms -= YEARS), (HOUR, Some(-YEARS)));
        // Another boot proves nothing: several machines may have the name of this host.
        assert_eq!(judged(rebooted), (0, Some(HOUR)));
        // Another host, without a server: nothing is proven.
        let other = |r: &mut Reading| {
            r.boot = "three".to_owned();
        };
        assert_eq!(judged(other), (0, Some(HOUR)));
    }

    #[test]
    fn two_sources_that_agree_are_believed() {
        let at = |server: i64, wall: i64| {
            judged(|r| {
                r.wall_ms += wall;
                r.server_ms = Some(r.wall_ms + server);
            })
        };
        const HOUR: i64 = DAY / 24;
        assert_eq!(at(0, YEARS), (HOUR + YEARS, None));
        assert_eq!(at(-30_000, 5 * DAY), (HOUR + 5 * DAY, None));
        assert_eq!(at(-YEARS, YEARS), (HOUR, Some(YEARS)));
        assert_eq!(at(61_000, 5 * DAY), (HOUR, Some(5 * DAY)));
    }

    #[test]
    fn when_nothing_waits_a_clock_that_may_be_right_is_believed() {
        let at = |ahead: i64| {
            judged(|r| {
                r.wall_ms += ahead;
                r.waiting = false;
            })
        };
        const HOUR: i64 = DAY / 24;
        assert_eq!(at(31 * DAY), (HOUR + 31 * DAY, None));
        assert_eq!(at(YEARS), (HOUR, Some(YEARS)));
        assert_eq!(at(-YEARS), (HOUR - YEARS, None), "nothing waits");
        // Then it is the one to count from.
        let mut behind = reading();
        (behind.wall_ms, behind.waiting) = (0, false);
        assert_eq!(behind.anchor(Some(&known())).ms, 0);
        behind.waiting = true;
        assert_eq!(behind.anchor(Some(&known())).ms, known().ms + HOUR);
    }

    #[test]
    fn a_clock_that_was_set_is_no_time_that_passed() {
        let shift = |edit: fn(&mut Reading)| {
            let mut reading = reading();
            edit(&mut reading);
            reading.shift_ms(&known(), &reading.accepted())
        };
        assert_eq!(shift(|r| r.wall_ms += YEARS), Some(YEARS));
        assert_eq!(shift(|r| r.wall_ms -= YEARS), Some(-YEARS));
        assert_eq!(shift(|r| r.wall_ms += 59_000), None);
        let rebooted = |r: &mut Reading| (r.boot, r.boot_ms) = ("two".to_owned(), 0);
        let mut off = reading();
        rebooted(&mut off);
        assert_eq!(off.shift_ms(&known(), &off.accepted()), None);
        // No host is off for ten years, and a clock that goes back is no time at all.
        off.wall_ms += YEARS;
        assert_eq!(
            off.shift_ms(&known(), &off.accepted()),
            Some(YEARS + DAY / 24)
        );
        off.wall_ms = 0;
        assert_eq!(off.shift_ms(&known(), &off.accepted()), Some(-known().ms));
    }

    /// A rotation began while the time lagged by a day, and another host finds the right time.
    #[test]
    fn deadlines_of_a_doubtful_time_move_with_it() {
        let mut lagging = reading();
        lagging.wall_ms += DAY;
        let doubtful = lagging.anchor(Some(&known()));
        assert!(doubtful.doubt);
        assert!(lagging.since(&doubtful).doubt, "as long as nobody confirms");
        assert!(!lagging.accepted().doubt);
        let mut other = reading();
        other.boot = "two".to_owned();
        other.wall_ms = lagging.wall_ms;
        other.server_ms = Some(other.wall_ms);
        let right = other.anchor(Some(&doubtful));
        assert!(!right.doubt);
        assert_eq!(other.shift_ms(&doubtful, &right), Some(DAY));
        // A server that contradicts leaves doubt, whatever is believed.
        other.waiting = false;
        other.server_ms = Some(other.wall_ms - DAY);
        assert!(other.anchor(Some(&known())).doubt);
    }

    #[test]
    fn no_reading_overflows() {
        for ms in [i64::MIN, -1, 0, i64::MAX] {
            for boot_ms in [i64::MIN, i64::MAX] {
                let known = Trusted {
                    ms,
                    boot_ms,
                    ..known()
                };
                let reading = Reading {
                    wall_ms: -ms.saturating_add(1),
                    boot_ms: 0,
                    server_ms: Some(ms),
                    ..reading()
                };
                let anchor = reading.anchor(Some(&known));
                let _ = (reading.now_ms(&anchor), reading.skew_ms(&anchor));
                let _ = reading.shift_ms(&known, &anchor);
                assert_eq!(Trusted::from_text(&anchor.to_text()), Some(anchor));
            }
        }
    }
}
