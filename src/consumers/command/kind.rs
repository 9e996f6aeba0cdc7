//! `kind = "command"` in the consumers of a schedule.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Consumer;

use super::{CommandConfig, CommandConsumer};
use crate::config::read::{Reader, Section};
use crate::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, ForSecret, Readers,
};
use crate::table;

/// Calls a program.
pub static KIND: ConsumerKind = ConsumerKind {
    word: "command",
    keys: &[Keys::KEYS],
    read,
};

table! {
    struct Keys<'t> {
        /// The program (absolute) and its arguments; no shell.
        required argv: Vec<&'t str>,
        /// How long it may take.
        default("30s") timeout: Duration,
        /// Whether its standard input holds the values too.
        default("false") value: bool,
    }
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, of: &ForSecret<'_>) -> ConsumerRead {
    let keys = Keys::read(s);
    let argv = &*keys.argv;
    let program = argv.first();
    if keys.argv.is_stated && !program.is_some_and(|p| p.starts_with('/')) {
        let help =
            "write [\"/full/path/to/program\", \"argument\"]: it is found without a search path";
        reader.refuse(
            &keys.argv,
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
        reader.refuse(
            &keys.argv,
            "is a shell with a line of text: there is no shell here",
            help,
        );
    }
    if argv.iter().any(|a| {
        a.contains("{value}") || a.contains("{{value}}") || a.contains("${") || a.contains('\0')
    }) {
        reader.refuse(
            &keys.argv,
            "values are never arguments: everyone on the host can read those",
            "write value = true: values are on standard input then",
        );
    }
    let timeout = *keys.timeout;
    if timeout.is_zero() || timeout > Duration::from_secs(600) {
        reader.refuse(&keys.timeout, "is not between 1s and 10m", "write \"30s\"");
    }
    let value = *keys.value;
    let argv: Vec<String> = argv.iter().map(|text| (*text).to_owned()).collect();
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
