//! What systemd hears while the daemon is busy.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyrota_rotation::Phase;
use sd_notify::NotifyState;

use crate::commands::progress::Logged;
use crate::engine::Watch;

/// Feeds the watchdog for as long as something moves, and asks for more time to start and to stop.
///
/// A consumer's program may take longer than the watchdog waits, or than a stop may take: without
/// this, systemd would kill both in the middle, and the next start would tell the program again,
/// for ever. An event loop that hangs beats no more; and an effect that outlives every limit
/// ends the beats after [`QUIET_MAX`].
pub struct Pulse {
    every: Duration,
    /// Beats since something moved.
    quiet: AtomicU32,
}

impl Pulse {
    /// As often as the service manager wants to hear of us, with room to be late.
    pub fn new() -> Self {
        let wanted = sd_notify::watchdog_enabled().map_or(BEAT_MAX, |within| within / 4);
        Self {
            every: wanted.clamp(BEAT_MIN, BEAT_MAX),
            quiet: AtomicU32::new(0),
        }
    }

    /// Does `work`, and beats meanwhile.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        self.quiet.store(0, Ordering::Relaxed);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(self.every) => self.beat(),
            }
        }
    }

    fn beat(&self) {
        let quiet = self.quiet.fetch_add(1, Ordering::Relaxed);
        if self.every.saturating_mul(quiet) < QUIET_MAX {
            let more = u32::try_from(MORE.as_micros()).unwrap_or(u32::MAX);
            tell(&[NotifyState::Watchdog, NotifyState::ExtendTimeoutUsec(more)]);
        }
    }
}

impl Watch for Pulse {
    fn moved(&self, secret: &str, phase: &Phase) {
        self.quiet.store(0, Ordering::Relaxed);
        Logged.moved(secret, phase);
    }
}

/// Also without a watchdog, for starting and stopping.
const BEAT_MAX: Duration = Duration::from_secs(15);
const BEAT_MIN: Duration = Duration::from_millis(100);
/// What a start or a stop is given with each beat: four of them.
const MORE: Duration = Duration::from_secs(60);
/// No effect takes longer: a preflight may call a rotator's program four times, for ten minutes each,
/// beside the limits of everything around it.
const QUIET_MAX: Duration = Duration::from_secs(45 * 60);

/// Tells systemd; without systemd nobody listens.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(why) = sd_notify::notify(states) {
        tracing::debug!(kind = ?why.kind(), "systemd could not be notified");
    }
}
