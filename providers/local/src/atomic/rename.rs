//! Whether a file can be renamed over a name: not over one that is mounted by itself.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::{COUNTER, temporary_name};
use crate::error::{FileError, classify};

/// Renames an empty directory to `name`, which the system refuses last of all: nothing changes.
pub(super) fn can_rename_over(dir: &OwnedFd, name: &OsStr) -> Result<(), FileError> {
    if is_mounted(dir, name) {
        return Err(FileError::Mounted);
    }
    for _ in 0..10 {
        let temporary = temporary_name(name, COUNTER.fetch_add(1, Ordering::Relaxed));
        rustix::fs::mkdirat(dir, &temporary, Mode::RWXU).map_err(classify)?;
        // The lock tells `sweep` that we are alive.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let held = rustix::fs::openat(dir, &temporary, flags, Mode::empty());
        let _held = held.inspect(|held| {
            let _ = rustix::fs::flock(held, FlockOperation::NonBlockingLockExclusive);
        });
        let renamed = rustix::fs::renameat(dir, &temporary, dir, name);
        let _ = rustix::fs::unlinkat(dir, &temporary, AtFlags::REMOVEDIR);
        match renamed {
            Err(Errno::NOTDIR) => return Ok(()),
            Err(Errno::NOENT) => {} // a sweep found it before the lock
            Err(e) => return Err(classify(e)),
            Ok(()) => {
                // The target was removed meanwhile, and an empty directory is in its place.
                let _ = rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR);
                return Err(FileError::Changed);
            }
        }
    }
    Err(FileError::Io)
}

fn is_mounted(dir: &OwnedFd, name: &OsStr) -> bool {
    let (nothing, links) = (StatxFlags::empty(), AtFlags::SYMLINK_NOFOLLOW);
    match rustix::fs::statx(dir, name, links, nothing) {
        Ok(stat)
            if stat
                .stx_attributes_mask
                .contains(StatxAttributes::MOUNT_ROOT) =>
        {
            stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        }
        _ => is_on_another_mount(dir, name),
    }
}

/// For kernels before 5.8, which do not say it of a file.
fn is_on_another_mount(dir: &OwnedFd, name: &OsStr) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty()).ok();
    let mount = |fd: &OwnedFd| {
        let told = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
        let told = std::fs::read_to_string(told).ok()?;
        let id = told.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
        Some(id.trim().to_owned())
    };
    file.is_some_and(|file| mount(&file) != mount(dir))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::fs;
    use std::path::Path;

    use super::super::open_dir;
    use super::*;

    /// What kernels before 5.8 are asked for.
    #[test]
    fn a_name_on_another_mount_is_known_without_the_attribute() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let here = open_dir(dir.path()).unwrap();
        assert!(!is_on_another_mount(&here, path.file_name().unwrap()));
        assert!(is_on_another_mount(
            &open_dir(Path::new("/")).unwrap(),
            OsStr::new("proc")
        ));
    }
}
