//! `kind = "external"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;
use keyrota_gate::{Format as Form, Rule};

use super::super::database::keys::{RDS_FIELDS, URL_FIELDS, rds_rule};
use super::{External, Format};
use crate::config::keys::{Key, Ty, may};
use crate::config::read::{Reader, Section};
use crate::config::registry::{
    BuildingSecret, Lines, Maker, ReadingSecret, SecretFacts, SecretKind, SecretRead,
    SecretSettings,
};

/// Stored and checked, made by others.
pub static KIND: SecretKind = SecretKind {
    word: "external",
    keys: &[KEYS],
    read,
};

const KEYS: &[Key] = &[
    may(
        "format",
        Ty::Word(&["raw", "url", "json", "rds-json"]),
        "What the value looks like; raw when absent.",
    ),
    may("min_bytes", Ty::Count(1, 1_048_576), "The least length."),
];

fn read(_: &mut Reader<'_>, s: &Section<'_>, _: &ReadingSecret<'_>) -> SecretRead {
    let min_bytes = s.count("min_bytes").unwrap_or(0) as usize;
    let any = Rule {
        min_bytes: Some(min_bytes).filter(|min| *min > 0),
        ..Rule::new("")
    };
    let (format, fields, form): (_, &[&str], _) = match s.text("format") {
        Some("url") => {
            let schemes = Vec::new();
            (Format::Url, URL_FIELDS, Some(Form::Url { schemes }))
        }
        Some("json") => {
            let members = Vec::new();
            (Format::Json, &[], Some(Form::Json { members }))
        }
        Some("rds-json") => (Format::RdsJson, RDS_FIELDS, Some(rds_rule())),
        _ => (Format::Raw, &["value"], None),
    };
    let facts = SecretFacts {
        lines: match format {
            Format::Json | Format::RdsJson => Lines::Any,
            Format::Raw | Format::Url => Lines::One,
        },
        maker: Maker::Others,
        ..SecretFacts::new(
            fields,
            Rule {
                format: form,
                ..any
            },
        )
    };
    let settings = External {
        format,
        min_bytes: min_bytes.max(1),
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
