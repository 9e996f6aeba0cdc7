//! `kind = "jwks"` in a schedule.

use std::path::PathBuf;
use std::sync::Arc;

use keyrota_contract::Consumer;

use super::super::written;
use super::JwksFile;
use crate::config::read::{Mode, Owner, Reader, Section};
use crate::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, ForSecret, Readers, Sharing,
    WrittenFile,
};
use crate::table;

/// Writes the public key set into a file.
pub static KIND: ConsumerKind = ConsumerKind {
    word: "jwks",
    keys: &[Keys::KEYS],
    read,
};

table! {
    struct Keys<'t> {
        /// The file that holds the public set.
        required path: &'t str,
        /// Who owns it.
        optional owner: Owner<'t>,
        /// Its permission bits.
        default("0644") mode: Mode,
    }
}

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
    let keys = Keys::read(s);
    let config = Config {
        path: written::path(reader, &keys.path, of.root),
        mode: written::mode(reader, &keys.mode, "0644", false),
        owner: keys.owner.map(|owner| owner.0.to_owned()),
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
