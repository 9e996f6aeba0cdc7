//! `kind = "postgres"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;

use super::super::database::keys::{self, Words};
use super::super::database::{Method, Settings};
use super::{Postgres, setup};
use crate::config::keys::TURNS;
use crate::config::read::{Field, Reader, Section};
use crate::config::registry::{
    BuildingSecret, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
};
use crate::table;

/// The credentials of a Postgres database.
pub static KIND: SecretKind = SecretKind {
    word: "postgres",
    keys: &[keys::Keys::KEYS, Keys::KEYS, TURNS],
    read,
};

table! {
    struct Keys<'t> {
        /// How the server may ask for a password: scram-sha-256, md5, password; scram-sha-256 alone when absent.
        optional require_auth: Vec<&'t str>,
    }
}

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
        settings: Arc::new(Stated(Settings {
            methods: methods(reader, &Keys::read(s).require_auth),
            ..settings
        })),
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

/// How the server may be sure of a user; by SCRAM alone when the file says nothing.
fn methods(reader: &mut Reader<'_>, stated: &Field<Option<Vec<&str>>>) -> Vec<Method> {
    let Some(words) = &stated.value else {
        return vec![Method::Scram];
    };
    let help = "write require_auth = [\"scram-sha-256\"], and \"md5\" or \"password\" only where a server has nothing better";
    let mut allowed = Vec::new();
    for (i, word) in words.iter().enumerate() {
        match *word {
            "scram-sha-256" => allowed.push(Method::Scram),
            "md5" => allowed.push(Method::Md5),
            "password" => allowed.push(Method::Password),
            _ => {
                let at = format!("{}[{i}]", stated.at);
                reader.error(stated.spot, &at, "is no way to log in", help);
            }
        }
    }
    if words.is_empty() {
        reader.refuse(stated, "allows no way to log in", help);
    }
    allowed
}
