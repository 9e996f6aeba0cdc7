//! Keys, tokens and passwords that are read from files.
//!
//! # The rule
//! - **Owner**: root or the effective user. On a read-only mount the owner may be another user, with
//!   a warning: a container's platform mounts a file of the host's user there.
//! - **Writing**: nobody but the owner.
//! - **Reading**: nobody but the owner, where `chmod` can achieve it. keyrota only warns where the
//!   administrator cannot: the file is on a read-only mount (Kubernetes, Docker), or root owns it and
//!   keyrota is not root (then root chose who reads it, as with `root:fsGroup` 0440).
//! - **Links** are followed if every directory and link on the way is trusted (see [`crate::trusted`]).
//!   So a Kubernetes volume works (`name -> ..data/name -> ..2026_…/name`), and a link that another
//!   user made or can replace does not.
//! - A file below `$CREDENTIALS_DIRECTORY` may be readable by its group: systemd grants the service's
//!   user access by an ACL, and the ACL's mask shows as permissions of the group.

use std::fmt;
use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, OFlags, StatVfsMountFlags};
use zeroize::Zeroizing;

use crate::atomic::read_open;
use crate::error::{FileError, classify};
use crate::trusted::{self, Changeable};

/// The bytes of a private file, and what is not as private as it could be.
pub struct Private {
    /// What the file holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// What keyrota accepts and reports.
    pub warning: Option<Exposure>,
}

/// A file that others may read, or own, where the administrator cannot change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Its group may read it.
    Group,
    /// Everybody may read it.
    Everybody,
    /// It belongs to another user.
    Owner,
}

impl Exposure {
    /// A sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Group => {
                "the group of this file may read it; on a host that others use, let only keyrota's user read it"
            }
            Self::Everybody => {
                "everybody here may read this file; on a host that others use, let only keyrota's user read it"
            }
            Self::Owner => "this file belongs to another user, who may know and change it",
        }
    }
}

/// Why a private file was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivateError {
    /// The file itself.
    File(FileError),
    /// The way to it passes a link, and somebody else can change that way.
    Link(Changeable),
}

impl From<FileError> for PrivateError {
    fn from(e: FileError) -> Self {
        Self::File(e)
    }
}

impl fmt::Display for PrivateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(e) => e.fmt(f),
            Self::Link(changeable) => write!(
                f,
                "a symbolic link leads here, and {changeable}; name the file itself, or let only root or keyrota's user write there"
            ),
        }
    }
}

impl std::error::Error for PrivateError {}

/// Reads a key, token or password of at most `bytes_max` bytes that an administrator put there.
pub fn read(path: &Path, bytes_max: usize) -> Result<Private, PrivateError> {
    read_as(path, bytes_max, 0o077)
}

/// [`read`], for a file below `$CREDENTIALS_DIRECTORY`.
pub fn read_credential(path: &Path, bytes_max: usize) -> Result<Private, PrivateError> {
    read_as(path, bytes_max, 0o007)
}

fn read_as(path: &Path, bytes_max: usize, judged: u32) -> Result<Private, PrivateError> {
    path.file_name().ok_or(FileError::NoName)?;
    let opened = trusted::open(path, OFlags::RDONLY)?;
    // Everything is asked of the open file, so that nothing can be swapped in between.
    if FileType::from_raw_mode(opened.stat.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular.into());
    }
    if let (true, Some(changeable)) = (opened.linked, opened.way) {
        return Err(PrivateError::Link(changeable));
    }
    let mount = rustix::fs::fstatvfs(&opened.fd).map_err(classify)?.f_flag;
    let read_only = mount.contains(StatVfsMountFlags::RDONLY);
    let me = rustix::process::geteuid().as_raw();
    let (mode, owner) = (opened.stat.st_mode, opened.stat.st_uid);
    let warning = judge_for(mode, owner, judged, read_only, me)?;
    let bytes = read_open(&mut File::from(opened.fd), &opened.stat, bytes_max)?;
    Ok(Private { bytes, warning })
}

/// The rule about owner and mode. `judged` are the permissions that count.
fn judge_for(
    mode: u32,
    owner: u32,
    judged: u32,
    read_only: bool,
    me: u32,
) -> Result<Option<Exposure>, FileError> {
    let mode = mode & judged;
    let stranger = owner != 0 && owner != me;
    if stranger && !read_only {
        return Err(FileError::WrongOwner);
    }
    // Where chmod is not the administrator's: the platform, or root for another user, chose the mode.
    let fixed = read_only || (owner == 0 && me != 0);
    if mode & 0o022 != 0 || (mode != 0 && !fixed) {
        return Err(FileError::Exposed);
    }
    Ok(match mode & 0o044 {
        _ if stranger => Some(Exposure::Owner),
        0 => None,
        0o040 => Some(Exposure::Group),
        _ => Some(Exposure::Everybody),
    })
}

#[cfg(test)]
mod tests;
