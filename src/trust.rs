//! Files that say what keyrota runs, reads, writes or connects to: schedules, `keyrota.toml`,
//! programs, certificate authorities.
//!
//! # The rule
//! root or the effective user owns the file and every directory and link that leads to it, and
//! nobody else may write to any of them ([`keyrota_local::trusted`] has the exceptions). Otherwise
//! another user decides what keyrota does with this user's rights. keyrota opens the file once and
//! uses what it opened, so that nobody can put another file there after the check.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use keyrota_local::FileError;
use keyrota_local::trusted::{self, Changeable, Opened, Why};
use rustix::fs::{FileType, OFlags};

/// Larger than any bundle of certificates.
const BYTES_MAX: u64 = 4 << 20;

/// Why keyrota does not follow a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untrusted {
    /// It cannot be opened or read.
    File(FileError),
    /// Another user can change it.
    Changeable(Changeable),
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(e) => e.fmt(f),
            Self::Changeable(changeable) => f.write_str(&refusal(changeable)),
        }
    }
}

/// What can be changed by another user, the rule, and what corrects it.
pub fn refusal(changeable: &Changeable) -> String {
    format!(
        "{changeable}; keyrota follows a file if root or its own user owns it and every directory above it, and no other user may write there: {}",
        changeable.remedy()
    )
}

/// Opens a regular file that nobody else can change.
pub fn open(path: &Path, flags: OFlags) -> Result<Opened, Untrusted> {
    let opened = trusted::open(path, flags).map_err(Untrusted::File)?;
    if FileType::from_raw_mode(opened.stat.st_mode) != FileType::RegularFile {
        return Err(Untrusted::File(FileError::NotRegular));
    }
    match opened.changeable() {
        Some(changeable) => Err(Untrusted::Changeable(changeable)),
        None => Ok(opened),
    }
}

/// Refuses if somebody else can change the nearest directory that there is, from `path` upwards, or a
/// component that leads there.
pub fn above(path: &Path) -> Result<(), Untrusted> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let nearest = path.ancestors().find(|at| at.exists());
    let nearest = nearest.unwrap_or(Path::new("/"));
    directory(nearest, OFlags::PATH).map(drop)
}

/// Refuses a directory for files that keyrota believes, if somebody else can change it or add files to it. Where there is
/// none yet, the nearest one above counts. `owner`: root also looks after the files of a service with this user.
pub fn keeping(path: &Path, owner: Option<u32>) -> Result<(), Untrusted> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let nearest = path.ancestors().find(|at| at.exists());
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let opened = trusted::open(nearest.unwrap_or(Path::new("/")), flags);
    let opened = opened.map_err(Untrusted::File)?;
    let of_service = |c: &Changeable| {
        let root = rustix::process::geteuid().is_root();
        root && owner.is_some_and(|owner| c.why == Why::Owner(owner))
    };
    let changeable = opened.changeable().filter(|c| !of_service(c));
    // A directory that is still to be made belongs to this user.
    let extensible = || {
        opened
            .extensible()
            .filter(|_| nearest == Some(path.as_path()))
    };
    match changeable.or_else(extensible) {
        Some(changeable) => Err(Untrusted::Changeable(changeable)),
        None => Ok(()),
    }
}

/// Opens a directory that nobody else can change or replace.
pub fn directory(path: &Path, flags: OFlags) -> Result<Opened, Untrusted> {
    let opened = trusted::open(path, flags | OFlags::DIRECTORY).map_err(Untrusted::File)?;
    match opened.changeable() {
        Some(changeable) => Err(Untrusted::Changeable(changeable)),
        None => Ok(opened),
    }
}

/// The certificates of an authority that a file names.
pub fn authority(path: &Path) -> Result<Vec<u8>, Untrusted> {
    let read = open(path, OFlags::RDONLY).and_then(|opened| bytes(opened.fd));
    if let Err(why) = &read {
        tracing::warn!(file = %path.display(), "{why}");
    }
    read
}

fn bytes(file: OwnedFd) -> Result<Vec<u8>, Untrusted> {
    let mut bytes = Vec::new();
    let read = File::from(file).take(BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|_| Untrusted::File(FileError::Io))?;
    Ok(bytes)
}
