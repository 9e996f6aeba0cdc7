//! A child process together with everything it starts.

use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::process::Child;

/// The process group of a child that leads one. Dropped while armed, the whole group is killed: a
/// delivery that is given up leaves nothing behind that could still be reading a value.
///
/// If keyrota itself is killed, this does not run; the child then sees its pipes close, and under
/// systemd the unit's control group ends with keyrota. (`PR_SET_PDEATHSIG` would have to be set
/// between fork and exec, which Rust only offers as unsafe code, and forks forget it anyway.)
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that `child` leads. Spawn it with `process_group(0)`.
    pub(super) fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// To be called once the leader was reaped: from then on its number may be somebody else's.
    pub(super) fn disarm(&mut self) {
        self.0 = None;
    }

    /// SIGTERM, up to `patience` for the leader to end, then SIGKILL for whatever is left.
    ///
    /// The leader is only looked at, not reaped, so that its number, which is the group's, cannot
    /// be given to another process before the last signal.
    pub(super) async fn end(&mut self, patience: Duration) {
        let Some(leader) = self.0 else { return };
        let _ = kill_process_group(leader, Signal::TERM); // gone already is as good
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // Counted in pauses: nobody has to ask what time it is.
        for _ in 0..patience.as_millis() / PAUSE.as_millis() {
            match waitid(WaitId::Pid(leader), look) {
                Ok(None) => tokio::time::sleep(PAUSE).await,
                Ok(Some(_)) | Err(_) => break,
            }
        }
        let _ = kill_process_group(leader, Signal::KILL);
        self.disarm();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

const PAUSE: Duration = Duration::from_millis(20);
