//! What a process needs to write to the state.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::{Checkpoint, Head};
use crate::keys::Keys;

/// What a process needs to write to the state. Clones share what they remember.
#[derive(Debug, Clone)]
pub(super) struct Hand {
    pub keys: Keys,
    /// The directory of checkpoints.
    pub outside: Option<PathBuf>,
    /// The head that this process wrote last. Nobody without the process can take it back.
    last: Arc<Mutex<Option<Checkpoint>>>,
}

impl Hand {
    pub fn new(keys: &Keys, outside: Option<&Path>) -> Self {
        Self {
            keys: keys.clone(),
            outside: outside.map(Path::to_owned),
            last: Arc::default(),
        }
    }

    /// Remembers a head that was committed.
    pub fn wrote(&self, head: &Head) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Checkpoint::of(head));
    }

    /// The head that this process committed last.
    pub fn last(&self) -> Option<Checkpoint> {
        let last = self.last.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
