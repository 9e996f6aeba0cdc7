//! A clock and an entropy that do as they are told.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use keyrota_contract::Entropy;

use super::Clock;

/// A clock that stands still until it is moved. Millisecond precision.
#[derive(Debug)]
pub struct FixedClock {
    wall_millis: AtomicI64,
    elapsed_millis: AtomicU64,
}

impl FixedClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self {
            wall_millis: now.as_millisecond().into(),
            elapsed_millis: 0.into(),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.wall_millis
            .fetch_add(by.as_millis() as i64, Ordering::SeqCst);
        self.elapsed_millis
            .fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }

    /// Puts the wall clock forward or back; no time passes.
    pub fn set(&self, now: Timestamp) {
        self.wall_millis
            .store(now.as_millisecond(), Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.wall_millis.load(Ordering::SeqCst))
            .unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_millis.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Option<String> {
        Some("fixed".to_owned())
    }
}

/// The same bytes for the same seed, and as good as none: for tests and simulation only.
#[derive(Debug, Clone)]
pub struct SeededEntropy(u64);

impl SeededEntropy {
    /// A stream that `seed` decides.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes()[..chunk.len()]);
        }
    }
}
