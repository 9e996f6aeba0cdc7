//! `kind = "file"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Consumer;

use super::super::written;
use super::{FileConfig, FileConsumer, Format};
use crate::config::read::{Mode, Owner, Reader, Section, Templates};
use crate::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, Entries, ForSecret, Lines,
    Readers, Sharing, WrittenFile,
};
use crate::config::templates::templates;
use crate::{table, words};

/// Writes values into a file.
pub static KIND: ConsumerKind = ConsumerKind {
    word: "file",
    keys: &[Keys::KEYS],
    read,
};

table! {
    struct Keys<'t> {
        /// The file.
        required path: &'t str,
        /// Its dialect.
        required format: Format,
        /// What is written; the secret's variables when absent.
        optional keys: Templates,
        /// Who owns it.
        optional owner: Owner<'t>,
        /// Its permission bits.
        default("0600") mode: Mode,
        /// `in-place` overwrites a bind-mounted file: not atomic, a reader may see a part.
        default("replace") write: Write,
    }
}

words!(Format {
    "systemd" => Self::Systemd,
    "dotenv" => Self::Dotenv,
    "docker" => Self::Docker,
    "raw" => Self::Raw,
    "json" => Self::Json,
});

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    /// Replaced whole.
    Replace,
    /// Overwritten where it is.
    InPlace,
}

words!(Write {
    "replace" => Self::Replace,
    "in-place" => Self::InPlace,
});

fn read(reader: &mut Reader<'_>, s: &Section<'_>, of: &ForSecret<'_>) -> ConsumerRead {
    let file = Keys::read(s);
    let format = *file.format;
    let keys = match file.keys.is_stated {
        true => templates(reader, s, "keys", of.kind, of.secret),
        false => of.env.to_vec(),
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
        reader.refuse(
            &file.keys,
            "a raw file holds one value",
            "name one: keys = { NAME = \"{value}\" }, or use format = \"json\"",
        );
    }
    if of.secret.lines == Lines::Several && format == Format::Docker {
        let help = "write format = \"systemd\" or \"dotenv\" here, or format = \"jwk\" for the key";
        reader.refuse(
            &file.format,
            "a docker file cannot hold a PEM key: it has several lines",
            help,
        );
    }
    let config = FileConfig {
        path: written::path(reader, &file.path, of.root),
        format,
        mode: written::mode(reader, &file.mode, "0600", true),
        owner: file.owner.map(|owner| owner.0.to_owned()),
        multi_line: of.secret.lines != Lines::One,
        in_place: *file.write == Write::InPlace,
    };
    let sharing = match format {
        Format::Raw => Sharing::OneValue,
        _ => Sharing::Entries(Entries {
            format: format!("{format:?}"),
            owner: config.owner.clone(),
            mode: config.mode,
            in_place: config.in_place,
        }),
    };
    let facts = ConsumerFacts {
        at: config.path.display().to_string(),
        definition: format!("{format:?} {:?} {:o}", config.owner, config.mode),
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
