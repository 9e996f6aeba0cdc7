//! What keeps secrets out of core dumps, swap, other processes and other users' files.
//!
//! Each guard is best effort: a container may forbid one, and a daemon that refuses to rotate for
//! that would be the worse evil. What could not be done is returned, to be said aloud.

use rustix::fs::Mode;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Guards this process for as long as it lives. Returns what could not be done, as fixed sentences.
///
/// Children inherit the umask (077) and the limit on core files (0): call [`guard_memory`] instead
/// where the process is about to become another program.
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

/// The guards that end when the process becomes another program (`exec`): no core dump and no
/// debugger, no look into `/proc/<pid>` for others, and no page in swap.
pub fn guard_memory() -> Vec<&'static str> {
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
