//! `kind = "postgres"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;

use super::super::database::Settings;
use super::super::database::keys::{self, Words};
use super::{Postgres, setup};
use crate::config::keys::{Key, TEXTS, TURNS, may};
use crate::config::read::{Reader, Section};
use crate::config::registry::{
    BuildingSecret, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
};

/// The credentials of a Postgres database.
pub static KIND: SecretKind = SecretKind {
    word: "postgres",
    keys: &[keys::KEYS, KEYS, TURNS],
    read,
};

const KEYS: &[Key] = &[may(
    "require_auth",
    TEXTS,
    "How the server may ask for a password: scram-sha-256, md5, password; scram-sha-256 alone when absent.",
)];

const WORDS: Words = Words {
    schemes: &["postgres", "postgresql"],
    port: 5432,
    // PostgreSQL cuts longer names off.
    name_bytes_max: 63,
    always_gap: true,
};

#[derive(Debug)]
struct Stated(Settings);

fn read(reader: &mut Reader<'_>, s: &Section<'_>, around: &ReadingSecret<'_>) -> SecretRead {
    let (facts, settings) = keys::read(reader, s, around, &WORDS);
    SecretRead {
        facts: SecretFacts {
            tries_value_first: false,
            ..facts
        },
        settings: Arc::new(Stated(settings)),
    }
}

impl SecretSettings for Stated {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        Ok(Box::new(Postgres::new(self.0.clone())))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        setup::setup_sql(&self.0)
    }
}
