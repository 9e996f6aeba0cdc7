//! Reading what a stranger may have written: regular files only, by lines of a bounded length, in
//! memory that does not grow with the file.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The longest line of an export. An entry has a few hundred bytes; the longest that keyrota writes,
/// with reasons and names as long as a schedule lets them be, stays far below.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Opens a regular file. Links are not followed, and a pipe or a device does not make it wait.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(
        rustix::fs::open(path, flags, Mode::empty()).map_err(|e| match e {
            rustix::io::Errno::LOOP => not_regular(),
            e => e.into(),
        })?,
    );
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

/// The whole of a regular file of at most `bytes_max` bytes.
pub fn whole(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    open(path)?.take(limit).read_to_end(&mut bytes)?;
    match bytes.len() > bytes_max {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(bytes),
    }
}

/// The last bytes of a regular file, at most `bytes_max`, from the beginning of a line on.
pub fn tail(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(bytes_max);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    if skipped > 0 {
        // The line that was cut is older than those after it.
        let cut = bytes.iter().position(|b| *b == b'\n');
        bytes.drain(..cut.map_or(bytes.len(), |at| at.saturating_add(1)));
    }
    Ok(bytes)
}

/// What reading a line led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// There is none any more.
    End,
    /// It is in the buffer, with its line feed if it has one.
    Whole,
    /// It is longer than it may be; no more of it was read than that.
    TooLong,
}

/// Reads the next line into `line`, which is emptied first.
pub fn next_line(
    from: &mut impl BufRead,
    line: &mut Vec<u8>,
    bytes_max: usize,
) -> io::Result<Line> {
    line.clear();
    loop {
        let buffer = match from.fill_buf() {
            Ok(buffer) => buffer,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let end = buffer.iter().position(|b| *b == b'\n');
        let taken = end.map_or(buffer.len(), |at| at.saturating_add(1));
        if line.len().saturating_add(taken) > bytes_max {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(&buffer[..taken]);
        from.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok(match line.is_empty() {
                true => Line::End,
                false => Line::Whole,
            });
        }
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_line_is_whole_or_too_long_whatever_the_buffer() {
        let lines = |text: &[u8], buffer: usize| {
            let mut from = BufReader::with_capacity(buffer, text);
            let mut line = Vec::new();
            let mut all = Vec::new();
            loop {
                match next_line(&mut from, &mut line, 5).unwrap() {
                    Line::End => return all,
                    Line::Whole => all.push(String::from_utf8(line.clone()).unwrap()),
                    Line::TooLong => {
                        all.push("long".to_owned());
                        return all;
                    }
                }
            }
        };
        for buffer in 1..12 {
            let expected = ["\n", "ab\n", "abcd\n", "\n", "xy"];
            assert_eq!(lines(b"\nab\nabcd\n\nxy", buffer), expected, "{buffer}");
            assert_eq!(lines(b"abcde", buffer), ["abcde"], "{buffer}");
            for long in [
                &b"a\nabcde\nb\n"[..],
                b"a\nabcdef",
                b"a\nabcdefghijklmnop\n",
            ] {
                assert_eq!(lines(long, buffer), ["a\n", "long"], "{buffer}");
            }
        }
    }

    #[test]
    fn only_regular_files_are_opened_and_none_waits() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("file"), "one\ntwo\nthree\n").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        for name in ["link", "zero", "fifo", "dir"] {
            let e = open(&at(name)).unwrap_err();
            assert_eq!(e.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(open(Path::new("/dev/zero")).is_err());
        assert_eq!(
            open(&at("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        assert_eq!(whole(&at("file"), 14).unwrap().len(), 14);
        let e = whole(&at("file"), 13).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::FileTooLarge);
        for (length, left) in [
            (14, "one\ntwo\nthree\n"),
            (13, "two\nthree\n"),
            (6, ""),
            (7, "three\n"),
            (2, ""),
        ] {
            assert_eq!(
                tail(&at("file"), length).unwrap(),
                left.as_bytes(),
                "{length}"
            );
        }
    }
}
