//! Who still lives after the keyrota that started it died.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use keyrota_local::FileLock;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::PATIENCE;

/// Ends whoever holds the lock at `path`: SIGTERM, five seconds later SIGKILL. The lock if nobody
/// holds it any more; `None` if somebody may.
///
/// For programs whose keyrota is gone: no other may start one meanwhile.
pub(crate) async fn end_holders(path: &Path) -> Option<FileLock> {
    for signal in [Signal::TERM, Signal::KILL] {
        // A child just forked may hold everything we do for the moment until it is another program.
        if let Some(lock) = lock_within(path, MOMENT).await {
            return Some(lock);
        }
        for holder in holders(path)? {
            let _ = pidfd_send_signal(&holder, signal); // gone already is as good
        }
        if let Some(lock) = lock_within(path, PATIENCE).await {
            return Some(lock);
        }
    }
    None
}

/// Takes the lock at `path` within `patience`. A file that cannot be opened is as good as held.
pub(crate) async fn lock_within(path: &Path, patience: Duration) -> Option<FileLock> {
    // Counted in pauses: nobody has to ask what time it is.
    for _ in 0..patience.as_millis() / PAUSE.as_millis() {
        match FileLock::try_take(path) {
            Ok(Some(lock)) => return Some(lock),
            Ok(None) => tokio::time::sleep(PAUSE).await,
            Err(_) => return None,
        }
    }
    None
}

/// The processes that have the file open, as far as we may look into them. By a descriptor of the
/// process, taken before it is looked at: its number alone could be another's by the time of a signal.
fn holders(path: &Path) -> Option<Vec<OwnedFd>> {
    let file = path.metadata().ok()?;
    let is_file = |fd: std::fs::DirEntry| {
        let open = std::fs::metadata(fd.path());
        open.is_ok_and(|m| m.dev() == file.dev() && m.ino() == file.ino())
    };
    let numbers = std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|e| Pid::from_raw(e.file_name().to_str()?.parse().ok()?));
    let holder = |pid: Pid| {
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let open = std::fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero())).ok()?;
        open.flatten().any(is_file).then_some(process)
    };
    let us = getpid();
    Some(
        numbers
            .filter(|pid| *pid != us)
            .filter_map(holder)
            .collect(),
    )
}

const PAUSE: Duration = Duration::from_millis(20);
const MOMENT: Duration = Duration::from_millis(200);
