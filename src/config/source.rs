//! The bytes of one file, and where things stand in them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use keyrota_local::FileError;
use keyrota_local::trusted::{self, Changeable};
use rustix::fs::{FileType, OFlags};

use super::diagnostic::Diagnostic;
use super::effort;
use super::values::Spot;

/// No schedule a person keeps comes near this; a file beyond it is not read.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A file's text.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, as diagnostics name it.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// The first component of the file's path, or the file, that another user can change.
    pub changeable: Option<Changeable>,
    /// The first byte of each line.
    lines: Vec<usize>,
    /// How many characters begin before every [`STRIDE`]th byte: a column costs the same anywhere.
    characters: Vec<usize>,
}

const STRIDE: usize = 64;

impl Source {
    /// Text that is already in memory.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let mut lines = vec![0];
        lines.extend(
            text.bytes()
                .enumerate()
                .filter(|(_, b)| *b == b'\n')
                .map(|(i, _)| i + 1),
        );
        let mut begun = 0;
        let characters = text.as_bytes().chunks(STRIDE).map(|chunk| {
            begun += beginnings(chunk);
            begun
        });
        let characters = std::iter::once(0).chain(characters).collect();
        Self {
            file: file.into(),
            text,
            changeable: None,
            lines,
            characters,
        }
    }

    /// Reads a file. One that is too long, is not UTF-8 or cannot be opened is one problem.
    pub fn read(file: &Path) -> Result<Self, Box<Diagnostic>> {
        let unreadable = |what: String, help: &str| {
            Box::new(Diagnostic::error(file, Spot::default(), "", what, help))
        };
        let failed = |e: FileError| {
            let what = format!("cannot be read: {}", file_sentence(e));
            unreadable(what, "check the path and its permissions")
        };
        // What is judged is what is read: the file is opened once.
        let opened = match trusted::open(file, OFlags::RDONLY) {
            Err(FileError::NotRegular) => None,
            Err(e) => return Err(failed(e)),
            Ok(opened) => Some(opened),
        };
        let regular = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
        let Some(opened) = opened.filter(|opened| regular(opened.stat.st_mode)) else {
            let what = "is not a regular file: it is a directory, a pipe, a device or a socket";
            return Err(unreadable(
                what.to_owned(),
                "write a file here, or name another",
            ));
        };
        let changeable = opened.changeable();
        let mut bytes = Vec::new();
        let read = std::fs::File::from(opened.fd)
            .take(FILE_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes);
        read.map_err(|_| failed(FileError::Io))?;
        let source = Self::decode(file, bytes)?;
        Ok(Self {
            changeable,
            ..source
        })
    }

    /// Takes a file's bytes.
    pub fn decode(file: &Path, bytes: Vec<u8>) -> Result<Self, Box<Diagnostic>> {
        if bytes.len() > FILE_BYTES_MAX {
            let what = format!("is longer than {FILE_BYTES_MAX} bytes");
            return Err(Box::new(Diagnostic::error(
                file,
                Spot::default(),
                "",
                what,
                "keep schedules only; is this the right file?",
            )));
        }
        if let Some(encoding) = keyrota_gate::other_encoding(&bytes) {
            let what = format!("is {encoding} text, not UTF-8");
            let help = format!("save the file as UTF-8 (iconv -f {encoding} -t UTF-8)");
            let problem = Diagnostic::error(file, Spot::default(), "", what, help);
            return Err(Box::new(problem));
        }
        String::from_utf8(bytes)
            .map(|text| Self::new(file, text))
            .map_err(|e| {
                let at = e.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&e.as_bytes()[..at]).into_owned();
                let spot = Self::new(file, before).spot(at..at);
                let problem = Diagnostic::error(
                    file,
                    spot,
                    "",
                    "is not UTF-8 from here on",
                    "save the file as UTF-8",
                );
                Box::new(problem)
            })
    }

    /// Line and column of a span; columns count characters, as editors do.
    pub fn spot(&self, span: std::ops::Range<usize>) -> Spot {
        let start = span.start.min(self.text.len());
        let line = self.lines.partition_point(|first| *first <= start);
        let first = self.lines[line - 1];
        let col = self.characters(first, start) + 1;
        Spot {
            line: as_u32(line),
            col: as_u32(col),
            start,
            end: span.end.clamp(start, self.text.len()),
        }
    }

    /// The text of a line (from 1), without its end, and its first byte.
    pub fn line(&self, line: u32) -> (&str, usize) {
        let index = (line.max(1) as usize - 1).min(self.lines.len() - 1);
        let first = self.lines[index];
        let end = self
            .lines
            .get(index + 1)
            .map_or(self.text.len(), |next| next - 1);
        let text = &self.text[first..end];
        (text.strip_suffix('\r').unwrap_or(text), first)
    }

    /// How many characters begin between two bytes.
    fn characters(&self, from: usize, to: usize) -> usize {
        let text = self.text.as_bytes();
        if to - from < STRIDE {
            effort::spend(to - from);
            return beginnings(&text[from..to]);
        }
        let before = |byte: usize| {
            let stride = byte / STRIDE;
            effort::spend(byte % STRIDE);
            self.characters[stride] + beginnings(&text[stride * STRIDE..byte])
        };
        before(to) - before(from)
    }
}

/// The characters that begin in a piece of UTF-8.
fn beginnings(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b & 0xc0 != 0x80).count()
}

fn as_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A fixed sentence for what the system says, which may name anything.
fn file_sentence(e: FileError) -> &'static str {
    match e {
        FileError::NotFound => "it does not exist",
        FileError::Denied => "permission denied",
        _ => "the system refused",
    }
}
