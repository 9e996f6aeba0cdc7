//! A file that is overwritten where it is, for names that cannot be replaced (a bind-mounted file).
//!
//! This is not atomic. A reader may see a part of the new content, or the new content and the end of
//! the old one. The new bytes are written before the file is cut, never after, and in one call. A
//! process that is killed within that call, or a power cut, leaves parts of both: the next write puts
//! keyrota's own values right, and other lines may be damaged for good.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, FileType, Gid, Mode, OFlags, RawMode, Stat, Uid};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::atomic::{self, Options, inspect_target, judge_owner, open_parent, read_at};
use crate::error::{FileError, classify, classify_std};
use crate::trusted;

/// Puts `bytes` at `path` by overwriting the file that is there, and returns when they are on the disk.
/// A file that is absent is made as by [`atomic::replace`]. `padding` covers what is left of longer
/// content until the file is cut: a byte that means nothing at the end of this format.
pub fn overwrite(
    path: &Path,
    bytes: &[u8],
    options: Options,
    padding: Option<u8>,
) -> Result<(), FileError> {
    let Some((file, old)) = open(path, options)? else {
        return atomic::replace(path, bytes, options);
    };
    // Nobody else can have chosen the group of what lies there.
    let owner = options.owner.unwrap_or((old.st_uid, old.st_gid));
    if owner != (old.st_uid, old.st_gid) {
        let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
        rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(classify)?;
    }
    if old.st_mode & 0o7777 != options.mode {
        let mode = Mode::from_bits_truncate(options.mode as RawMode);
        rustix::fs::fchmod(&file, mode).map_err(classify)?;
    }
    // No space shows before anything is overwritten, where the file system can say so.
    let size = bytes.len().max(1) as u64;
    let reserved = rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size);
    if let Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) = reserved {
        return Err(classify(e));
    }
    write(&file, bytes, old.st_size, padding)?;
    file.set_len(bytes.len() as u64).map_err(classify_std)?;
    file.sync_all().map_err(classify_std)?;
    let (dir, name) = open_parent(path)?;
    match read_at(&dir, &name, bytes.len()) {
        Ok((written, _)) if written.as_slice() == bytes => Ok(()),
        Err(FileError::Denied) => Ok(()),
        _ => Err(FileError::Changed),
    }
}

/// Says whether [`overwrite`] would be tried, and writes nothing to a file that is there.
pub fn can_overwrite(path: &Path, options: Options) -> Result<(), FileError> {
    match open(path, options)? {
        Some(_) => Ok(()),
        None => atomic::can_replace(path, options),
    }
}

fn open(path: &Path, options: Options) -> Result<Option<(File, Stat)>, FileError> {
    let (dir, name) = open_parent(path)?;
    if inspect_target(&dir, &name)?.is_none() {
        return Ok(None);
    }
    // Who may rename another of keyrota's files to this name may have that one open already.
    if !trusted::is_own(&dir)? {
        return Err(FileError::SharedParent);
    }
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&dir, &name, flags, Mode::empty()).map_err(classify)?;
    let stat = rustix::fs::fstat(&fd).map_err(classify)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular);
    }
    if stat.st_nlink != 1 {
        return Err(FileError::HardLink);
    }
    judge_owner(&stat, options.owner)?;
    Ok(Some((File::from(fd), stat)))
}

/// The new content, and padding over the rest of the old one, in one call.
fn write(file: &File, bytes: &[u8], old_size: i64, padding: Option<u8>) -> Result<(), FileError> {
    let old_size = usize::try_from(old_size).map_err(|_| FileError::TooLarge)?;
    let size = padding.map_or(bytes.len(), |_| bytes.len().max(old_size));
    let mut padded = Zeroizing::new(vec![padding.unwrap_or_default(); size]);
    padded[..bytes.len()].copy_from_slice(bytes);
    file.write_all_at(&padded, 0).map_err(classify_std)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    /// The same file, whatever length follows which; the mode as stated; nothing beside it.
    #[test]
    fn the_file_stays_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("target");
        overwrite(&path, b"first", Options::PRIVATE, None).unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        for (bytes, mode, padding) in [
            (&b"longer than before"[..], 0o640, None),
            (b"short", 0o600, Some(b'\n')),
            (b"", 0o600, None),
            (b"again", 0o600, Some(b'\n')),
        ] {
            can_overwrite(&path, Options::PRIVATE).unwrap();
            let options = Options { mode, owner: None };
            overwrite(&path, bytes, options, padding).unwrap();
            let stat = std::fs::metadata(&path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
            assert_eq!((stat.ino(), stat.mode() & 0o7777), (inode, mode));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    /// What a process that dies between the two calls leaves, and the write after it.
    #[test]
    fn a_death_before_the_cut_leaves_the_new_content_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("target");
        for (padding, left) in [(Some(b'\n'), &b"A=2\n\n\n\n\n"[..]), (None, b"A=2\nB=1\n")] {
            std::fs::write(&path, "A=1\nB=1\n").unwrap();
            let (file, stat) = open(&path, Options::PRIVATE).unwrap().unwrap();
            write(&file, b"A=2\n", stat.st_size, padding).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), left);
            overwrite(&path, b"A=2\n", Options::PRIVATE, padding).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"A=2\n");
        }
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("target");
        let refused = |expected| {
            let written = overwrite(&path, b"new", Options::PRIVATE, None);
            assert_eq!(written, Err(expected));
            assert_eq!(can_overwrite(&path, Options::PRIVATE), Err(expected));
        };
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        refused(FileError::Symlink);
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RWXU).unwrap();
        refused(FileError::NotRegular);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        refused(FileError::WorldWritableParent);
    }

    /// A member of the group may move another of keyrota's files to the name, and has it open.
    #[test]
    fn nothing_is_written_in_place_where_others_may_move_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("target");
        std::fs::write(&path, "old").unwrap();
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        let shared = |expected| {
            let can = can_overwrite(&path, Options::PRIVATE);
            assert_eq!(can, expected);
            let written = overwrite(&path, b"new", Options::PRIVATE, None);
            assert_eq!(written, expected);
        };
        std::fs::set_permissions(dir.path(), mode(0o1777)).unwrap();
        shared(Err(FileError::SharedParent));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), None, Some(65_534)).unwrap();
            std::fs::set_permissions(dir.path(), mode(0o770)).unwrap();
            shared(Err(FileError::SharedParent));
            std::fs::set_permissions(dir.path(), mode(0o700)).unwrap();
            std::os::unix::fs::chown(dir.path(), Some(65_534), None).unwrap();
            shared(Err(FileError::SharedParent));
            std::os::unix::fs::chown(dir.path(), Some(0), None).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        std::fs::set_permissions(dir.path(), mode(0o755)).unwrap();
        shared(Ok(()));
        let other = dir.path().join("other");
        std::fs::hard_link(&path, other).unwrap();
        shared(Err(FileError::HardLink));
    }
}
