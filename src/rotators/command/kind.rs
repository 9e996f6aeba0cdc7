//! `kind = "command"` of a secret in a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Rotator;

use super::super::random::kind::{self as random, Drawn};
use super::{Command, Settings, Slots};
use crate::config::keys::{Key, TEXTS, TURNS, Ty, WHEN_ABSENT, may, must};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::{
    BuildingSecret, NOT_TAKEN, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
    Use,
};

/// Whatever a program changes.
pub static KIND: SecretKind = SecretKind {
    word: "command",
    keys: &[KEYS, random::KEYS, TURNS, WHEN_ABSENT],
    read,
};

const KEYS: &[Key] = &[
    must(
        "argv",
        TEXTS,
        "The program that changes it, and its arguments; no shell.",
    ),
    must(
        "slots",
        Ty::Word(&["dual", "single"]),
        "Whether its target accepts the old and the new value at once.",
    ),
    may(
        "timeout",
        Ty::Duration,
        "The longest one call may take; 30s when absent.",
    ),
    may(
        "uses",
        TEXTS,
        "The external secrets that the program needs beside its own.",
    ),
];

/// The longest one call of a program may take when the file does not say.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_TIMEOUT_MAX: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Stated {
    argv: Vec<String>,
    slots: Slots,
    timeout: Duration,
    drawn: Drawn,
    uses: Vec<String>,
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, _: &ReadingSecret<'_>) -> SecretRead {
    let argv: Vec<String> = s.texts("argv").into_iter().map(str::to_owned).collect();
    let absolute = argv.first().is_some_and(|program| program.starts_with('/'));
    if s.get("argv").is_some() && !absolute {
        let help =
            "write argv = [\"/usr/local/lib/keyrota/redis-acl\"]: an absolute path, no shell";
        reader.error(
            s.spot_of("argv"),
            &join(&s.at, "argv"),
            "does not begin with the path of a program",
            help,
        );
    }
    let timeout = s.duration("timeout").unwrap_or(COMMAND_TIMEOUT);
    if timeout.is_zero() || timeout > COMMAND_TIMEOUT_MAX {
        reader.error(
            s.spot_of("timeout"),
            &join(&s.at, "timeout"),
            "is not between 1s and 10m",
            "write \"30s\"",
        );
    }
    let drawn = random::drawn(reader, s);
    let uses: Vec<String> = s.texts("uses").into_iter().map(str::to_owned).collect();
    let used = uses.iter().map(|secret| Use {
        secret: secret.clone(),
        key: "uses",
        spot: s.spot_of("uses"),
        has_user: false,
    });
    let facts = SecretFacts {
        uses: used.collect(),
        program: Some(timeout),
        ..SecretFacts::new(&["value"], drawn.rule())
    };
    let settings = Stated {
        argv,
        slots: match s.text("slots") {
            Some("single") => Slots::Single,
            _ => Slots::Dual,
        },
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
