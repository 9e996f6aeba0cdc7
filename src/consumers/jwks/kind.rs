//! `kind = "jwks"` in a schedule.

use std::path::PathBuf;
use std::sync::Arc;

use keyrota_contract::Consumer;

use super::super::written;
use super::JwksFile;
use crate::config::keys::{Key, Ty, may, must};
use crate::config::read::{Reader, Section};
use crate::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, ForSecret, Readers, Sharing,
    WrittenFile,
};

/// Writes the public key set into a file.
pub static KIND: ConsumerKind = ConsumerKind {
    word: "jwks",
    keys: &[KEYS],
    read,
};

const KEYS: &[Key] = &[
    must("path", Ty::Text, "The file that holds the public set."),
    may("owner", Ty::Owner, "Who owns it."),
    may("mode", Ty::Mode, "Its permission bits; 0644 when absent."),
];

#[derive(Debug)]
struct Config {
    path: PathBuf,
    mode: u32,
    owner: Option<String>,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, of: &ForSecret<'_>) -> ConsumerRead {
    if !of.secret.has_public_key() {
        let help = "remove it; only jwt keys of RS256, ES256 and EdDSA have a public part";
        reader.error(
            s.spot,
            &s.at,
            "there is nothing to publish: this key has no public part",
            help,
        );
    }
    let config = Config {
        path: written::path(reader, s, of.root),
        mode: written::mode(reader, s, 0o644, false),
        owner: s.text("owner").map(str::to_owned),
    };
    let facts = ConsumerFacts {
        at: config.path.display().to_string(),
        definition: format!("{:?} {:o}", config.owner, config.mode),
        variables: Vec::new(),
        key_set: true,
        readers: Readers::Verifiers,
        skips_known: false,
        file: Some(WrittenFile {
            path: config.path.clone(),
            sharing: Sharing::Never,
        }),
        time_limit: None,
        setup: written::setup(&config.path),
    };
    ConsumerRead {
        facts,
        settings: Arc::new(config),
    }
}

impl ConsumerSettings for Config {
    fn build(&self) -> Result<Box<dyn Consumer>, &'static str> {
        let (path, owner) = (self.path.clone(), self.owner.as_deref());
        Ok(Box::new(JwksFile::new(path, Some(self.mode), owner)?))
    }
}
