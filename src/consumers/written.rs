//! The keys of consumers that write a file.

use std::path::{Path, PathBuf};

use crate::config::read::{Reader, Section, join};
use crate::config::words;

/// The key `path`: a file, absolute.
pub fn path(reader: &mut Reader<'_>, s: &Section<'_>, root: &Path) -> PathBuf {
    let text = s.text("path").unwrap_or_default();
    if text.ends_with('/')
        || text.contains('\0')
        || Path::new(text)
            .components()
            .any(|c| c == std::path::Component::ParentDir)
    {
        reader.error(
            s.spot_of("path"),
            &join(&s.at, "path"),
            "is not the path of a file",
            "write a path without .. that ends in a file's name",
        );
    }
    root.join(text)
}

/// The key `mode`. Of a file that holds a value (`secret`), nothing for everybody.
pub fn mode(reader: &mut Reader<'_>, s: &Section<'_>, default: u32, secret: bool) -> u32 {
    let Some(mode) = s.text("mode").and_then(words::mode) else {
        return default;
    };
    let at = join(&s.at, "mode");
    if mode & 0o7133 != 0 || mode & 0o400 == 0 {
        reader.error(
            s.spot_of("mode"),
            &at,
            "lets others write, or lets anyone execute, or hides it from its owner",
            format!("write \"{default:04o}\" or \"0640\""),
        );
    } else if secret && mode & 0o004 != 0 {
        reader.error(
            s.spot_of("mode"),
            &at,
            "lets everyone on the host read the value",
            "write \"0600\" or \"0640\"",
        );
    }
    mode
}

/// What has to be there before the first rotation.
pub fn setup(path: &Path) -> String {
    format!("a directory that keyrota may write, for {}", path.display())
}
