//! Paths opened one component at a time, with an answer to "who else can change what is here?".
//!
//! [`open`] starts at `/` and opens each component relative to the directory before it. It follows
//! links by hand, so that it sees every directory that decides what the path leads to. A name that
//! another process swaps meanwhile cannot send it elsewhere: use the descriptor, not the path.
//!
//! # The rule
//! A component is trusted when root or the effective user owns it and nobody else may change it:
//! - Nobody but its owner may write to it. Exceptions: the group 0 (root's, and that of a container
//!   with an arbitrary user), and this process's own group, if it has the number of its user.
//! - A sticky directory (`/tmp`, a Kubernetes volume) may be writable by everybody: only its owner
//!   can replace an entry of another user there, and the entry is judged by itself.
//! - A symbolic link has no mode; only its owner counts.

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::{FileError, classify};

/// The kernel's own limit.
const LINKS_MAX: u32 = 40;

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
}

impl Opened {
    /// The first component that somebody else can change: of the way, or what is open itself.
    pub fn changeable(&self) -> Option<Changeable> {
        let itself = || {
            judge(&self.stat).map(|why| Changeable {
                path: self.path.clone(),
                why,
            })
        };
        self.way.clone().or_else(itself)
    }
}

/// A component of a path that somebody else can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changeable {
    /// Which component, without links.
    pub path: PathBuf,
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

/// Who else can change what has this type, owner and mode.
pub fn judge(stat: &Stat) -> Option<Why> {
    let (me, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let me = (me.as_raw(), group.as_raw());
    judge_for(stat.st_mode, (stat.st_uid, stat.st_gid), me)
}

/// The rule. Owners and processes are a user and a group.
fn judge_for(mode: u32, (uid, gid): (u32, u32), (me, group): (u32, u32)) -> Option<Why> {
    if uid != 0 && uid != me {
        return Some(Why::Owner(uid));
    }
    let kind = FileType::from_raw_mode(mode);
    let sticky = kind == FileType::Directory && mode & 0o1000 != 0;
    if kind == FileType::Symlink || sticky {
        return None;
    }
    if mode & 0o002 != 0 {
        return Some(Why::Everybody);
    }
    let alone = gid == 0 || (gid == group && gid == me);
    (mode & 0o020 != 0 && !alone).then_some(Why::Group)
}

/// The directory that was reached, and what is known of the way.
struct Way {
    at: OwnedFd,
    path: PathBuf,
    blamed: Option<Changeable>,
}

/// One component, open without access.
struct Seen {
    fd: OwnedFd,
    stat: Stat,
    path: PathBuf,
}

impl Way {
    fn begin() -> Result<Self, FileError> {
        let (at, stat) = root()?;
        let mut way = Self {
            at,
            path: PathBuf::from("/"),
            blamed: None,
        };
        way.blame_at(&stat);
        Ok(way)
    }

    fn restart(&mut self) -> Result<(), FileError> {
        self.at = root()?.0;
        self.path = PathBuf::from("/");
        Ok(())
    }

    fn look(&self, name: &OsStr) -> Result<Seen, FileError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.at, name, flags, Mode::empty()).map_err(classify)?;
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
        })
    }

    fn blame(&mut self, seen: &Seen) {
        if self.blamed.is_none() {
            self.blamed = judge(&seen.stat).map(|why| Changeable {
                path: seen.path.clone(),
                why,
            });
        }
    }

    fn blame_at(&mut self, stat: &Stat) {
        self.blamed = judge(stat).map(|why| Changeable {
            path: self.path.clone(),
            why,
        });
    }
}

fn root() -> Result<(OwnedFd, Stat), FileError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open("/", flags, Mode::empty()).map_err(classify)?;
    let stat = rustix::fs::fstat(&fd).map_err(classify)?;
    Ok((fd, stat))
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
