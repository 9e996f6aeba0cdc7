//! Export: the log, or a part of it, in a directory that proves itself to whoever has the public key.
//!
//! `audit.jsonl` or `audit.csv` holds every entry's bytes as they were written, with the hashes.
//! `manifest.json` says what is there, and holds a checkpoint for exactly this part: the signature
//! covers the first and last entry, the last hash, the SHA-256 of the file, and the tool.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Checkpoint, Head, Problem, Report, Row, Verifier, VerifyingKey, Vouch, bounded, canonical,
    lines,
};
use crate::keys::Keys;

const MANIFEST: &str = "manifest.json";
/// A manifest has a thousand bytes.
const MANIFEST_BYTES_MAX: usize = 64 * 1024;
const TOOL: &str = concat!("keyrota/", env!("CARGO_PKG_VERSION"));

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// For spreadsheets: cells that one would take for a formula begin with an apostrophe.
    Csv,
}

/// Why an export could not be made or read.
#[derive(Debug)]
pub enum ExportError {
    /// The directory, or a file in it, could not be written or read.
    Io(io::ErrorKind),
    /// A link, a pipe or a device stands where a file of an export should.
    NotRegular,
    /// The directory is not empty.
    NotEmpty,
    /// There is nothing in the part that was asked for.
    Empty,
    /// The log itself is not sound: there is nothing that could be vouched for.
    Unsound(Report),
    /// There is no manifest, or it is not one.
    Manifest,
    /// The manifest is not signed by any of the keys given.
    NotSigned,
}

/// An export being written: [`push`](Exporter::push) the entries in order, then
/// [`finish`](Exporter::finish). Left unfinished it has no manifest and proves nothing.
#[derive(Debug)]
pub struct Exporter {
    directory: PathBuf,
    format: Format,
    file: Hashed<BufWriter<File>>,
    verifier: Option<Verifier>,
    from: i64,
    head: Option<Head>,
    chain: Uuid,
}

impl Exporter {
    /// Begins an export of the entries from `from` on, into a directory that is new or empty.
    pub fn create(
        directory: &Path,
        format: Format,
        chain: Uuid,
        from: i64,
    ) -> Result<Self, ExportError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        if std::fs::read_dir(directory)?.next().is_some() {
            return Err(ExportError::NotEmpty);
        }
        let mut file = Hashed::new(BufWriter::new(create(&directory.join(format.file()))?));
        if format == Format::Csv {
            file.write_all(&lines::csv_header())?;
        }
        let verifier = Some(Verifier::new(chain, from));
        Ok(Self {
            directory: directory.to_owned(),
            format,
            file,
            verifier,
            from,
            head: None,
            chain,
        })
    }

    /// Also refuses entries that no host with the seed wrote.
    pub(crate) fn vouch(&mut self, vouch: Vouch) {
        if let Some(verifier) = &mut self.verifier {
            verifier.vouch(Some(vouch));
        }
    }

    /// The first entry it is to hold.
    pub fn from(&self) -> i64 {
        self.from
    }

    /// Writes the next entry.
    pub fn push(&mut self, row: &Row) -> Result<(), ExportError> {
        if let Some(verifier) = &mut self.verifier {
            verifier.push(row);
        }
        let line = match self.format {
            Format::Jsonl => lines::json_line(row),
            Format::Csv => lines::csv_row(row),
        };
        match (line, row.hash.as_slice().try_into()) {
            (Some(line), Ok(hash)) => {
                self.file.write_all(&line)?;
                self.head = Some(Head {
                    chain: self.chain,
                    size: row.seq,
                    hash,
                });
                Ok(())
            }
            _ => Err(self.unsound()),
        }
    }

    /// Signs and writes the manifest. What was exported is sound and ends with the entry `to`, or this fails.
    pub fn finish(mut self, to: i64, keys: &Keys) -> Result<(), ExportError> {
        let head = self.head.ok_or(ExportError::Empty)?;
        let report = self.verifier.take().map(|mut verifier| {
            if head.size != to {
                let detail = "the log ends before the last entry that was asked for";
                verifier.find(to, Problem::Shorter, detail);
            }
            verifier.finish(None)
        });
        if let Some(report) = report.filter(|r| !r.findings.is_empty()) {
            return Err(ExportError::Unsound(report));
        }
        self.file.flush()?;
        self.file.inner.get_ref().sync_all()?;
        let mut checkpoint = Checkpoint::of(&head);
        checkpoint.extensions = vec![extension(self.format, self.from, &self.file.hash(), TOOL)];
        let key = VerifyingKey::new(self.chain, keys.public());
        let note = checkpoint.sign(keys);
        let manifest = Manifest {
            format: self.format,
            from: self.from,
            sha256: self.file.hash(),
            tool: TOOL.to_owned(),
        };
        let mut file = create(&self.directory.join(MANIFEST))?;
        file.write_all(&manifest.bytes(&checkpoint, &note, &key))?;
        file.sync_all()?;
        Ok(File::open(&self.directory)?.sync_all()?)
    }

    fn unsound(&mut self) -> ExportError {
        match self.verifier.take() {
            Some(verifier) => ExportError::Unsound(verifier.finish(None)),
            None => ExportError::Empty,
        }
    }
}

/// Verifies an export from the public key alone.
pub fn verify_export(directory: &Path, keys: &[VerifyingKey]) -> Result<Report, ExportError> {
    let at = directory.join(MANIFEST);
    let bytes = bounded::whole(&at, MANIFEST_BYTES_MAX).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge => ExportError::Manifest,
        kind => ExportError::of(kind),
    })?;
    let shown: Value = serde_json::from_slice(&bytes).map_err(|_| ExportError::Manifest)?;
    let note = shown["checkpoint"].as_str().ok_or(ExportError::Manifest)?;
    let signed = Checkpoint::verify(note, keys).map_err(|_| ExportError::NotSigned)?;
    let manifest = Manifest::signed(&signed).ok_or(ExportError::Manifest)?;
    let key = shown["public_key"]
        .as_str()
        .and_then(VerifyingKey::parse)
        .filter(|k| keys.contains(k));

    let mut verifier = Verifier::new(signed.chain, manifest.from);
    verifier.expect(signed.size.saturating_sub(manifest.from).saturating_add(1));
    let whole = Checkpoint {
        extensions: Vec::new(),
        ..signed.clone()
    };
    verifier.checkpoint(Ok(whole));
    // Everything that the manifest shows follows from what was signed.
    if key.is_none_or(|key| manifest.bytes(&signed, note, &key) != bytes) {
        verifier.find(
            0,
            Problem::Copy,
            "the manifest is not the one that was signed",
        );
    }
    let at = directory.join(manifest.format.file());
    let file = bounded::open(&at).map_err(|e| ExportError::of(e.kind()))?;
    let mut file = Hashed::new(BufReader::new(file));
    match manifest.format {
        Format::Jsonl => lines::read_json(&mut file, &mut verifier)?,
        Format::Csv => lines::read_csv(&mut file, &mut verifier)?,
    }
    let head = Head {
        chain: signed.chain,
        size: signed.size,
        hash: signed.hash,
    };
    let unchanged = file.hash() == manifest.sha256;
    let mut report = verifier.finish(Some(&head));
    if !unchanged && report.findings.is_empty() {
        let detail = "the exported file is not the one that was signed";
        report.findings.push(super::Finding {
            seq: 0,
            problem: Problem::Modified,
            detail,
        });
    }
    Ok(report)
}

/// What is signed of an export beside its head.
struct Manifest {
    format: Format,
    from: i64,
    sha256: String,
    tool: String,
}

impl Manifest {
    fn signed(checkpoint: &Checkpoint) -> Option<Self> {
        let [line] = checkpoint.extensions.as_slice() else {
            return None;
        };
        let mut words = line.split(' ');
        let (Some("export"), format, from, sha256, tool) = (
            words.next(),
            words.next()?,
            words.next()?,
            words.next()?,
            words.next()?,
        ) else {
            return None;
        };
        let format = [Format::Jsonl, Format::Csv]
            .into_iter()
            .find(|f| f.as_str() == format)?;
        let from = from.parse().ok()?;
        // Nothing but what keyrota signs for an export, and in one form only.
        let ours = *line == extension(format, from, sha256, tool);
        ours.then(|| Self {
            format,
            from,
            sha256: sha256.to_owned(),
            tool: tool.to_owned(),
        })
    }

    fn bytes(&self, checkpoint: &Checkpoint, note: &str, key: &VerifyingKey) -> Vec<u8> {
        let mut bytes = canonical::write(&json!({
            "schema_version": 1,
            "chain": checkpoint.chain.to_string(),
            "format": self.format.as_str(),
            "file": self.format.file(),
            "from": self.from,
            "to": checkpoint.size,
            "head": HEXLOWER.encode(&checkpoint.hash),
            "sha256": self.sha256,
            "checkpoint": note,
            "public_key": key.to_string(),
            "tool": self.tool,
        }))
        .unwrap_or_default(); // only of a size beyond 2^53, which then equals no manifest
        bytes.push(b'\n');
        bytes
    }
}

fn extension(format: Format, from: i64, sha256: &str, tool: &str) -> String {
    format!("export {} {from} {sha256} {tool}", format.as_str())
}

impl Format {
    /// The word on the command line and in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// The file's name in the directory.
    pub fn file(self) -> &'static str {
        match self {
            Self::Jsonl => "audit.jsonl",
            Self::Csv => "audit.csv",
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Hashes what passes through.
struct Hashed<T> {
    inner: T,
    context: Context,
}

impl<T> Hashed<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            context: Context::new(&SHA256),
        }
    }

    fn hash(&self) -> String {
        HEXLOWER.encode(self.context.clone().finish().as_ref())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.context.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: BufRead> io::Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.context.update(&out[..n]);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Hashed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        if let Ok(bytes) = self.inner.fill_buf() {
            self.context.update(&bytes[..n]);
        }
        self.inner.consume(n);
    }
}

impl<T> fmt::Debug for Hashed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed")
    }
}

impl ExportError {
    fn of(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::InvalidInput => Self::NotRegular,
            kind => Self::Io(kind),
        }
    }
}

impl From<io::Error> for ExportError {
    fn from(e: io::Error) -> Self {
        Self::Io(e.kind())
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(kind) => write!(f, "the export cannot be written or read: {kind}"),
            Self::NotRegular => f.write_str(
                "manifest.json or the log beside it is a link, a pipe or a device, and no file of an export",
            ),
            Self::NotEmpty => f.write_str("the directory is not empty"),
            Self::Empty => f.write_str("there is no entry to export"),
            Self::Unsound(_) => f.write_str("the log is not sound; see audit verify"),
            Self::Manifest => f.write_str("there is no manifest.json of an export"),
            Self::NotSigned => f.write_str("the export is not signed by the key given"),
        }
    }
}

impl std::error::Error for ExportError {}

#[cfg(test)]
mod tests;
