//! The schedules in `schedules/` and what is said about them.

use std::path::{Path, PathBuf};

use super::{load, now, rendered};
use crate::config::schema;
use crate::rotators::database::keys::{RDS_FIELDS, URL_FIELDS};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules")
}

#[test]
fn are_valid() {
    let loaded = load(&directory(), None, now());
    let text = rendered(&loaded.diagnostics, &loaded.sources);
    assert!(loaded.diagnostics.is_empty(), "{text}");
    let names: Vec<&str> = loaded
        .environments
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    assert_eq!(names, ["development", "production", "staging"]);
}

#[test]
fn development_rotates_within_seconds() {
    let loaded = load(&directory(), Some(&["development".to_owned()]), now());
    let environment = &loaded.environments[0];
    let waits: u64 = environment
        .secrets
        .iter()
        .map(|s| (s.waits.settle + s.waits.grace).as_secs())
        .sum();
    assert!((1..40).contains(&waits), "{waits} seconds of waiting");
    assert!(
        environment
            .secrets
            .iter()
            .all(|s| s.turn.schedule.is_none())
    );
}

#[test]
fn satisfy_the_printed_schema() {
    let schema = schema::json_schema(&super::kinds());
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in ["development", "staging", "production"] {
        let text = std::fs::read_to_string(directory().join(format!("{name}.toml"))).unwrap();
        let mut value: serde_json::Value =
            serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|e| format!("{} {e}", e.instance_path))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        // The schema refuses what the reader refuses.
        value["secrets"]["session-jwt"]["scedule"] = "@monthly".into();
        assert!(!validator.is_valid(&value), "{name}: an unknown key");
    }
}

#[test]
#[cfg_attr(
    not(all(feature = "aws", feature = "vault")),
    ignore = "the schema is that of a build with every provider"
)]
fn the_committed_schema_is_fresh() {
    let file = directory().join("schema.json");
    let fresh = format!("{:#}\n", schema::json_schema(&super::kinds()));
    if std::env::var_os("KEYROTA_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &fresh).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == fresh,
        "run: KEYROTA_WRITE_SCHEMA=1 cargo test --lib schema_is_fresh"
    );
}

#[test]
fn the_page_on_copies_names_every_field_of_render() {
    let page = include_str!("../../../providers/README.md");
    let (_, section) = page.split_once("\n## Copies\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let logins = URL_FIELDS.iter().chain(RDS_FIELDS);
    for field in logins.chain(&["kid"]) {
        let cell = format!("`{{{field}}}`");
        assert!(section.contains(&cell), "{cell}");
    }
}
