//! What is kept outside the state, and what a person left in it for another process.

use std::io;

use super::{Holder, StateError, Store};
use crate::audit::anchors;

/// What a person left in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A host with the seed wrote it.
    Genuine(String),
    /// Another program changed it, put it back or took it away: keyrota does not follow it.
    Forged,
    /// This process has no keys, so it cannot tell: it does not follow it either.
    Unproven,
}

impl Store {
    /// Keeps a signed note outside the database, in this host's file of checkpoints.
    pub fn keep(&self, who: &Holder, note: &str) -> io::Result<()> {
        match self.hand.as_ref().and_then(|hand| hand.outside.as_deref()) {
            Some(outside) => anchors::append(outside, &who.host, note),
            None => Ok(()),
        }
    }

    /// The same. What was committed stands whether or not this works, so a failure is logged.
    pub fn try_keep(&self, who: &Holder, note: Option<&str>) {
        if let Some(note) = note
            && let Err(why) = self.keep(who, note)
        {
            tracing::warn!(%why, "the checkpoint could not be kept outside the database");
        }
    }

    /// The request that [`Store::ask`] stored under `key`.
    pub async fn asked(&self, key: &str) -> Result<Option<Asked>, StateError> {
        Ok(match self.fact(key).await {
            Err(StateError::Altered(_)) => Some(Asked::Forged),
            left => left?.map(|value| match &self.hand {
                Some(_) => Asked::Genuine(value),
                None => Asked::Unproven,
            }),
        })
    }
}
