//! The only home of real time and real randomness.
//!
//! Everything else takes the time as an argument and randomness as
//! [`&mut dyn Entropy`](Entropy), so that a test decides both. `clippy.toml` names the calls that
//! are banned elsewhere.
//!
//! # Layout
//! - [`Clock`], [`SystemClock`], [`SystemEntropy`], [`uuid_v7`]
//! - [`process`]: [`harden`] and [`UntilExec`], what keeps secrets out of dumps, swap and other users' files
//! - [`testing`]: a clock and an entropy that do as they are told

use std::time::Duration;

use jiff::Timestamp;
use keyrota_contract::Entropy;
use uuid::Uuid;

pub mod process;
pub mod testing;

pub use process::{UntilExec, harden};

/// What time it is.
pub trait Clock: Send + Sync {
    /// The wall clock. It may be put forward and back at any moment.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment; it never goes back, and it counts while the machine
    /// sleeps, so that a deadline measured by it has passed when others believe it has. Only the
    /// difference of two readings of one [boot](Clock::boot) means anything.
    fn elapsed(&self) -> Duration;

    /// The name of this boot: two processes whose boots have one name may compare what
    /// [`Clock::elapsed`] says. `None` where the system gives it none.
    fn boot(&self) -> Option<String>;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        // std's Instant stops while the machine sleeps; a lock on another host does not.
        #[cfg(target_os = "linux")]
        let id = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = ClockId::Monotonic;
        clock_gettime(id).try_into().unwrap_or_default()
    }

    fn boot(&self) -> Option<String> {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim_end().to_owned())
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// Without randomness nothing may be minted, and there is nothing to fall back to.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that draws from the system"
    )]
    fn fill(&mut self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives randomness");
    }
}

/// A version 7 UUID (RFC 9562): 48 bits of milliseconds since 1970, so that ids sort by time, and
/// 74 random bits. A time before 1970 counts as 1970.
pub fn uuid_v7(now: Timestamp, entropy: &mut dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

#[cfg(test)]
mod tests;
