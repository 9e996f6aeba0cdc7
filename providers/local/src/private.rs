//! Keys, tokens and passwords that are read from files.
//!
//! # The rule
//! - **Owner**: root or the effective user. On a platform's mount (a read-only one of a container, see
//!   [`crate::trusted`]) the owner may be another user, with a warning: it is a file of the host's user.
//! - **Writing**: nobody but the owner.
//! - **Reading**: nobody but the owner, where `chmod` can achieve it. keyrota only warns where the
//!   administrator cannot: the file is on a platform's mount (Kubernetes, Docker), or root owns it and
//!   keyrota is not root (then root chose who reads it, as with `root:fsGroup` 0440).
//! - **The way**: every directory and link that leads to the file is trusted, up to `/` (see
//!   [`crate::trusted`]). Who can rename files beside it can have one key used in place of another:
//!   keyrota would send the seed to a server as its token. So a Kubernetes volume works
//!   (`name -> ..data/name -> ..2026_…/name`), and a link that another user made or can replace does not.
//! - A file below `$CREDENTIALS_DIRECTORY` may be readable by its group: systemd grants the service's
//!   user access by an ACL, and the ACL's mask shows as permissions of the group.

use std::fmt;
use std::fs::File;
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use zeroize::Zeroizing;

use crate::atomic::read_open;
use crate::error::FileError;
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
    /// Somebody else can change the way to it.
    Way(Changeable),
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
            Self::Way(changeable) => write!(
                f,
                "{changeable}, so another user can replace this file: {}",
                changeable.remedy()
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
    if let Some(changeable) = opened.way {
        return Err(PrivateError::Way(changeable));
    }
    let platforms = trusted::is_platforms(&opened.fd, &opened.stat);
    let me = rustix::process::geteuid().as_raw();
    let (mode, owner) = (opened.stat.st_mode, opened.stat.st_uid);
    let itself = judge_for(mode, owner, judged, platforms, me)?;
    let warning = match opened.mounted {
        Some(_) => Some(Exposure::Owner),
        None => itself,
    };
    let bytes = read_open(&mut File::from(opened.fd), &opened.stat, bytes_max)?;
    Ok(Private { bytes, warning })
}

/// The rule about owner and mode. `judged` are the permissions that count;
/// `platforms` is whether the file is on a mount of the platform.
fn judge_for(
    mode: u32,
    owner: u32,
    judged: u32,
    platforms: bool,
    me: u32,
) -> Result<Option<Exposure>, FileError> {
    let mode = mode & judged;
    let stranger = owner != 0 && owner != me;
    if stranger && !platforms {
        return Err(FileError::WrongOwner);
    }
    // Where chmod is not the administrator's: the platform, or root for another user, chose the mode.
    let fixed = platforms || (owner == 0 && me != 0);
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
