//! Sensitive inputs that a file refers to: credentials, private files, variables.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use keyrota_contract::SecretValue;
use keyrota_local::{FileError, atomic};

use crate::config::model::Reference;

/// More than any key, token or password has.
const BYTES_MAX: usize = 64 * 1024;
/// More than any signed token has.
const JWT_BYTES_MAX: usize = 16 * 1024;

/// A reference that leads nowhere, or to something that is not private enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputError {
    /// `{ credential = … }` outside a service that is given credentials.
    NoCredentials,
    /// The file cannot be used.
    File(PathBuf, FileError),
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

/// The bytes that `reference` stands for. A file must be 0600 or 0400 and ours; a credential is
/// guarded by whoever passed it.
pub fn resolve(reference: &Reference) -> Result<SecretValue, InputError> {
    match reference {
        Reference::File(path) => from_file(path),
        Reference::Credential(name) => {
            let directory =
                std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(InputError::NoCredentials)?;
            let path = Path::new(&directory).join(name);
            match atomic::read_credential(&path, BYTES_MAX) {
                Ok(bytes) => Ok(SecretValue::copy_of(&bytes)),
                Err(why) => Err(InputError::File(path, why)),
            }
        }
        Reference::Env(name) => match std::env::var_os(name) {
            Some(value) if !value.is_empty() => Ok(SecretValue::new(value.into_encoded_bytes())),
            _ => Err(InputError::NoVariable(name.clone())),
        },
    }
}

/// The bytes of a private file.
pub fn from_file(path: &Path) -> Result<SecretValue, InputError> {
    match atomic::read_private(path, BYTES_MAX) {
        Ok(bytes) => Ok(SecretValue::copy_of(&bytes)),
        Err(why) => Err(InputError::File(path.to_owned(), why)),
    }
}

/// A signed token: guarded by whoever puts it there: Kubernetes makes it a link that all of its pod may read.
pub fn signed_token(file: &Path) -> std::io::Result<SecretValue> {
    let mut bytes = Vec::with_capacity(JWT_BYTES_MAX);
    let limit = JWT_BYTES_MAX as u64;
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(SecretValue::new(bytes))
}
