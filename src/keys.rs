//! The host's seed and the two keys derived from it.
#![allow(unused_variables, missing_docs, clippy::todo)]
use std::path::Path;

use keyrota_contract::{Entropy, SecretValue};

pub struct Seed(());
pub struct Keys(());
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysError(());
impl Seed {
    pub fn read(path: &Path) -> Result<Self, KeysError> {
        todo!()
    }
    pub fn from_credential(value: &SecretValue) -> Result<Self, KeysError> {
        todo!()
    }
    pub fn generate(entropy: &mut dyn Entropy) -> Self {
        todo!()
    }
    /// For writing the file.
    pub fn expose_to<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        todo!()
    }
    pub fn keys(&self) -> Keys {
        todo!()
    }
}
impl Keys {
    pub fn id(&self) -> &str {
        todo!()
    }
    /// `hfp1:<kid>:…`
    pub fn fingerprint(&self, env: &str, secret: &str, value: &SecretValue) -> String {
        todo!()
    }
    pub fn public(&self) -> [u8; 32] {
        todo!()
    }
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        todo!()
    }
}
