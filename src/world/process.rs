//! What keeps secrets out of core dumps, swap, other processes and other users' files.
//!
//! Each guard is best effort: a container may forbid one, and a daemon that refuses to rotate for
//! that would be the worse evil. What could not be done is returned, to be said aloud.

use rustix::fs::Mode;
use rustix::mm::{MlockAllFlags, mlockall, munlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Guards this process for as long as it lives. Returns what could not be done, as fixed sentences.
///
/// Children inherit the umask (077) and the limits: call [`UntilExec::guard`] instead where the
/// process is about to become another program.
pub fn harden() -> Vec<&'static str> {
    umask(Mode::from_raw_mode(0o077));
    let mut undone = guard_memory();
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if setrlimit(Resource::Core, none).is_err() {
        undone.push("core files could not be forbidden");
    }
    undone
}

/// The guards of a process that is about to become another program: no core dump and no debugger,
/// no look into `/proc/<pid>` for others, and no page in swap. `exec` ends them; the one limit that
/// is raised for them, and that `exec` would hand on, is put back by [`UntilExec::lift`].
#[derive(Debug)]
pub struct UntilExec {
    memlock: Rlimit,
    undone: Vec<&'static str>,
}

impl UntilExec {
    /// Guards the process.
    pub fn guard() -> Self {
        let memlock = getrlimit(Resource::Memlock);
        Self {
            memlock,
            undone: guard_memory(),
        }
    }

    /// What could not be done, as fixed sentences.
    pub fn undone(&self) -> &[&'static str] {
        &self.undone
    }

    /// Puts the limit back: right before `exec`, and never long before it, because memory is no
    /// longer locked from here on.
    pub fn lift(self) {
        // Unlocked first: beyond a limit, a locked process can allocate nothing. What fails here
        // leaves the next program a higher limit than it was due, and nothing worse.
        let _ = munlockall().and_then(|()| setrlimit(Resource::Memlock, self.memlock));
    }
}

fn guard_memory() -> Vec<&'static str> {
    let mut undone = Vec::new();
    #[cfg(target_os = "linux")]
    if rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .is_err()
    {
        undone.push("the process could not be made undumpable");
    }
    if !lock_memory() {
        undone.push(
            "memory could not be locked and may be swapped out (systemd: LimitMEMLOCK=infinity)",
        );
    }
    undone
}

/// Under a finite limit a locked process dies at the allocation that passes it, so without an
/// unlimited one (given, or raised with the right to) nothing is locked.
fn lock_memory() -> bool {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    let mut flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE;
    // Only what is touched: a runtime reserves far more address space than it uses.
    #[cfg(target_os = "linux")]
    flags.insert(MlockAllFlags::ONFAULT);
    setrlimit(Resource::Memlock, unlimited).is_ok() && mlockall(flags).is_ok()
}
