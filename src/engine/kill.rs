//! Kill points: places where the process can be made to die, for tests of recovery.
//!
//! `KEYROTA_KILL=after-effect:3` ends the process by SIGKILL the third time it is there. Only
//! debug builds look; a release build has no kill points.

/// Counts how often each point was reached.
#[derive(Debug, Default)]
pub struct KillPoints {
    #[cfg(debug_assertions)]
    armed: Option<(String, std::sync::atomic::AtomicU32)>,
}

impl KillPoints {
    /// What the environment asks for.
    pub fn from_env() -> Self {
        #[cfg(debug_assertions)]
        {
            let armed = std::env::var("KEYROTA_KILL").ok().and_then(|text| {
                let (point, count) = text.split_once(':')?;
                Some((point.to_owned(), count.parse::<u32>().ok()?.into()))
            });
            Self { armed }
        }
        #[cfg(not(debug_assertions))]
        Self::default()
    }

    /// Nothing is written of an effect yet.
    pub fn before_intent(&self) {
        self.at("before-intent");
    }

    /// The intent is written, the effect not begun.
    pub fn after_intent(&self) {
        self.at("after-intent");
    }

    /// The effect happened; its answer was not looked at.
    pub fn after_effect(&self) {
        self.at("after-effect");
    }

    /// The answer is there and not written down.
    pub fn after_reply(&self) {
        self.at("after-reply");
    }

    /// The outcome is written.
    pub fn after_outcome(&self) {
        self.at("after-outcome");
    }

    #[cfg(debug_assertions)]
    fn at(&self, point: &str) {
        use rustix::process::{Signal, getpid, kill_process};
        use std::sync::atomic::Ordering;
        if let Some((armed, count)) = &self.armed
            && armed == point
            && count.fetch_sub(1, Ordering::SeqCst) == 1
        {
            // SIGKILL as the kernel's out-of-memory killer sends it: nothing runs after this line.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }

    #[cfg(not(debug_assertions))]
    #[expect(clippy::unused_self, reason = "a release build has no kill points")]
    fn at(&self, _: &str) {}
}
