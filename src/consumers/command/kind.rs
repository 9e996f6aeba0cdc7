//! `kind = "command"` in the consumers of a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Consumer;

use super::{CommandConfig, CommandConsumer};
use crate::config::keys::{Key, TEXTS, Ty, may, must};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, ForSecret, Readers,
};

/// Calls a program.
pub static KIND: ConsumerKind = ConsumerKind {
    word: "command",
    keys: &[KEYS],
    read,
};

const KEYS: &[Key] = &[
    must(
        "argv",
        TEXTS,
        "The program (absolute) and its arguments; no shell.",
    ),
    may(
        "timeout",
        Ty::Duration,
        "How long it may take; 30s when absent.",
    ),
    may(
        "value",
        Ty::Flag,
        "Whether its standard input holds the values too.",
    ),
];

fn read(reader: &mut Reader<'_>, s: &Section<'_>, of: &ForSecret<'_>) -> ConsumerRead {
    let argv: Vec<String> = s.texts("argv").into_iter().map(str::to_owned).collect();
    let (spot, at) = (s.spot_of("argv"), join(&s.at, "argv"));
    let program = argv.first().map(String::as_str);
    if s.get("argv").is_some() && !program.is_some_and(|p| p.starts_with('/')) {
        let help =
            "write [\"/full/path/to/program\", \"argument\"]: it is found without a search path";
        reader.error(
            spot,
            &at,
            "has to begin with the full path of a program",
            help,
        );
    }
    let shell = program.is_some_and(|p| {
        ["/sh", "/bash", "/dash", "/zsh"]
            .iter()
            .any(|shell| p.ends_with(shell))
    });
    if shell
        && argv
            .get(1)
            .is_some_and(|a| a.starts_with('-') && a.contains('c'))
    {
        let help = "name a program; what it has to know is JSON on its standard input";
        reader.error(
            spot,
            &at,
            "is a shell with a line of text: there is no shell here",
            help,
        );
    }
    if argv.iter().any(|a| {
        a.contains("{value}") || a.contains("{{value}}") || a.contains("${") || a.contains('\0')
    }) {
        reader.error(
            spot,
            &at,
            "values are never arguments: everyone on the host can read those",
            "write value = true: values are on standard input then",
        );
    }
    let timeout = s.duration("timeout").unwrap_or(Duration::from_secs(30));
    if timeout.is_zero() || timeout > Duration::from_secs(600) {
        reader.error(
            s.spot_of("timeout"),
            &join(&s.at, "timeout"),
            "is not between 1s and 10m",
            "write \"30s\"",
        );
    }
    let value = s.flag("value").unwrap_or(false);
    let facts = ConsumerFacts {
        at: argv.join(" "),
        definition: format!("{argv:?} {value}"),
        variables: of.env.to_vec(),
        key_set: of.secret.has_public_key(),
        readers: Readers::Notified,
        skips_known: true,
        file: None,
        time_limit: Some(timeout),
        setup: format!(
            "a program that keyrota may run: {}",
            argv.first().map_or("", String::as_str)
        ),
    };
    let config = CommandConfig {
        argv,
        value,
        timeout,
    };
    ConsumerRead {
        facts,
        settings: Arc::new(config),
    }
}

impl ConsumerSettings for CommandConfig {
    fn build(&self) -> Result<Box<dyn Consumer>, &'static str> {
        Ok(Box::new(CommandConsumer::new(self.clone())?))
    }
}
