//! Paths opened one component at a time, with an answer to "who else can change what is here?".
//!
//! [`open`] starts at `/` and opens each component relative to the directory before it. It follows
//! links by hand, so that it sees every directory that decides what the path leads to. A name that
//! another process swaps meanwhile cannot send it elsewhere: use the descriptor, not the path.
//!
//! # The rule
//! A component is trusted when root or the effective user owns it and nobody else may change it:
//! - Nobody but its owner may write to it. Exceptions: the group 0 (root's, and that of a container
//!   with an arbitrary user), and a group of this process, if it has the number of its user. Where an
//!   access list (ACL) may let others write, there is no exception.
//! - A sticky directory (`/tmp`, a Kubernetes volume) may be writable by everybody: only its owner
//!   can replace an entry of another user there, and the entry is judged by itself.
//! - A symbolic link has no mode; only its owner counts.
//! - On a platform's mount only the owner counts: in a container nobody can use a permission to write
//!   on a read-only mount (the root of a Kubernetes ConfigMap has the mode 0777). On a host a read-only
//!   mount proves nothing: systemd's `ProtectSystem=` gives this process alone a read-only view of
//!   directories that others write. So both count: the process has a PID namespace that is not the
//!   host's, and the mount has another device than `/`.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;

use crate::error::{FileError, classify, classify_std};

/// The kernel's own limit.
const LINKS_MAX: u32 = 40;
/// The inode of the first PID namespace, a constant of the kernel (`PID_NS_INIT_INO`).
const HOST_PROCESSES: u64 = 0xefff_fffc;

/// A file or directory that is open, and what the way to it was like.
#[derive(Debug)]
pub struct Opened {
    /// What is open.
    pub fd: OwnedFd,
    /// Its type, owner and mode when it was opened.
    pub stat: Stat,
    /// The path without links.
    pub path: PathBuf,
    /// Whether the way passed a symbolic link.
    pub linked: bool,
    /// The first directory or link on the way that somebody else can change.
    pub way: Option<Changeable>,
    /// The first one on a platform's mount that another user owns.
    pub mounted: Option<Changeable>,
}

impl Opened {
    /// The first component that somebody else can change: of the way, or what is open itself.
    pub fn changeable(&self) -> Option<Changeable> {
        let itself = || {
            let why = judge(&self.fd, &self.stat, &Me::now())?;
            let counts = matches!(why, Why::Owner(_)) || !is_platforms(&self.fd, &self.stat);
            counts.then(|| self.blame(why))
        };
        let way = self.way.as_ref().or(self.mounted.as_ref());
        way.cloned().or_else(itself)
    }

    /// Whether others may add names to this directory, which they may where it is sticky, too.
    pub fn extensible(&self) -> Option<Changeable> {
        let shared = || has_acl(&self.fd);
        writers(self.stat.st_mode, self.stat.st_gid, &Me::now(), shared).map(|why| self.blame(why))
    }

    fn blame(&self, why: Why) -> Changeable {
        Changeable {
            path: self.path.clone(),
            kind: FileType::from_raw_mode(self.stat.st_mode),
            why,
        }
    }
}

/// A component of a path that somebody else can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changeable {
    /// Which component, without links.
    pub path: PathBuf,
    /// A file, a directory or a link.
    pub kind: FileType,
    /// Who can change it.
    pub why: Why,
}

/// Who else can change a file, directory or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It belongs to the user with this number.
    Owner(u32),
    /// Its group may write to it.
    Group,
    /// Everybody may write to it.
    Everybody,
}

impl Changeable {
    /// What an administrator can do about it. Never a command that takes a directory from its user.
    pub fn remedy(&self) -> String {
        let path = self.path.display();
        match (self.why, self.kind) {
            (Why::Owner(_), FileType::RegularFile) => {
                format!("run keyrota as that user, or read the file and then: chown root {path}")
            }
            (Why::Owner(_), _) => {
                "run keyrota as that user, or move these files to a directory of root's".to_owned()
            }
            (Why::Group, _) => format!("chmod g-w {path}"),
            (Why::Everybody, _) => format!("chmod o-w {path}"),
        }
    }
}

impl fmt::Display for Changeable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.why {
            Why::Owner(uid) => write!(f, "{path} belongs to the user {uid}"),
            Why::Group => write!(f, "the group of {path} may write to it"),
            Why::Everybody => write!(f, "everybody may write to {path}"),
        }
    }
}

/// Opens `path` with `flags` (access mode, `PATH` or `DIRECTORY`), and follows links by hand. Never
/// waits for a pipe. A relative path starts at the working directory, whose own way is judged too.
pub fn open(path: &Path, flags: OFlags) -> Result<Opened, FileError> {
    let path = std::path::absolute(path).map_err(|_| FileError::NotFound)?;
    let mut way = Way::begin()?;
    // Components that are left, the next one last.
    let mut left = components(&path);
    let mut links = 0;
    while let Some(name) = left.pop() {
        let last = left.is_empty();
        let seen = way.look(OsStr::from_bytes(&name))?;
        if FileType::from_raw_mode(seen.stat.st_mode) == FileType::Symlink {
            links += 1;
            if links > LINKS_MAX {
                return Err(FileError::Symlink);
            }
            way.blame(&seen);
            let target = rustix::fs::readlinkat(&seen.fd, c"", Vec::new()).map_err(classify)?;
            let target = Path::new(OsStr::from_bytes(target.as_bytes()));
            if target.is_absolute() {
                way.restart()?;
            }
            left.append(&mut components(target));
        } else if last {
            return way.finish(OsStr::from_bytes(&name), flags, links > 0);
        } else {
            way.enter(seen)?;
        }
    }
    // The path was `/`, or a link to it.
    way.finish(OsStr::new("."), flags, links > 0)
}

/// This process's effective user, and all its groups.
struct Me {
    user: u32,
    groups: Vec<u32>,
}

impl Me {
    fn now() -> Self {
        let effective = rustix::process::getegid().as_raw();
        let more = rustix::process::getgroups().unwrap_or_default();
        Self {
            user: rustix::process::geteuid().as_raw(),
            groups: std::iter::once(effective)
                .chain(more.into_iter().map(|group| group.as_raw()))
                .collect(),
        }
    }
}

/// Who else can change what is open, wherever it is mounted.
fn judge(file: &OwnedFd, stat: &Stat, me: &Me) -> Option<Why> {
    let owner = (stat.st_uid, stat.st_gid);
    judge_for(stat.st_mode, owner, me, || has_acl(file))
}

/// The rule for a type and mode, a user and group, and whether there is an ACL.
fn judge_for(
    mode: u32,
    (uid, gid): (u32, u32),
    me: &Me,
    shared: impl FnOnce() -> bool,
) -> Option<Why> {
    if uid != 0 && uid != me.user {
        return Some(Why::Owner(uid));
    }
    let kind = FileType::from_raw_mode(mode);
    let sticky = kind == FileType::Directory && mode & 0o1000 != 0;
    match kind == FileType::Symlink || sticky {
        true => None,
        false => writers(mode, gid, me, shared),
    }
}

/// Who may write beside the owner.
fn writers(mode: u32, gid: u32, me: &Me, shared: impl FnOnce() -> bool) -> Option<Why> {
    if mode & 0o002 != 0 {
        return Some(Why::Everybody);
    }
    let alone = gid == 0 || (gid == me.user && me.groups.contains(&gid));
    // With an ACL the bits of the group are those of everybody whom it names.
    (mode & 0o020 != 0 && (!alone || shared())).then_some(Why::Group)
}

/// Whether only root and this user can put names into a directory.
pub(crate) fn is_own(directory: &OwnedFd) -> Result<bool, FileError> {
    let stat = rustix::fs::fstat(directory).map_err(classify)?;
    let me = Me::now();
    let writers = || writers(stat.st_mode, stat.st_gid, &me, || has_acl(directory));
    Ok(judge(directory, &stat, &me).or_else(writers).is_none())
}

/// Whether the file has an ACL, or does not say.
fn has_acl(file: &OwnedFd) -> bool {
    // The descriptor may be one without access, of which only its name in /proc can be asked.
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    let found = rustix::fs::getxattr(name, c"system.posix_acl_access", &mut [0_u8; 0][..]);
    !matches!(found, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

/// Whether it is on a mount that a container's platform made, and that nobody here can write.
pub(crate) fn is_platforms(file: impl AsFd, stat: &Stat) -> bool {
    let read_only =
        rustix::fs::fstatvfs(file).is_ok_and(|m| m.f_flag.contains(StatVfsMountFlags::RDONLY));
    let apart = || rustix::fs::stat("/").is_ok_and(|root| root.st_dev != stat.st_dev);
    let contained =
        || rustix::fs::stat("/proc/self/ns/pid").is_ok_and(|space| space.st_ino != HOST_PROCESSES);
    read_only && apart() && contained()
}

/// The directory that was reached, and what is known of the way.
struct Way {
    at: OwnedFd,
    path: PathBuf,
    me: Me,
    blamed: Option<Changeable>,
    mounted: Option<Changeable>,
}

/// One component, open without access.
struct Seen {
    fd: OwnedFd,
    stat: Stat,
    path: PathBuf,
}

impl Way {
    fn begin() -> Result<Self, FileError> {
        let root = root()?;
        let mut way = Self {
            at: root.fd.try_clone().map_err(classify_std)?,
            path: root.path.clone(),
            me: Me::now(),
            blamed: None,
            mounted: None,
        };
        way.blame(&root);
        Ok(way)
    }

    fn restart(&mut self) -> Result<(), FileError> {
        let root = root()?;
        self.at = root.fd;
        self.path = root.path;
        Ok(())
    }

    fn look(&self, name: &OsStr) -> Result<Seen, FileError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&self.at, name, flags, Mode::empty());
        // Only one who asks for a directory is given what is to be mounted there (autofs).
        let fd = match open(flags | OFlags::DIRECTORY) {
            Err(Errno::NOTDIR | Errno::LOOP) => open(flags),
            other => other,
        };
        let fd = fd.map_err(classify)?;
        let stat = rustix::fs::fstat(&fd).map_err(classify)?;
        let path = self.named(name);
        Ok(Seen { fd, stat, path })
    }

    fn named(&self, name: &OsStr) -> PathBuf {
        match name.as_bytes() {
            b"." => self.path.clone(),
            b".." => self.path.parent().unwrap_or(&self.path).to_owned(),
            _ => self.path.join(name),
        }
    }

    fn enter(&mut self, seen: Seen) -> Result<(), FileError> {
        if FileType::from_raw_mode(seen.stat.st_mode) != FileType::Directory {
            return Err(FileError::NotFound);
        }
        self.blame(&seen);
        self.at = seen.fd;
        self.path = seen.path;
        Ok(())
    }

    fn finish(self, name: &OsStr, flags: OFlags, linked: bool) -> Result<Opened, FileError> {
        let always = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.at, name, flags | always, Mode::empty()) {
            Err(Errno::NXIO) => return Err(FileError::NotRegular), // a socket
            other => other.map_err(classify)?,
        };
        let stat = rustix::fs::fstat(&fd).map_err(classify)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Err(FileError::Changed);
        }
        Ok(Opened {
            fd,
            stat,
            path: self.named(name),
            linked,
            way: self.blamed,
            mounted: self.mounted,
        })
    }

    fn blame(&mut self, seen: &Seen) {
        let Some(why) = judge(&seen.fd, &seen.stat, &self.me) else {
            return;
        };
        let first = match (is_platforms(&seen.fd, &seen.stat), why) {
            (false, _) => &mut self.blamed,
            (true, Why::Owner(_)) => &mut self.mounted,
            (true, Why::Group | Why::Everybody) => return,
        };
        first.get_or_insert_with(|| Changeable {
            path: seen.path.clone(),
            kind: FileType::from_raw_mode(seen.stat.st_mode),
            why,
        });
    }
}

fn root() -> Result<Seen, FileError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open("/", flags, Mode::empty()).map_err(classify)?;
    let stat = rustix::fs::fstat(&fd).map_err(classify)?;
    let path = PathBuf::from("/");
    Ok(Seen { fd, stat, path })
}

/// The names of a path, the last one first. A final `/` or `/.` asks for a directory, and stays.
fn components(path: &Path) -> Vec<Vec<u8>> {
    let bytes = path.as_os_str().as_bytes();
    let mut names: Vec<Vec<u8>> = bytes
        .split(|b| *b == b'/')
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    if bytes.ends_with(b"/") {
        names.push(b".".to_vec());
    }
    names.reverse();
    names
}

#[cfg(test)]
mod tests;
