//! The interpreters that the first line of a script names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The interpreter of a script that begins with these bytes and, if that is `env`, the program which
/// `env` finds in `path`. `None` if it is no script.
pub(super) fn interpreters(begins: &[u8], path: &str) -> Option<Vec<PathBuf>> {
    let line = begins.strip_prefix(b"#!")?;
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default();
    let mut words = line
        .split(|b| matches!(b, b' ' | b'\t'))
        .filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return Some(Vec::new());
    };
    // A relative one is looked for in the working directory, which is `/`.
    let interpreter = Path::new("/").join(OsStr::from_bytes(first));
    let found = match interpreter.file_name() {
        // Options and variables come before the program.
        Some(name) if name == "env" => words
            .find(|word| !word.starts_with(b"-") && !word.contains(&b'='))
            .and_then(|name| found(OsStr::from_bytes(name), path)),
        _ => None,
    };
    Some(std::iter::once(interpreter).chain(found).collect())
}

/// What a program of this name is in `path`; a name with a directory is its own answer.
fn found(name: &OsStr, path: &str) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(Path::new("/").join(name));
    }
    let mut places = path.split(':').map(|dir| Path::new(dir).join(name));
    places.find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn the_first_line_names_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = format!("/no:{}", dir.path().display());
        let python = dir.path().join("python3");
        std::fs::write(&python, "").unwrap();
        let python = python.to_str().unwrap();
        for (begins, expected) in [
            ("", None),
            ("\u{7f}ELF", None),
            (" #!/bin/sh\n", None),
            ("#!/bin/sh", Some(vec!["/bin/sh"])),
            ("#! \t/bin/sh -eu\nnext", Some(vec!["/bin/sh"])),
            ("#!bin/sh\n", Some(vec!["/bin/sh"])),
            (
                "#!/srv/app/venv/bin/python\n",
                Some(vec!["/srv/app/venv/bin/python"]),
            ),
            ("#!\n/bin/sh", Some(vec![])),
            (
                "#!/usr/bin/env python3\n",
                Some(vec!["/usr/bin/env", python]),
            ),
            (
                "#!/usr/bin/env -S A=1 python3 -u\n",
                Some(vec!["/usr/bin/env", python]),
            ),
            ("#!/usr/bin/env missing\n", Some(vec!["/usr/bin/env"])),
            (
                "#!/usr/bin/env /srv/x\n",
                Some(vec!["/usr/bin/env", "/srv/x"]),
            ),
            ("#!/usr/bin/env\n", Some(vec!["/usr/bin/env"])),
        ] {
            let expected = expected.map(|all| all.iter().map(PathBuf::from).collect::<Vec<_>>());
            assert_eq!(
                interpreters(begins.as_bytes(), &path),
                expected,
                "{begins:?}"
            );
        }
    }
}
