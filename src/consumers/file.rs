//! Files that programs read: environment files, JSON objects, files that hold one value.
//!
//! Only the variables of the delivery change; what else stands in the file survives byte for byte
//! (see `envfile` and `jsonfile` for the exact forms). The file is replaced whole, so that whoever
//! reads it, at any moment, sees all of the old content or all of the new.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use keyrota_contract::{Ack, Consumer, Delivery, DeliveryError, Variable};
use zeroize::Zeroizing;

use super::envfile::{self, Dialect};
use super::failure::file_failed;
use super::jsonfile;
use super::owner::Owner;
use keyrota_local::atomic::{self, Looks, Options};
use keyrota_local::in_place;
use keyrota_local::{FileError, FileLock};

mod kind;
pub use kind::KIND;

/// What stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For `EnvironmentFile=`.
    Systemd,
    /// For shells and dotenv libraries.
    Dotenv,
    /// For `docker run --env-file`, which knows no quotes: values of one line only.
    Docker,
    /// The one value and nothing else, without a line break behind it.
    Raw,
    /// One JSON object of texts.
    Json,
}

/// Where and how a file is written.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// Absolute; its directory exists.
    pub path: PathBuf,
    /// What stands in it.
    pub format: Format,
    /// Permission bits; nobody but owner and group may have any.
    pub mode: u32,
    /// `user`, `user:group` or numbers; `None`: the user that runs keyrota, or root where root's file lies there.
    pub owner: Option<String>,
    /// Whether the secret's values have several lines (PEM), so that a format that cannot hold
    /// them is refused before anything is made.
    pub multi_line: bool,
    /// Whether the file is overwritten where it is, for one that cannot be replaced. Not atomic.
    pub in_place: bool,
}

/// Writes values into a file.
#[derive(Debug)]
pub struct FileConsumer {
    config: FileConfig,
    owner: Option<Owner>,
}

impl FileConsumer {
    /// A consumer; whether it can write shows in its preflight.
    ///
    /// # Errors
    /// A sentence about the configuration: a relative path, a mode that lets everybody read, an
    /// owner that is not `user` or `user:group`.
    pub fn new(config: FileConfig) -> Result<Self, &'static str> {
        if !config.path.is_absolute() || config.path.file_name().is_none() {
            return Err("the path of a file consumer is absolute and names a file");
        }
        if config.mode & !0o770 != 0 || config.mode & 0o400 == 0 {
            return Err(
                "the mode of a file with values is 0600, or 0640 for a group; nothing for others",
            );
        }
        let owner = match &config.owner {
            None => None,
            Some(text) => Some(Owner::parse(text).ok_or("owner is \"user\" or \"user:group\"")?),
        };
        Ok(Self { config, owner })
    }

    fn owner(&self) -> Result<Option<(u32, u32)>, DeliveryError> {
        self.owner.as_ref().map(Owner::known).transpose()
    }

    fn options(&self, owner: Option<(u32, u32)>) -> Options {
        let mode = self.config.mode;
        Options { mode, owner }
    }

    async fn write(&self, content: Content, options: Options) -> Result<(), DeliveryError> {
        let path = self.config.path.clone();
        if !self.config.in_place {
            return blocking(move || atomic::replace(&path, &content, options)).await;
        }
        // Behind an environment file or JSON an empty line means nothing; behind a raw value it might.
        let padding = (self.config.format != Format::Raw).then_some(b'\n');
        blocking(move || in_place::overwrite(&path, &content, options, padding)).await
    }

    /// The new content; `None` for a file that is not to be there.
    fn render(
        &self,
        old: Option<&[u8]>,
        variables: &[Variable],
    ) -> Result<Option<Content>, DeliveryError> {
        if let Format::Raw = self.config.format {
            let [variable] = variables else {
                return Err(DeliveryError::Refused(
                    "a raw file holds one value; name one variable in keys",
                ));
            };
            let copy = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
            return Ok(variable.value.as_ref().map(|value| value.expose_to(copy)));
        }
        if old.is_none() && variables.iter().all(|v| v.value.is_none()) {
            return Ok(None);
        }
        let mut content = Zeroizing::new(old.unwrap_or_default().to_vec());
        for Variable { name, value } in variables {
            content = match value {
                None => self.set(&content, name, None),
                Some(value) => value.expose_to(|bytes| self.set(&content, name, Some(bytes))),
            }
            .map_err(DeliveryError::Refused)?;
        }
        Ok(Some(content))
    }

    fn set(
        &self,
        content: &[u8],
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<Content, &'static str> {
        match dialect(self.config.format) {
            Some(dialect) => envfile::set(dialect, content, name, value).map_err(|e| e.sentence()),
            None => {
                let text = value.map(std::str::from_utf8).transpose();
                let text =
                    text.map_err(|_| "the value is not UTF-8 text, which is all JSON can hold")?;
                jsonfile::set(content, name, text).map_err(|e| e.sentence())
            }
        }
    }

    /// Whether what stands there can be edited.
    fn check(&self, old: &[u8]) -> Result<(), &'static str> {
        match (self.config.format, dialect(self.config.format)) {
            (Format::Raw, _) => Ok(()),
            (_, Some(dialect)) => envfile::check(dialect, old).map_err(|e| e.sentence()),
            (_, None) => jsonfile::check(old).map_err(|e| e.sentence()),
        }
    }
}

#[async_trait]
impl Consumer for FileConsumer {
    async fn preflight(&self) -> Result<(), DeliveryError> {
        if self.config.multi_line && self.config.format == Format::Docker {
            return Err(DeliveryError::Refused(
                envfile::EditError::LineBreak.sentence(),
            ));
        }
        self.owner.as_ref().map_or(Ok(()), Owner::preflight)?;
        let path = self.config.path.clone();
        let owner = self.owner()?;
        let (options, in_place) = (self.options(owner), self.config.in_place);
        let old = blocking(move || {
            match in_place {
                true => in_place::can_overwrite(&path, options)?,
                false => atomic::can_replace(&path, options)?,
            }
            // Every delivery makes it; one that is under way may hold it.
            let lock = FileLock::try_take(&lock_path(&path));
            Ok((lock.map(drop), read(&path, owner)?))
        })
        .await?;
        let old = match old {
            (Err(FileError::ReadOnly | FileError::Denied | FileError::Protected), _) => {
                return Err(DeliveryError::Refused(NO_LOCK));
            }
            (Err(e), _) => return Err(file_failed(e)),
            (Ok(()), old) => old,
        };
        old.map_or(Ok(()), |(old, _)| {
            self.check(&old).map_err(DeliveryError::Refused)
        })
    }

    async fn deliver(&self, d: &Delivery<'_>) -> Result<Ack, DeliveryError> {
        let owner = self.owner()?;
        // Another secret's delivery may edit the same file, here or in another process.
        let _lock = lock(&self.config.path).await?;
        let path = self.config.path.clone();
        let old = blocking(move || read(&path, owner)).await?;
        let new = self.render(
            old.as_ref().map(|(content, _)| content.as_slice()),
            &d.exposure.variables,
        )?;

        let path = self.config.path.clone();
        let (content, as_stated) = match (new, &old) {
            (None, None) => return Ok(Ack::Unchanged),
            // A name that cannot be replaced cannot be removed either.
            (None, Some((old, _))) if self.config.in_place => (Content::default(), old.is_empty()),
            (None, Some(_)) => {
                blocking(move || atomic::remove(&path, owner)).await?;
                return Ok(Ack::Told);
            }
            (Some(content), None) => (content, false),
            (Some(content), Some((old, looks))) => {
                let same = *content == **old
                    && looks.mode == self.config.mode
                    && owner.is_none_or(|o| o == looks.owner);
                (content, same)
            }
        };
        if as_stated {
            return Ok(Ack::Unchanged);
        }
        self.write(content, self.options(owner)).await?;
        Ok(Ack::Told)
    }
}

type Content = Zeroizing<Vec<u8>>;

fn dialect(format: Format) -> Option<Dialect> {
    match format {
        Format::Systemd => Some(Dialect::Systemd),
        Format::Dotenv => Some(Dialect::Dotenv),
        Format::Docker => Some(Dialect::Docker),
        Format::Raw | Format::Json => None,
    }
}

fn read(path: &Path, owner: Option<(u32, u32)>) -> Result<Option<(Content, Looks)>, FileError> {
    match atomic::read_target(path, FILE_BYTES_MAX, owner) {
        Err(FileError::NotFound) => Ok(None),
        other => other.map(Some),
    }
}

/// Disks can be slow: their time is not the other deliveries'.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, DeliveryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(file_failed),
        Err(_) => Err(DeliveryError::Retry(
            "the file was not written: keyrota is stopping",
        )),
    }
}

/// Keeps other editors of this file out until dropped, for milliseconds.
async fn lock(path: &Path) -> Result<FileLock, DeliveryError> {
    let path = lock_path(path);
    for _ in 0..LOCK_ATTEMPTS {
        if let Some(lock) = FileLock::try_take(&path).map_err(file_failed)? {
            return Ok(lock);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(DeliveryError::Retry(
        "another keyrota holds the lock of the file",
    ))
}

/// `.NAME.keyrota.lock` beside the file: everybody who edits it finds the same one.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".keyrota.lock");
    path.with_file_name(name)
}

const NO_LOCK: &str = "keyrota keeps a lock, .NAME.keyrota.lock, beside the file NAME, and cannot make it; let keyrota's user write to the directory";

/// Kernels take no more than this in a program's environment by default.
const FILE_BYTES_MAX: usize = 2 << 20;
/// Ten seconds in all.
const LOCK_ATTEMPTS: u32 = 400;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests;
