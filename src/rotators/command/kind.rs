//! `kind = "command"` of a secret in a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Rotator;

use super::super::random::kind::{self as random, Drawn};
use super::{Command, Settings, Slots};
use crate::config::keys::{TURNS, WHEN_ABSENT};
use crate::config::read::{Reader, Section};
use crate::config::registry::{
    BuildingSecret, NOT_TAKEN, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
    Use,
};
use crate::{table, words};

/// Whatever a program changes.
pub static KIND: SecretKind = SecretKind {
    word: "command",
    keys: &[Keys::KEYS, random::Keys::KEYS, TURNS, WHEN_ABSENT],
    read,
};

table! {
    struct Keys<'t> {
        /// The program that changes it, and its arguments; no shell.
        required argv: Vec<&'t str>,
        /// Whether its target accepts the old and the new value at once.
        required slots: Slots,
        /// The longest one call may take.
        default("30s") timeout: Duration,
        /// The external secrets that the program needs beside its own.
        optional uses: Vec<&'t str>,
    }
}

words!(Slots {
    "dual" => Self::Dual,
    "single" => Self::Single,
});

const TIMEOUT_MAX: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Stated {
    argv: Vec<String>,
    slots: Slots,
    timeout: Duration,
    drawn: Drawn,
    uses: Vec<String>,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, _: &ReadingSecret<'_>) -> SecretRead {
    let keys = Keys::read(s);
    let absolute = keys.argv.first().is_some_and(|p| p.starts_with('/'));
    if keys.argv.is_stated && !absolute {
        let help =
            "write argv = [\"/usr/local/lib/keyrota/redis-acl\"]: an absolute path, no shell";
        let what = "does not begin with the path of a program";
        reader.refuse(&keys.argv, what, help);
    }
    let timeout = *keys.timeout;
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        reader.refuse(&keys.timeout, "is not between 1s and 10m", "write \"30s\"");
    }
    let drawn = random::drawn(reader, s);
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let uses: Vec<String> = texts(keys.uses.as_deref().unwrap_or_default());
    let used = uses.iter().map(|secret| Use {
        secret: secret.clone(),
        key: "uses",
        spot: keys.uses.spot,
        has_user: false,
    });
    let facts = SecretFacts {
        uses: used.collect(),
        program: Some(timeout),
        ..SecretFacts::new(&["value"], drawn.rule())
    };
    let settings = Stated {
        argv: texts(&keys.argv),
        slots: *keys.slots,
        timeout,
        drawn,
        uses,
    };
    SecretRead {
        facts,
        settings: Arc::new(settings),
    }
}

impl SecretSettings for Stated {
    fn build(&self, how: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        let (environment, secret) = (how.environment, how.secret);
        let command = Command::new(Settings {
            environment: environment.to_owned(),
            secret: secret.to_owned(),
            argv: self.argv.clone(),
            slots: self.slots,
            timeout: self.timeout,
            length: self.drawn.length,
            alphabet: self.drawn.alphabet.clone(),
            uses: self.uses.clone(),
            lock: how
                .locks
                .map(|dir| dir.join(format!("{environment}.{secret}.lock"))),
        });
        Ok(Box::new(command.map_err(|_| NOT_TAKEN)?))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        Vec::new()
    }
}
