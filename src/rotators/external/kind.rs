//! `kind = "external"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;
use keyrota_gate::{Format as Form, Rule};

use super::super::database::keys::{RDS_FIELDS, URL_FIELDS, rds_rule};
use super::{External, Format};
use crate::config::read::{Count, Reader, Section};
use crate::config::registry::{
    BuildingSecret, Lines, Maker, ReadingSecret, SecretFacts, SecretKind, SecretRead,
    SecretSettings,
};
use crate::{table, words};

/// Stored and checked, made by others.
pub static KIND: SecretKind = SecretKind {
    word: "external",
    keys: &[Keys::KEYS],
    read,
};

table! {
    struct Keys<'t> {
        /// What the value looks like.
        default("raw") format: Format,
        /// The least length in bytes.
        optional min_bytes: Count<1, 1_048_576>,
    }
}

words!(Format {
    "raw" => Self::Raw,
    "url" => Self::Url,
    "json" => Self::Json,
    "rds-json" => Self::RdsJson,
});

fn read(_: &mut Reader<'_>, s: &Section<'_>, _: &ReadingSecret<'_>) -> SecretRead {
    let keys = Keys::read(s);
    let format = *keys.format;
    let min_bytes = keys.min_bytes.map(Count::length);
    let (fields, form): (&[&str], _) = match format {
        Format::Url => {
            let schemes = Vec::new();
            (URL_FIELDS, Some(Form::Url { schemes }))
        }
        Format::Json => {
            let members = Vec::new();
            (&[], Some(Form::Json { members }))
        }
        Format::RdsJson => (RDS_FIELDS, Some(rds_rule())),
        Format::Raw => (&["value"], None),
    };
    let rule = Rule {
        format: form,
        min_bytes,
        ..Rule::new("")
    };
    let facts = SecretFacts {
        lines: match format {
            Format::Json | Format::RdsJson => Lines::Any,
            Format::Raw | Format::Url => Lines::One,
        },
        maker: Maker::Others,
        ..SecretFacts::new(fields, rule)
    };
    let settings = External {
        format,
        min_bytes: min_bytes.unwrap_or(1),
    };
    SecretRead {
        facts,
        settings: Arc::new(settings),
    }
}

impl SecretSettings for External {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        Ok(Box::new(self.clone()))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        Vec::new()
    }
}
