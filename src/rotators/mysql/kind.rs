//! `kind = "mysql"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;

use super::super::database::Settings;
use super::super::database::keys::{self, Words};
use super::{Mysql, setup_sql};
use crate::config::keys::TURNS;
use crate::config::read::{Reader, Section};
use crate::config::registry::{
    BuildingSecret, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
};

/// The credentials of a MySQL or MariaDB database.
pub static KIND: SecretKind = SecretKind {
    word: "mysql",
    keys: &[keys::Keys::KEYS, TURNS],
    read,
};

const WORDS: Words = Words {
    schemes: &["mysql", "mariadb"],
    port: 3306,
    // MySQL refuses longer ones; MariaDB takes 128 bytes.
    name_bytes_max: 32,
    always_gap: false,
};

#[derive(Debug)]
struct Stated(Settings);

fn read(reader: &mut Reader<'_>, s: &Section<'_>, around: &ReadingSecret<'_>) -> SecretRead {
    let (facts, settings) = keys::read(reader, s, around, &WORDS);
    SecretRead {
        facts: SecretFacts {
            tries_value_first: true,
            ..facts
        },
        settings: Arc::new(Stated(settings)),
    }
}

impl SecretSettings for Stated {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        Ok(Box::new(Mysql::new(self.0.clone())))
    }

    fn setup(&self, owner: bool) -> Vec<String> {
        setup_sql(&self.0, owner)
    }
}
