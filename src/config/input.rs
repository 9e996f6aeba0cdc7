//! Sensitive inputs that a file refers to: credentials, private files, variables.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keyrota_contract::SecretValue;
use keyrota_local::private::{self, Private, PrivateError};

use super::values::Reference;

/// More than any key, token or password has.
const BYTES_MAX: usize = 64 * 1024;

/// A reference that leads nowhere, or to something that is not private enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputError {
    /// `{ credential = … }` outside a service that is given credentials.
    NoCredentials,
    /// The file cannot be used.
    File(PathBuf, PrivateError),
    /// The variable is not set, or empty.
    NoVariable(String),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => f.write_str(
                "a credential is named, but CREDENTIALS_DIRECTORY is not set: start it by systemd with LoadCredential=, or name a file",
            ),
            Self::File(path, why) => write!(f, "{}: {why}", path.display()),
            Self::NoVariable(name) => write!(f, "the environment variable {name} is not set"),
        }
    }
}

impl std::error::Error for InputError {}

/// The bytes that `reference` stands for. The rule for files is that of [`keyrota_local::private`].
pub fn resolve(reference: &Reference) -> Result<SecretValue, InputError> {
    match reference {
        Reference::File(path) => from_file(path),
        Reference::Credential(name) => {
            let directory =
                std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(InputError::NoCredentials)?;
            let path = Path::new(&directory).join(name);
            taken(&path, private::read_credential(&path, BYTES_MAX))
        }
        Reference::Env(name) => match std::env::var_os(name) {
            Some(value) if !value.is_empty() => Ok(SecretValue::new(value.into_encoded_bytes())),
            _ => Err(InputError::NoVariable(name.clone())),
        },
    }
}

/// The bytes of a private file.
pub fn from_file(path: &Path) -> Result<SecretValue, InputError> {
    taken(path, private::read(path, BYTES_MAX))
}

fn taken(path: &Path, read: Result<Private, PrivateError>) -> Result<SecretValue, InputError> {
    /// A token is read at every login; one warning for each file is enough.
    static WARNED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Private { bytes, warning } = read.map_err(|why| InputError::File(path.to_owned(), why))?;
    if let Some(exposure) = warning {
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.insert(path.to_owned()) {
            tracing::warn!(file = %path.display(), "{}", exposure.sentence());
        }
    }
    Ok(SecretValue::copy_of(&bytes))
}
