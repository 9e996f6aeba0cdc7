//! What can be wrong with a file, in fixed sentences.

use std::fmt;

use rustix::io::Errno;

/// Why a file was not read or written. Each is a fixed sentence: no path, no content, no text from
/// the system. Unless it is [`FileError::Changed`] or [`FileError::NotDurable`], the file is as it
/// was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileError {
    /// The file, or its directory, does not exist.
    NotFound,
    /// The path does not end in a file name.
    NoName,
    /// The name is a symbolic link.
    Symlink,
    /// The file has a second name, which would keep the old bytes.
    HardLink,
    /// A directory, a pipe, a socket or a device.
    NotRegular,
    /// Everybody may replace files in the directory.
    WorldWritableParent,
    /// Another user may put a file at a name that is overwritten in place.
    SharedParent,
    /// The file belongs to a user other than root, ours and its stated owner.
    ForeignOwner,
    /// The file has a group that another user can have chosen, and that may read the next one.
    ForeignGroup,
    /// A link leads to the directory, and another user can change where to.
    ForeignLink,
    /// A private file that others may read or write.
    Exposed,
    /// A private file that belongs neither to us nor to root.
    WrongOwner,
    /// More bytes than the reader takes.
    TooLarge,
    /// No space, no quota, or over the process' file size limit.
    Full,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The permissions do not allow it.
    Denied,
    /// A flag of the file or directory (immutable, append-only), a sticky directory, or an owner that
    /// this user may not give.
    Protected,
    /// Something is mounted at this very name.
    Mounted,
    /// The file was written, and something else stands there now: there is a second writer.
    Changed,
    /// The new bytes stand there, and the system could not promise that they survive a power cut.
    NotDurable,
    /// Another process holds the lock.
    Locked,
    /// The lock file belongs to another user.
    ForeignLock,
    /// Others may open the lock file, and so hold it.
    ExposedLock,
    /// The system failed in another way.
    Io,
}

impl FileError {
    /// What a person reads.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotFound => "the file or its directory does not exist",
            Self::NoName => "the path does not end in a file name",
            Self::Symlink => "the file is a symbolic link; name the file itself",
            Self::HardLink => "the file has more than one name (hard links); remove the others",
            Self::NotRegular => "this is not a regular file",
            Self::WorldWritableParent => "the directory is writable by everybody; chmod o-w it",
            Self::SharedParent => {
                "another user may write to the directory, and could move a file that they have open to this name; \
                 for write = \"in-place\", chmod go-w the directory and give it to root or keyrota's user"
            }
            Self::ForeignOwner => {
                "the file belongs to a user other than root, keyrota's and its stated `owner`; chown it, or state its `owner`"
            }
            Self::ForeignGroup => {
                "others may write to the directory, so keyrota does not keep the group of the file that lies there; state its `owner` as user:group"
            }
            Self::ForeignLink => {
                "a symbolic link leads to the directory, and another user can change where to; name the directory itself"
            }
            Self::Exposed => "others may read or write the file; chmod 600 it",
            Self::WrongOwner => "the file belongs neither to this user nor to root",
            Self::TooLarge => "the file is larger than expected",
            Self::Full => "no space left (disk, quota or file size limit)",
            Self::ReadOnly => "the file system is read-only",
            Self::Denied => {
                "permission denied; check the owner and mode of the file and its directory"
            }
            Self::Protected => {
                "the system protects the file or its directory: look for a flag (lsattr shows i or a), a sticky directory, or an owner that this user may not give"
            }
            Self::Mounted => {
                "a single file is mounted at this name, and a mounted file cannot be replaced; mount its directory instead"
            }
            Self::Changed => "another program wrote the file at the same moment",
            Self::NotDurable => "the file was written, but syncing its directory failed",
            Self::Locked => "another process holds the lock",
            Self::ForeignLock => {
                "the lock file beside it belongs to another user; remove it while no keyrota runs"
            }
            Self::ExposedLock => {
                "others may open the lock file beside it; remove it while no keyrota runs"
            }
            Self::Io => "the system could not read or write the file",
        }
    }

    /// Whether the same call may succeed later without anybody changing a setting.
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Full
                | Self::ReadOnly
                | Self::Changed
                | Self::NotDurable
                | Self::Locked
                | Self::Io
        )
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for FileError {}

/// The system's error as one of ours; its text goes nowhere.
pub(crate) fn classify(e: Errno) -> FileError {
    match e {
        Errno::NOENT | Errno::NOTDIR => FileError::NotFound,
        Errno::LOOP => FileError::Symlink,
        Errno::ISDIR => FileError::NotRegular,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => FileError::Full,
        Errno::ROFS => FileError::ReadOnly,
        Errno::ACCESS => FileError::Denied,
        Errno::PERM => FileError::Protected,
        Errno::BUSY => FileError::Mounted,
        _ => FileError::Io,
    }
}

pub(crate) fn classify_std(e: std::io::Error) -> FileError {
    e.raw_os_error().map_or(FileError::Io, |code| {
        classify(Errno::from_raw_os_error(code))
    })
}
