//! The keys of consumers that write a file.

use std::path::{Path, PathBuf};

use crate::config::read::{Field, Mode, Reader};

/// The key `path`: a file, absolute.
pub fn path(reader: &mut Reader<'_>, path: &Field<&str>, root: &Path) -> PathBuf {
    let text = path.value;
    if text.ends_with('/')
        || text.contains('\0')
        || Path::new(text)
            .components()
            .any(|c| c == std::path::Component::ParentDir)
    {
        reader.refuse(
            path,
            "is not the path of a file",
            "write a path without .. that ends in a file's name",
        );
    }
    root.join(text)
}

/// The key `mode`. Of a file that holds a value (`secret`), nothing for everybody.
pub fn mode(reader: &mut Reader<'_>, field: &Field<Mode>, default: &str, secret: bool) -> u32 {
    let mode = field.0;
    if mode & 0o7133 != 0 || mode & 0o400 == 0 {
        reader.refuse(
            field,
            "lets others write, or lets anyone execute, or hides it from its owner",
            format!("write \"{default}\" or \"0640\""),
        );
    } else if secret && mode & 0o004 != 0 {
        reader.refuse(
            field,
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
