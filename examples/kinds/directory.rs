//! `kind = "directory"`: a private file for each name, as clear text on this host's disk.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use keyrota::config::read::{Reader, Section};
use keyrota::config::registry::rights::Giver;
use keyrota::config::registry::{
    BuildError, Building, Built, Problem, Reading, Settings, StoreKind,
};
use keyrota::config::values::Reference;
use keyrota_contract::{ErrorKind, Flat, FlatLimits, FlatProvider, ProviderError, SecretValue};
use keyrota_local::private::{self, PrivateError};
use keyrota_local::{FileError, atomic};

pub static KIND: StoreKind = StoreKind {
    word: "directory",
    name: "a directory",
    keys: &[Keys::KEYS],
    capabilities: LIMITS.capabilities(),
    read,
};

keyrota::table! {
    struct Keys<'t> {
        /// The directory; it has to be there.
        required path: &'t str,
        /// How its files' names end.
        default(".secret") suffix: &'t str,
    }
}

fn read(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    reading: &Reading<'_>,
) -> Arc<dyn Settings> {
    let keys = Keys::read(section);
    if keys.suffix.contains('/') {
        let help = "write the end of a file's name, as in \".secret\"";
        reader.refuse(&keys.suffix, "has a slash in it", help);
    }
    Arc::new(Directory {
        path: reading.root.join(keys.path.value),
        suffix: keys.suffix.value.to_owned(),
    })
}

const LIMITS: FlatLimits = FlatLimits {
    value_bytes_max: 65_536,
    binary: true,
};

#[derive(Debug, Clone)]
struct Directory {
    path: PathBuf,
    suffix: String,
}

impl Directory {
    /// The names of two places are never those of one file.
    fn file(&self, name: &str) -> PathBuf {
        let name = name.replace('%', "%25").replace('/', "%2F");
        self.path.join(name + &self.suffix)
    }
}

impl Settings for Directory {
    fn place<'p>(&self, path: &'p str) -> (String, &'p str) {
        (self.path.display().to_string(), path)
    }

    fn path_problem(&self, path: &str) -> Option<Problem> {
        let file = self.file(path);
        let name = file.file_name().map_or(0, |name| name.len());
        // The siblings' names and the temporary file's are longer.
        (name > 200).then_some(("is too long for a file's name", "choose a shorter path"))
    }

    fn has_fields(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<&Reference> {
        Vec::new()
    }

    fn rights(&self) -> Giver<'_> {
        let path = self.path.display();
        Giver::System {
            rights: format!(
                "is a directory, and the system gives the rights: {path} has mode 0700"
            ),
            setup: vec![format!("a directory that keyrota may write: {path}")],
        }
    }

    fn build(&self, _: &Building<'_>) -> Result<Built, BuildError> {
        Ok(Built::Store(Arc::new(FlatProvider::new(
            self.clone(),
            LIMITS,
        ))))
    }
}

#[async_trait]
impl Flat for Directory {
    async fn get(&self, name: &str) -> Result<Option<SecretValue>, ProviderError> {
        match private::read(&self.file(name), LIMITS.value_bytes_max) {
            Ok(read) => Ok(Some(SecretValue::copy_of(&read.bytes))),
            Err(PrivateError::File(FileError::NotFound)) if self.path.is_dir() => Ok(None),
            Err(PrivateError::File(why)) => Err(failed(why)),
            Err(PrivateError::Way(_)) => Err(failed(FileError::Exposed)),
        }
    }

    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), ProviderError> {
        let put = |bytes: &[u8]| atomic::replace(&self.file(name), bytes, atomic::Options::PRIVATE);
        value.expose_to(put).map_err(failed)
    }

    async fn delete(&self, name: &str) -> Result<(), ProviderError> {
        match std::fs::remove_file(self.file(name)) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(failed(FileError::Io)),
            _ => Ok(()),
        }
    }
}

fn failed(why: FileError) -> ProviderError {
    let kind = match why {
        FileError::Changed | FileError::NotDurable => ErrorKind::Ambiguous,
        why if why.may_pass() => ErrorKind::Unavailable,
        _ => ErrorKind::Denied,
    };
    ProviderError::new(kind, why.sentence())
}

#[cfg(test)]
mod tests {
    use keyrota_contract::testing::Subject;

    use super::*;

    async fn subject() -> Subject {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Directory {
            path: dir.path().to_owned(),
            suffix: ".secret".to_owned(),
        };
        Subject::new(FlatProvider::new(store, LIMITS), "development").keeping(dir)
    }

    keyrota_contract::conformance!(self::subject);
}
