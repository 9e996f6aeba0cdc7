//! Files that hold secrets: replaced whole or not at all, read only when nobody else can.
//!
//! [`replace`] writes a temporary file beside the target, syncs it, renames it over the target,
//! syncs the directory and reads the result back. Whoever opens the target, at any instant and
//! after any crash, sees all of the old bytes or all of the new ones. The rename never follows a
//! link, and everything happens relative to one opened directory, so that a path that is changed
//! meanwhile cannot send the bytes elsewhere.
//!
//! Here and in [`crate::lock`] live the only calls that create, rename or lock a file.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Gid, Mode, OFlags, RawMode, Stat, Uid};
use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::error::{FileError, classify, classify_std};
use crate::trusted;
use rename::can_rename_over;

mod rename;

/// How a replaced file is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Permission bits, exactly, whatever the umask says.
    pub mode: u32,
    /// User and group id; `None`: those of the file that is replaced, which is ours or root's, or
    /// our own if there is none. A group that another user can have chosen is refused if it may read.
    pub owner: Option<(u32, u32)>,
}

impl Options {
    /// 0600, and the owner stays.
    pub const PRIVATE: Self = Self {
        mode: 0o600,
        owner: None,
    };
}

/// Puts `bytes` at `path`, whole or not at all, and returns when they are on the disk.
/// Repeating it is harmless.
///
/// The target may be absent; its directory must exist. A symbolic link, a file with several names,
/// anything that is no regular file, a file of a user other than root, ours and the stated owner, a
/// directory that everybody may write to (unless sticky), and one behind a link that another user
/// can change are refused.
pub fn replace(path: &Path, bytes: &[u8], options: Options) -> Result<(), FileError> {
    Staged::write(path, bytes, options)?.commit(bytes)
}

/// Proves that [`replace`] would work, as far as can be proven while the target stays as it is.
///
/// A temporary file as large as the target is written and removed: so there is space, and its mode and
/// owner can be given. A temporary *directory* is renamed over the target: the system checks
/// everything it checks for a file (flags such as immutable, sticky directories, file systems) and then
/// has to refuse. What it checks later is asked for: whether something is mounted at the name.
pub fn can_replace(path: &Path, options: Options) -> Result<(), FileError> {
    let (dir, name) = open_parent(path)?;
    let old = inspect_target(&dir, &name)?;
    if let Some(old) = &old {
        judge_owner(old, options.owner)?;
    }
    // A sparse file says that it is as large as it likes.
    let size = old.map_or(0, |stat| usize::try_from(stat.st_size).unwrap_or(0));
    let size = size.min(TRIAL_BYTES_MAX);
    drop(Staged::write(path, &vec![b' '; size], options)?);
    match old {
        None => Ok(()),
        Some(_) => can_rename_over(&dir, &name),
    }
}

/// The whole file, of at most `bytes_max` bytes. Never follows a link, never waits for a pipe.
pub fn read(path: &Path, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    Ok(read_with_stat(path, bytes_max)?.0)
}

/// How a file looks that is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// Permission bits.
    pub mode: u32,
    /// User and group id.
    pub owner: (u32, u32),
}

/// [`read`], for a file that [`replace`] writes next with this owner: one of another user is refused.
pub fn read_target(
    path: &Path,
    bytes_max: usize,
    owner: Option<(u32, u32)>,
) -> Result<(Zeroizing<Vec<u8>>, Looks), FileError> {
    let (bytes, stat) = read_with_stat(path, bytes_max)?;
    judge_owner(&stat, owner)?;
    let looks = Looks {
        mode: stat.st_mode & 0o7777,
        owner: (stat.st_uid, stat.st_gid),
    };
    Ok((bytes, looks))
}

/// Removes a file that [`replace`] could write, and returns when that is on the disk.
pub fn remove(path: &Path, owner: Option<(u32, u32)>) -> Result<(), FileError> {
    let (dir, name) = open_parent(path)?;
    if let Some(old) = inspect_target(&dir, &name)? {
        judge_owner(&old, owner)?;
        rustix::fs::unlinkat(&dir, &name, AtFlags::empty()).map_err(classify)?;
    }
    rustix::fs::fsync(&dir).map_err(|_| FileError::NotDurable)
}

/// Removes temporary files that processes which died left in `dir`, and says how many. A file that
/// a living process is writing is locked, and stays.
pub fn sweep(dir: &Path) -> Result<usize, FileError> {
    let dir = open_dir(dir)?;
    let me = rustix::process::geteuid();
    let mut swept = 0;
    for entry in Dir::read_from(&dir).map_err(classify)? {
        let entry = entry.map_err(classify)?;
        if !is_temporary_name(entry.file_name().to_bytes()) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&dir, entry.file_name(), flags, Mode::empty()) else {
            continue; // vanished meanwhile, or not ours to open
        };
        let stat = rustix::fs::fstat(&file).map_err(classify)?;
        // Root's orphans may already carry the owner they were to get.
        let ours = stat.st_uid == me.as_raw() || me.is_root();
        let how = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => AtFlags::empty(),
            FileType::Directory => AtFlags::REMOVEDIR, // of `can_replace`, and empty
            _ => continue,
        };
        if ours
            && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && rustix::fs::unlinkat(&dir, entry.file_name(), how).is_ok()
        {
            swept += 1;
        }
    }
    Ok(swept)
}

/// New bytes on the disk under a temporary name. Dropped without a commit, the name is removed.
pub(crate) struct Staged {
    dir: OwnedFd,
    name: OsString,
    /// `None` once it has become the target.
    temporary: Option<OsString>,
    /// Keeps the lock that tells [`sweep`] we are alive.
    _file: File,
}

impl Staged {
    /// Everything that can fail without the target being touched.
    pub(crate) fn write(path: &Path, bytes: &[u8], options: Options) -> Result<Self, FileError> {
        let (dir, name) = open_parent(path)?;
        let old = inspect_target(&dir, &name)?;
        if let Some(old) = &old {
            judge_owner(old, options.owner)?;
        }
        let (file, temporary) = create_temporary(&dir, &name)?;
        let mut staged = Self {
            dir,
            name,
            temporary: Some(temporary),
            _file: file,
        };
        let file = &mut staged._file;

        // Before the bytes: if we may not give the file away, nothing secret reaches the disk.
        let me = rustix::fs::fstat(&*file).map_err(classify)?;
        let (uid, gid) = match &old {
            Some(old) => next_owner(&staged.dir, old, me.st_gid, options)?,
            None => options.owner.unwrap_or((me.st_uid, me.st_gid)),
        };
        if (uid, gid) != (me.st_uid, me.st_gid) {
            rustix::fs::fchown(&*file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .map_err(classify)?;
        }
        rustix::fs::fchmod(&*file, Mode::from_bits_truncate(options.mode as RawMode))
            .map_err(classify)?;

        file.write_all(bytes).map_err(classify_std)?;
        file.sync_all().map_err(classify_std)?;
        Ok(staged)
    }

    /// The one instant in which the target changes; then proof that it did.
    pub(crate) fn commit(mut self, bytes: &[u8]) -> Result<(), FileError> {
        let temporary = self
            .temporary
            .take()
            .expect("a staged file is committed once");
        if let Err(e) = rustix::fs::renameat(&self.dir, &temporary, &self.dir, &self.name) {
            self.temporary = Some(temporary); // for the drop to remove
            return Err(classify(e));
        }
        rustix::fs::fsync(&self.dir).map_err(|_| FileError::NotDurable)?;
        match read_at(&self.dir, &self.name, bytes.len()) {
            Ok((written, _)) if written.as_slice() == bytes => Ok(()),
            Ok(_) => Err(FileError::Changed),
            // The mode or owner asked for can be one that we may not read back.
            Err(FileError::Denied) => Ok(()),
            Err(_) => Err(FileError::Changed),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing to tell anybody if it fails: the next sweep removes it.
            let _ = rustix::fs::unlinkat(&self.dir, temporary, AtFlags::empty());
        }
    }
}

/// Opens the directory that holds `path`'s last component.
pub(crate) fn open_parent(path: &Path) -> Result<(OwnedFd, OsString), FileError> {
    let name = path.file_name().ok_or(FileError::NoName)?.to_os_string();
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    let dir = open_dir(parent)?;
    let mode = rustix::fs::fstat(&dir).map_err(classify)?.st_mode;
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Err(FileError::WorldWritableParent);
    }
    Ok((dir, name))
}

fn open_dir(dir: &Path) -> Result<OwnedFd, FileError> {
    // A link is followed where nobody else decides where it leads: /var/run is the system's.
    let opened = trusted::open(dir, OFlags::RDONLY | OFlags::DIRECTORY)?;
    match (opened.linked, opened.way) {
        (true, Some(_)) => Err(FileError::ForeignLink),
        _ => Ok(opened.fd),
    }
}

/// Whoever owns the file that lies there would own, and read, the next one too.
pub(crate) fn judge_owner(old: &Stat, stated: Option<(u32, u32)>) -> Result<(), FileError> {
    match ours_or_roots(old) || stated.is_some_and(|(uid, _)| uid == old.st_uid) {
        true => Ok(()),
        false => Err(FileError::ForeignOwner),
    }
}

/// User and group of what comes after `old`. Whoever may rename files there can have put another file
/// of root's at the name, whose group is theirs.
fn next_owner(
    dir: &OwnedFd,
    old: &Stat,
    own_group: u32,
    options: Options,
) -> Result<(u32, u32), FileError> {
    if let Some(stated) = options.owner {
        return Ok(stated);
    }
    let (group, all) = (options.mode >> 3 & 7, options.mode & 7);
    match old.st_gid == own_group || trusted::is_own(dir)? {
        true => Ok((old.st_uid, old.st_gid)),
        false if group & !all != 0 => Err(FileError::ForeignGroup),
        false => Ok((old.st_uid, own_group)),
    }
}

/// What stands under the name now, if it is something that may be replaced.
pub(crate) fn inspect_target(dir: &OwnedFd, name: &OsStr) -> Result<Option<Stat>, FileError> {
    let stat = match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(None),
        other => other.map_err(classify)?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return Err(FileError::Symlink),
        _ => return Err(FileError::NotRegular),
    }
    if stat.st_nlink > 1 {
        return Err(FileError::HardLink);
    }
    Ok(Some(stat))
}

/// The largest file that keyrota replaces, and more.
const TRIAL_BYTES_MAX: usize = 64 << 20;

static COUNTER: AtomicU64 = AtomicU64::new(0);

fn create_temporary(dir: &OwnedFd, name: &OsStr) -> Result<(File, OsString), FileError> {
    // O_EXCL makes the name safe; it need not be unpredictable. Whoever squats a thousand names in
    // a shared directory stops us, and gains nothing else.
    for _ in 0..1000 {
        let temporary = temporary_name(name, COUNTER.fetch_add(1, Ordering::Relaxed));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(dir, &temporary, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => continue,
            other => File::from(other.map_err(classify)?),
        };
        let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        // A sweep can have found it in the instant between creation and lock.
        if locked && rustix::fs::fstat(&file).map_err(classify)?.st_nlink == 1 {
            return Ok((file, temporary));
        }
    }
    Err(FileError::Io)
}

/// `.NAME.keyrota.PROCESS-COUNTER.tmp`, cut so that it stays below 255 bytes.
fn temporary_name(name: &OsStr, counter: u64) -> OsString {
    let mut bytes = vec![b'.'];
    bytes.extend_from_slice(&name.as_bytes()[..name.len().min(180)]);
    bytes
        .extend_from_slice(format!(".keyrota.{:x}-{counter:x}.tmp", std::process::id()).as_bytes());
    OsString::from_vec(bytes)
}

fn is_temporary_name(name: &[u8]) -> bool {
    let Some(stem) = name
        .strip_prefix(b".")
        .and_then(|n| n.strip_suffix(b".tmp"))
    else {
        return false;
    };
    let Some(dot) = stem.iter().rposition(|b| *b == b'.') else {
        return false;
    };
    let mut parts = stem[dot + 1..].split(|b| *b == b'-');
    let mut hex = || {
        parts
            .next()
            .is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_hexdigit))
    };
    stem[..dot].ends_with(b".keyrota") && hex() && hex() && parts.next().is_none()
}

fn ours_or_roots(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

fn read_with_stat(path: &Path, bytes_max: usize) -> Result<(Zeroizing<Vec<u8>>, Stat), FileError> {
    let name = path.file_name().ok_or(FileError::NoName)?;
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    read_at(&open_dir(parent)?, name, bytes_max)
}

pub(crate) fn read_at(
    dir: &OwnedFd,
    name: &OsStr,
    bytes_max: usize,
) -> Result<(Zeroizing<Vec<u8>>, Stat), FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(FileError::Symlink),
        Err(Errno::NXIO) => return Err(FileError::NotRegular), // a socket
        other => File::from(other.map_err(classify)?),
    };
    let stat = rustix::fs::fstat(&file).map_err(classify)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular);
    }
    let bytes = read_open(&mut file, &stat, bytes_max)?;
    Ok((bytes, stat))
}

/// What an open file of this size holds.
pub(crate) fn read_open(
    file: &mut File,
    stat: &Stat,
    bytes_max: usize,
) -> Result<Zeroizing<Vec<u8>>, FileError> {
    // A buffer that grew would leave copies of what it held behind, so it is as large as it gets:
    // one byte more than the size, to notice a file that grows meanwhile.
    let size = usize::try_from(stat.st_size).map_err(|_| FileError::TooLarge)?;
    if size > bytes_max {
        return Err(FileError::TooLarge);
    }
    let mut bytes = Zeroizing::new(vec![0; size + 1]);
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(classify_std(e)),
        }
    }
    if filled > size {
        return Err(FileError::Changed);
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
