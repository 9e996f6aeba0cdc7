//! The provider `file`: one age document per environment, readable by the stock `age` program.
//!
//! ```sh
//! age -d -i identity.txt production.age      # prints the JSON of the module `document`
//! ```
//!
//! Every change reads, alters and replaces the whole document under a lock that excludes other
//! processes, so a crash leaves the old document or the new one, and each method is one effect.
//! What cannot be understood is never overwritten.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use keyrota_contract::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, SecretValue,
    VersionInfo, VersionRef,
};
use uuid::Uuid;

use crate::atomic::{self, Options};
use crate::authentic::{self, NotAuthentic};
use crate::document::{Document, DocumentError, Done};
use crate::error::FileError;
use crate::identity::{self, Identities, IdentityError};
use crate::lock::FileLock;
use crate::sealed::{self, SealedError};

/// The largest value, the same as AWS Secrets Manager's: what is kept here can move there.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// What a document can do, whichever it is.
pub const CAPABILITIES: Capabilities = Capabilities {
    promote: Promote::Atomic,
    keeps_previous: true,
    value_bytes_max: VALUE_BYTES_MAX,
    binary: true,
    public_parts: true,
    first_is_current: false,
    fixed_values: false,
    reads_lag: false,
    removes: true,
};

/// Some 1,500 secrets of two versions with ordinary keys each take a tenth of it.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// A writer holds the lock for some milliseconds; five seconds mean that it hangs or is stopped.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

/// What a document says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentInfo {
    /// How often it was written; grows by one with every change.
    pub generation: u64,
    /// The host it belongs to: the first that wrote it.
    pub host: String,
}

/// Keeps values in one encrypted file.
pub struct FileProvider {
    path: PathBuf,
    lock: PathBuf,
    identities: Identities,
    recipients: Vec<age::x25519::Recipient>,
    environment: String,
    host: String,
    floor: AtomicU64,
    lock_attempts: u32,
    kept: Mutex<Kept>,
}

/// What reads have kept of the document.
enum Kept {
    /// Nothing: each opens it anew.
    Nothing,
    /// The next one keeps it.
    Next,
    /// It was opened; `None`: there is none.
    Document(Option<Document>),
}

/// While this lives, reads open the document once.
pub struct OneLook<'a>(&'a FileProvider);

impl Drop for OneLook<'_> {
    fn drop(&mut self) {
        *self.0.kept() = Kept::Nothing;
    }
}

impl FileProvider {
    /// The document at `path`, opened with `identities` and sealed for `recipients` (`age1…`; the
    /// identity's own when empty). It need not exist: the first write makes it, and makes it
    /// `host`'s. Its directory must exist; beside the document stands `NAME.lock`. A document of
    /// another environment is refused, whoever wrote it.
    pub fn new(
        path: impl Into<PathBuf>,
        identities: Identities,
        recipients: &[String],
        environment: &str,
        host: &str,
    ) -> Result<Self, IdentityError> {
        let path = path.into();
        let mut lock = OsString::from(&path);
        lock.push(".lock");
        Ok(Self {
            recipients: identity::recipients(recipients, &identities)?,
            lock: lock.into(),
            path,
            identities,
            environment: environment.to_string(),
            host: host.to_string(),
            floor: AtomicU64::new(0),
            lock_attempts: LOCK_ATTEMPTS,
            kept: Mutex::new(Kept::Nothing),
        })
    }

    /// Raises the lowest generation that is accepted: what the state remembers of the last write.
    /// An older document (restored from a backup) or a vanished one is then an error, not a basis
    /// to write on. The floor also rises with everything that this process reads and writes.
    pub fn raise_generation_floor(&self, generation: u64) {
        self.floor.fetch_max(generation, Ordering::SeqCst);
    }

    /// The highest generation that this process has read or written; `None` before the first.
    pub fn generation_seen(&self) -> Option<u64> {
        Some(self.floor.load(Ordering::SeqCst)).filter(|generation| *generation > 0)
    }

    /// Generation and host of the document as it stands, below the floor too; `None` if there is
    /// none.
    pub fn document_info(&self) -> Result<Option<DocumentInfo>, ProviderError> {
        Ok(self.open()?.map(|d| DocumentInfo {
            generation: d.generation,
            host: d.host,
        }))
    }

    /// Until the answer is dropped, [`Provider::describe`] and [`Provider::read`] see the document as the first of
    /// them finds it, and decrypt it once. For whoever reads many values and changes nothing; a change opens
    /// the document itself, whatever is kept.
    pub fn one_look(&self) -> OneLook<'_> {
        *self.kept() = Kept::Next;
        OneLook(self)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `ask` finds in the document; the default where there is none.
    fn look<T: Default>(&self, ask: impl FnOnce(&Document) -> T) -> Result<T, ProviderError> {
        let mut kept = self.kept();
        if matches!(*kept, Kept::Nothing) {
            drop(kept);
            return Ok(self.load()?.as_ref().map(ask).unwrap_or_default());
        }
        if matches!(*kept, Kept::Next) {
            *kept = Kept::Document(self.load()?);
        }
        Ok(match &*kept {
            Kept::Document(Some(document)) => ask(document),
            _ => T::default(),
        })
    }

    /// Where the document stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open(&self) -> Result<Option<Document>, ProviderError> {
        let sealed = match atomic::read(&self.path, DOCUMENT_BYTES_MAX) {
            Err(FileError::NotFound) => return Ok(None),
            other => other.map_err(on_file)?,
        };
        let plain = sealed::open(&sealed, &self.identities).map_err(on_sealed)?;
        let json = authentic::verified(
            &plain,
            &self.environment,
            &self.identities,
            &self.recipients,
        );
        let json = json.map_err(on_unauthentic)?;
        Document::from_json(json).map(Some).map_err(on_document)
    }

    fn load(&self) -> Result<Option<Document>, ProviderError> {
        let document = self.open()?;
        let floor = self.floor.load(Ordering::SeqCst);
        match &document {
            Some(d) if d.generation < floor => Err(invalid(
                "the document is older than the last one keyrota wrote: a copy was restored; put the newest back, or recover",
            )),
            None if floor > 0 => Err(invalid(
                "the document is gone, and keyrota has written it before; put it back, or recover; no new one was made",
            )),
            Some(d) => {
                self.raise_generation_floor(d.generation);
                Ok(document)
            }
            None => Ok(None),
        }
    }

    /// Alters the document: all of it or nothing, and nobody else meanwhile.
    fn change<T>(
        &self,
        alter: impl FnOnce(&mut Document) -> Result<Done<T>, ProviderError>,
    ) -> Result<T, ProviderError> {
        let _lock = FileLock::take(&self.lock, self.lock_attempts, LOCK_PAUSE).map_err(on_file)?;
        if let Some(dir) = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            // What a writer left that died; failing to tidy is no reason not to write.
            let _ = atomic::sweep(dir);
        }
        let mut document = self.load()?.unwrap_or_else(|| Document::new(&self.host));
        if document.host != self.host {
            return Err(foreign_document());
        }
        let done = alter(&mut document)?;
        if done.changed {
            document.generation = document.generation.checked_add(1).ok_or(NO_GENERATION)?;
            let sealed = seal(
                &document.to_json(),
                &self.environment,
                &self.identities,
                &self.recipients,
            );
            if sealed.len() > DOCUMENT_BYTES_MAX {
                return Err(invalid(
                    "the document would be larger than 64 MiB; not written",
                ));
            }
            atomic::replace(&self.path, &sealed, Options::PRIVATE).map_err(on_file)?;
            self.raise_generation_floor(document.generation);
        }
        Ok(done.answer)
    }
}

#[async_trait]
impl Provider for FileProvider {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let path = path_of(at)?;
        let document = self.load()?;
        atomic::can_replace(&self.path, Options::PRIVATE).map_err(on_file)?;
        match document {
            Some(document) if document.host != self.host => Err(foreign_document()),
            document => Ok(document.map_or_else(Vec::new, |d| d.describe(path))),
        }
    }

    /// Its reads never lag.
    fn recall(&self, _: &Place, _: keyrota_contract::Recalled<'_>) {}

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let path = path_of(at)?;
        self.look(|document| document.describe(path))
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        let path = path_of(at)?;
        self.look(|document| document.read(path, v))
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        let path = path_of(at)?;
        if !value.fits(VALUE_BYTES_MAX) {
            return Err(invalid("the value is larger than 65,536 bytes"));
        }
        self.change(|document| document.write(path, id, value, public))
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        let path = path_of(at)?;
        self.change(|document| document.promote(path, to, from))
    }

    async fn remove(&self, at: &Place, expected: &Native) -> Result<(), ProviderError> {
        let path = path_of(at)?;
        self.change(|document| document.remove(path, expected))
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        let path = path_of(at)?;
        self.change(|document| document.destroy(path, v))
    }
}

/// A document of this JSON, as a keyrota that has `ours` writes it for an environment and
/// `recipients`. The JSON ends with a line break.
pub fn seal(
    json: &[u8],
    environment: &str,
    ours: &Identities,
    recipients: &[age::x25519::Recipient],
) -> Vec<u8> {
    let signed = authentic::signed(json, environment, ours, recipients);
    sealed::seal(&signed, recipients)
}

fn path_of(at: &Place) -> Result<&str, ProviderError> {
    match at.field {
        None => Ok(&at.path),
        Some(_) => Err(invalid(
            "the file provider keeps one value per path: remove `field`",
        )),
    }
}

fn foreign_document() -> ProviderError {
    ProviderError::new(
        ErrorKind::Denied,
        "the document belongs to another host; write there, or give this host a document of its own. If this \
         host had another name when it made the document, say that name in keyrota.toml: host = \"NAME\"",
    )
}

const NO_GENERATION: ProviderError = ProviderError::new(
    ErrorKind::Invalid,
    "the document's generation is the highest number there is: restore the document that keyrota wrote last",
);

fn invalid(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, context)
}

fn on_file(e: FileError) -> ProviderError {
    let kind = match e {
        FileError::Changed | FileError::NotDurable => ErrorKind::Ambiguous,
        FileError::Denied | FileError::Protected => ErrorKind::Denied,
        e if e.may_pass() => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    };
    ProviderError::new(kind, e.sentence())
}

fn on_sealed(e: SealedError) -> ProviderError {
    invalid(e.sentence())
}

fn on_unauthentic(e: NotAuthentic) -> ProviderError {
    invalid(e.sentence())
}

fn on_document(e: DocumentError) -> ProviderError {
    invalid(e.sentence())
}

#[cfg(test)]
mod tests;
