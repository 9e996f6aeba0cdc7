//! A lock between processes that ends with its holder, however that ends.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::atomic;
use crate::error::{FileError, classify};

/// An exclusive `flock(2)` on a file that exists for nothing else, held until dropped. The file
/// stays: removing it would let a third process lock a new one while a second waits for the old.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock if it is free; `None` if another holds it. Creates the file (0600).
    pub fn try_take(path: &Path) -> Result<Option<Self>, FileError> {
        let (dir, name) = atomic::open_parent(path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&dir, &name, flags, Mode::RUSR | Mode::WUSR).map_err(classify)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self {
                file: File::from(file),
            })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(classify(e)),
        }
    }

    /// Takes the lock, asking `attempts` times with `pause` between: a holder that is stopped must
    /// not stop us too. [`FileError::Locked`] when it is still held.
    pub fn take(path: &Path, attempts: u32, pause: Duration) -> Result<Self, FileError> {
        for attempt in 0..attempts {
            if attempt > 0 {
                std::thread::sleep(pause);
            }
            if let Some(lock) = Self::try_take(path)? {
                return Ok(lock);
            }
        }
        Err(FileError::Locked)
    }
}

/// A child that inherits the descriptor holds the lock too, until it ends.
impl AsFd for FileLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_next_after_a_drop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::try_take(&path).unwrap().is_none());
        assert_eq!(
            FileLock::take(&path, 2, Duration::from_millis(1)).unwrap_err(),
            FileError::Locked
        );
        drop(held);
        assert!(FileLock::try_take(&path).unwrap().is_some());
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("lock")).unwrap();
        assert_eq!(
            FileLock::try_take(&dir.path().join("lock")).unwrap_err(),
            FileError::Symlink
        );
        assert!(!dir.path().join("elsewhere").exists());
    }
}
