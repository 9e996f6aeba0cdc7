//! A lock between processes that ends with its holder, however that ends.
//!
//! `flock(2)` asks for no right but to open the file: whoever may read a file or a directory may
//! hold a lock on it for ever. So a lock is a file that exists for nothing else and that only
//! keyrota's user may open, and one that others may open is refused.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::atomic;
use crate::error::{FileError, classify};

/// An exclusive `flock(2)`, held until dropped. The file stays: removing it would let a third
/// process lock a new one while a second waits for the old.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    /// Takes the lock if it is free; `None` if another holds it. Creates the file (0600).
    pub fn try_take(path: &Path) -> Result<Option<Self>, FileError> {
        let (dir, name) = atomic::open_parent(path)?;
        loop {
            let file = open(&dir, &name, OFlags::CREATE)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(e) => return Err(classify(e)),
            }
            // A file that was removed meanwhile is locked by us, and by nobody who asks next.
            if is_named(&file, &dir, &name)? {
                return Ok(Some(Self { file }));
            }
        }
    }

    /// Whether a process holds the lock. Creates nothing.
    pub fn is_held(path: &Path) -> Result<bool, FileError> {
        let (dir, name) = atomic::open_parent(path)?;
        let file = match open(&dir, &name, OFlags::empty()) {
            Err(FileError::NotFound) => return Ok(false),
            other => other?,
        };
        // A shared lock does not disturb others who ask, and ends when the file is closed.
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
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

/// Opens a lock file that nobody else may open.
fn open(dir: &OwnedFd, name: &OsStr, create: OFlags) -> Result<File, FileError> {
    // NONBLOCK: a pipe of that name must not be waited for.
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | create;
    let file = match rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR) {
        Err(Errno::ACCESS) if is_anothers(dir, name) => return Err(FileError::ForeignLock),
        Err(Errno::NXIO) => return Err(FileError::NotRegular), // a socket
        other => File::from(other.map_err(classify)?),
    };
    let stat = rustix::fs::fstat(&file).map_err(classify)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular);
    }
    let me = rustix::process::geteuid();
    // Root may use the locks of a user whose directory it is: that user can replace it anyway.
    let directorys = || rustix::fs::fstat(dir).is_ok_and(|dir| dir.st_uid == stat.st_uid);
    if stat.st_uid != me.as_raw() && !(me.is_root() && directorys()) {
        return Err(FileError::ForeignLock);
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(FileError::ExposedLock);
    }
    Ok(file)
}

fn is_anothers(dir: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_uid != rustix::process::geteuid().as_raw())
}

fn is_named(file: &File, dir: &OwnedFd, name: &OsStr) -> Result<bool, FileError> {
    let ours = rustix::fs::fstat(file).map_err(classify)?;
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(classify(e)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_next_after_a_drop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!FileLock::is_held(&path).unwrap() && !path.exists());
        let held = FileLock::try_take(&path).unwrap().unwrap();
        assert!(FileLock::try_take(&path).unwrap().is_none());
        assert!(FileLock::is_held(&path).unwrap());
        assert_eq!(
            FileLock::take(&path, 2, Duration::from_millis(1)).unwrap_err(),
            FileError::Locked
        );
        drop(held);
        assert!(!FileLock::is_held(&path).unwrap());
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

    #[test]
    fn a_file_that_others_may_open_is_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let refused = |expected: FileError| {
            assert_eq!(FileLock::try_take(&path).unwrap_err(), expected);
            assert_eq!(FileLock::is_held(&path).unwrap_err(), expected);
        };
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        refused(FileError::NotRegular);
        std::fs::remove_file(&path).unwrap();

        drop(FileLock::try_take(&path).unwrap().unwrap());
        let mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for exposed in [0o640, 0o604, 0o620, 0o602, 0o666] {
            mode(exposed);
            refused(FileError::ExposedLock);
        }
        mode(0o600);
        assert!(FileLock::try_take(&path).unwrap().is_some());
        if rustix::process::geteuid().is_root() {
            let chown = |path: &Path| std::os::unix::fs::chown(path, Some(65534), Some(65534));
            chown(&path).unwrap();
            refused(FileError::ForeignLock);
            // Root at work in the directory of the user whose lock it is.
            chown(dir.path()).unwrap();
            assert!(FileLock::try_take(&path).unwrap().is_some());
        }
    }
}
