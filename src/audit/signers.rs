//! Whose signatures and MACs are believed.

use uuid::Uuid;

use super::{Checkpoint, NoteError, VerifyingKey, Vouch};
use crate::keys::Keys;

/// Whose signatures and MACs are believed.
#[derive(Debug, Clone)]
pub struct Signers {
    who: Who,
    vouch: Option<Vouch>,
}

#[derive(Debug, Clone)]
enum Who {
    /// Keys that somebody gave.
    Given(Vec<VerifyingKey>),
    /// This host's own key, in whatever log.
    Own([u8; 32]),
}

impl Signers {
    /// Public keys that somebody gave: they say nothing of MACs.
    pub fn given(keys: Vec<VerifyingKey>) -> Self {
        Self {
            who: Who::Given(keys),
            vouch: None,
        }
    }

    /// This host's own keys.
    pub fn own(keys: &Keys) -> Self {
        Self {
            who: Who::Own(keys.public()),
            vouch: Some(Vouch::of(keys)),
        }
    }

    /// The key of the MACs, where the seed is at hand.
    pub fn vouch(&self) -> Option<&Vouch> {
        self.vouch.as_ref()
    }

    /// Reads a note that should be about `log`.
    pub fn judge(&self, note: &str, log: Uuid) -> Result<Checkpoint, NoteError> {
        match &self.who {
            Who::Given(keys) => Checkpoint::verify(note, keys),
            Who::Own(public) => {
                // Signed by us and about another log is worse than signed by a stranger.
                let named = note.lines().next().and_then(|l| l.strip_prefix("keyrota/"));
                let named = named.and_then(|id| Uuid::parse_str(id).ok());
                let logs = [Some(log), named.filter(|id| *id != log)];
                let keys = logs.into_iter().flatten();
                let keys: Vec<_> = keys.map(|id| VerifyingKey::new(id, *public)).collect();
                Checkpoint::verify(note, &keys)
            }
        }
    }
}
