//! `kind = "file"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Consumer;

use super::super::written;
use super::{FileConfig, FileConsumer, Format};
use crate::config::keys::{Key, Ty, may, must};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, Entries, ForSecret, Lines,
    Readers, Sharing, WrittenFile,
};
use crate::config::templates::templates;

/// Writes values into a file.
pub static KIND: ConsumerKind = ConsumerKind {
    word: "file",
    keys: &[KEYS],
    read,
};

const KEYS: &[Key] = &[
    must("path", Ty::Text, "The file."),
    must(
        "format",
        Ty::Word(&["systemd", "dotenv", "docker", "raw", "json"]),
        "Its dialect.",
    ),
    may(
        "keys",
        Ty::Map(&Ty::Template),
        "What is written; the secret's variables when absent.",
    ),
    may("owner", Ty::Owner, "Who owns it."),
    may("mode", Ty::Mode, "Its permission bits; 0600 when absent."),
    may(
        "write",
        Ty::Word(&["replace", "in-place"]),
        "`in-place` overwrites a bind-mounted file: not atomic, a reader may see a part. `replace` when absent.",
    ),
];

fn read(reader: &mut Reader<'_>, s: &Section<'_>, of: &ForSecret<'_>) -> ConsumerRead {
    let word = s.text("format").unwrap_or_default();
    let format = FORMATS.iter().find(|(known, _)| *known == word);
    let (word, format) = *format.unwrap_or(&FORMATS[0]);
    let keys = match s.get("keys") {
        Some(_) => templates(reader, s, "keys", of.kind, of.secret),
        None => of.env.to_vec(),
    };
    let at = &s.at;
    if keys.is_empty() && format != Format::Raw && !reader.broken {
        reader.error(
            s.spot,
            at,
            "there is nothing to write: the secret has no env",
            "add keys = { NAME = \"{value}\" }, or env to the secret",
        );
    }
    if keys.len() > 1 && format == Format::Raw {
        reader.error(
            s.spot_of("keys"),
            &join(at, "keys"),
            "a raw file holds one value",
            "name one: keys = { NAME = \"{value}\" }, or use format = \"json\"",
        );
    }
    if of.secret.lines == Lines::Several && format == Format::Docker {
        let help = "write format = \"systemd\" or \"dotenv\" here, or format = \"jwk\" for the key";
        reader.error(
            s.spot_of("format"),
            &join(at, "format"),
            "a docker file cannot hold a PEM key: it has several lines",
            help,
        );
    }
    let config = FileConfig {
        path: written::path(reader, s, of.root),
        format,
        mode: written::mode(reader, s, 0o600, true),
        owner: s.text("owner").map(str::to_owned),
        multi_line: of.secret.lines != Lines::One,
        in_place: s.text("write") == Some("in-place"),
    };
    let sharing = match format {
        Format::Raw => Sharing::OneValue,
        _ => Sharing::Entries(Entries {
            format: word,
            owner: config.owner.clone(),
            mode: config.mode,
            in_place: config.in_place,
        }),
    };
    let facts = ConsumerFacts {
        at: config.path.display().to_string(),
        definition: format!("{word} {:?} {:o}", config.owner, config.mode),
        variables: keys,
        key_set: false,
        readers: Readers::Later,
        skips_known: false,
        file: Some(WrittenFile {
            path: config.path.clone(),
            sharing,
        }),
        time_limit: None,
        setup: written::setup(&config.path),
    };
    ConsumerRead {
        facts,
        settings: Arc::new(config),
    }
}

impl ConsumerSettings for FileConfig {
    fn build(&self) -> Result<Box<dyn Consumer>, &'static str> {
        Ok(Box::new(FileConsumer::new(self.clone())?))
    }
}

const FORMATS: &[(&str, Format)] = &[
    ("systemd", Format::Systemd),
    ("dotenv", Format::Dotenv),
    ("docker", Format::Docker),
    ("raw", Format::Raw),
    ("json", Format::Json),
];
