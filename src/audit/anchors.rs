//! Checkpoints outside the database: one append-only file per host, one JSON line per signed note.
//!
//! This is what shows that a log was cut off or replaced by an older copy, so it should stand on
//! another disk than the database, or be shipped elsewhere; `chattr +a` suits it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde_json::{Value, json};

use super::bounded;

const SUFFIX: &str = ".checkpoints";
const FILE_MODE: u32 = 0o644;

/// A file of checkpoints that is larger than this is no work of keyrota's: ten years of it are smaller.
const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How much of the end of a file is looked at for its newest notes.
const TAIL_BYTES: u64 = 64 * 1024;
/// Torn lines that are listed; more of them say nothing new.
const TORN_MAX: usize = 100;

/// What stands in a directory of checkpoints; nothing of it is believed yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchors {
    /// The signed notes of each file, newest first. Each host has a file of its own.
    pub files: Vec<Vec<String>>,
    /// Lines that cannot be read, as `file:line`: torn by a crash, or damaged. To be reported; a
    /// crash in the middle of a line is no reason to distrust the others.
    pub torn: Vec<String>,
}

impl Anchors {
    /// The notes of all files.
    pub fn notes(&self) -> Vec<String> {
        self.files.concat()
    }
}

/// Appends a signed note to this host's file, and returns when it is on the disk.
pub fn append(directory: &Path, host: &str, note: &str) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let path = directory.join(format!("{}{SUFFIX}", file_word(host)));
    // Whoever may write to the directory could have put a link or a pipe there.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(FILE_MODE)
        .custom_flags(flags.bits().cast_signed())
        .open(&path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
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
    for path in files(directory)? {
        let (notes, torn) = parsed(&bounded::whole(&path, FILE_BYTES_MAX)?);
        anchors.files.push(notes);
        let at = |line: usize| format!("{}:{line}", path.display());
        anchors.torn.extend(torn.into_iter().map(at));
        anchors.torn.truncate(TORN_MAX);
    }
    Ok(anchors)
}

/// The newest notes of each file, newest first, at the price of the end of each.
pub fn newest(directory: &Path) -> io::Result<Vec<Vec<String>>> {
    let tail = |path| Ok(parsed(&bounded::tail(path, TAIL_BYTES)?).0);
    files(directory)?.iter().map(|path| tail(path)).collect()
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = match std::fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|e| e.map(|e| e.path()))
            .collect::<io::Result<_>>()?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    files.retain(|f| {
        f.file_name()
            .is_some_and(|n| n.to_string_lossy().ends_with(SUFFIX))
    });
    files.sort();
    Ok(files)
}

/// The notes in these lines, newest first, and the numbers of the lines that hold none.
fn parsed(bytes: &[u8]) -> (Vec<String>, Vec<usize>) {
    let (mut notes, mut torn) = (Vec::new(), Vec::new());
    let lines = bytes.split(|b| *b == b'\n').enumerate();
    for (i, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let parsed = serde_json::from_slice::<Value>(line).ok();
        match parsed.as_ref().and_then(|v| v["note"].as_str()) {
            Some(note) => notes.push(note.to_owned()),
            None if torn.len() < TORN_MAX => torn.push(i.saturating_add(1)),
            None => {}
        }
    }
    notes.reverse();
    (notes, torn)
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
            assert_eq!(anchors.notes(), ["one\n"], "{length}");
            assert_eq!(anchors.torn, [format!("{}:2", file.display())]);
            append(&at, "ops-1", "three\n").unwrap();
            assert_eq!(read(&at).unwrap().notes(), ["three\n", "one\n"]);
        }
        append(&at, "../ops 2", "other\n").unwrap();
        let files = [vec!["other\n"], vec!["three\n", "one\n"]];
        assert_eq!(read(&at).unwrap().files, files);
        assert_eq!(newest(&at).unwrap(), files);
        // Of a long file the end is enough.
        let old = "old ".repeat(50);
        for i in 0..2_000 {
            append(&at, "ops-1", &format!("{old}{i}")).unwrap();
        }
        let tail = newest(&at).unwrap().remove(1);
        assert_eq!(tail[0], format!("{old}1999"));
        assert!((100..1_000).contains(&tail.len()));
    }

    #[test]
    fn what_is_no_regular_file_is_neither_read_nor_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ops-1.checkpoints");
        let elsewhere = dir.path().join("elsewhere");
        std::fs::write(&elsewhere, "").unwrap();
        let link = |to: &Path| std::os::unix::fs::symlink(to, &file).unwrap();
        let pipe = |_: &Path| {
            let mode = rustix::fs::Mode::RWXU;
            rustix::fs::mkfifoat(rustix::fs::CWD, &file, mode).unwrap();
        };
        for make in [&link as &dyn Fn(&Path), &pipe] {
            make(&elsewhere);
            assert!(append(dir.path(), "ops-1", "one\n").is_err());
            assert!(read(dir.path()).is_err() && newest(dir.path()).is_err());
            std::fs::remove_file(&file).unwrap();
        }
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"");
    }
}
