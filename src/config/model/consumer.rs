//! Consumers: who is told.

use std::sync::Arc;

use super::super::registry::{ConsumerFacts, ConsumerKind, ConsumerSettings};
use super::Spot;

/// One `[[secrets.<name>.consumers]]`.
#[derive(Debug, Clone)]
pub struct Consumer {
    /// What it is.
    pub kind: &'static ConsumerKind,
    /// What its kind says of it.
    pub facts: ConsumerFacts,
    /// What it is built from.
    pub settings: Arc<dyn ConsumerSettings>,
    /// Whether the rotation waits for its acknowledgement.
    pub required: bool,
    /// Where it stands.
    pub spot: Spot,
}

impl Consumer {
    /// Its name in the state: stable as long as it is told in the same place.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind.word, self.facts.at)
    }
}
