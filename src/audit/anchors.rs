//! Checkpoints outside the database: one append-only file per host, one JSON line per signed note.
//!
//! This is what shows that a log was cut off or replaced by an older copy, so it should stand on
//! another disk than the database, or be shipped elsewhere; `chattr +a` suits it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};

const SUFFIX: &str = ".checkpoints";
const FILE_MODE: u32 = 0o644;

/// What stands in a directory of checkpoints; nothing of it is believed yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchors {
    /// The signed notes of all hosts, each host's newest first.
    pub notes: Vec<String>,
    /// Lines that cannot be read, as `file:line`: torn by a crash, or damaged. To be reported; a
    /// crash in the middle of a line is no reason to distrust the others.
    pub torn: Vec<String>,
}

/// Appends a signed note to this host's file, and returns when it is on the disk.
pub fn append(directory: &Path, host: &str, note: &str) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let path = directory.join(format!("{}{SUFFIX}", file_word(host)));
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(FILE_MODE)
        .open(&path)?;
    if file.metadata()?.len() == 0 {
        // Whatever the umask says: it holds nothing secret, and the directory says who may look.
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    }
    let mut line = Vec::new();
    if torn(&mut file)? {
        line.push(b'\n'); // so that a line that was torn does not spoil this one
    }
    line.extend_from_slice(json!({ "note": note }).to_string().as_bytes());
    line.push(b'\n');
    file.write_all(&line)?; // in one call: another process's line comes before or after
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

/// Reads all hosts' files. A directory that does not exist holds none.
pub fn read(directory: &Path) -> io::Result<Anchors> {
    let mut anchors = Anchors::default();
    let mut files: Vec<_> = match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|e| e.map(|e| e.path()))
            .collect::<io::Result<_>>()?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(anchors),
        Err(e) => return Err(e),
    };
    files.retain(|f| {
        f.file_name()
            .is_some_and(|n| n.to_string_lossy().ends_with(SUFFIX))
    });
    files.sort();
    for path in files {
        let bytes = std::fs::read(&path)?;
        let lines: Vec<_> = bytes
            .split(|b| *b == b'\n')
            .enumerate()
            .filter(|(_, l)| !l.is_empty())
            .collect();
        for (i, line) in lines.into_iter().rev() {
            let parsed = serde_json::from_slice::<Value>(line).ok();
            match parsed.as_ref().and_then(|v| v["note"].as_str()) {
                Some(note) => anchors.notes.push(note.to_owned()),
                None => anchors
                    .torn
                    .push(format!("{}:{}", path.display(), i.saturating_add(1))),
            }
        }
    }
    Ok(anchors)
}

/// A name as part of a file's name: whatever is unusual in it is written in hex.
pub fn file_word(name: &str) -> String {
    let mut word = String::with_capacity(name.len());
    for b in name.bytes() {
        if b.is_ascii_alphanumeric() || b == b'-' || b == b'_' {
            word.push(char::from(b));
        } else {
            word.push_str(&format!("%{b:02x}"));
        }
    }
    word
}

fn torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn notes_survive_a_torn_line_and_come_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("checkpoints");
        assert_eq!(read(&at).unwrap(), Anchors::default());
        append(&at, "ops-1", "one\n").unwrap();
        append(&at, "ops-1", "two\n").unwrap();
        let file = at.join("ops-1.checkpoints");
        let whole = std::fs::read(&file).unwrap();
        // Whatever a crash leaves of the last line, the first is there, and so is what comes next.
        for length in whole.iter().position(|b| *b == b'\n').unwrap() + 2..whole.len() - 1 {
            std::fs::write(&file, &whole[..length]).unwrap();
            let anchors = read(&at).unwrap();
            assert_eq!(anchors.notes, ["one\n"], "{length}");
            assert_eq!(anchors.torn, [format!("{}:2", file.display())]);
            append(&at, "ops-1", "three\n").unwrap();
            assert_eq!(read(&at).unwrap().notes, ["three\n", "one\n"]);
        }
        append(&at, "../ops 2", "other\n").unwrap();
        assert_eq!(read(&at).unwrap().notes, ["other\n", "three\n", "one\n"]);
    }
}
