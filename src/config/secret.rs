//! `[secrets.*]`: what all kinds have in common.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

use super::around::Around;
use super::consumer;
use super::keys::{self, Family, Key};
use super::model::{Confirm, EnvVar, Role, Secret, Template, WhenAbsent};
use super::place;
use super::read::{Reader, Section, check_name, join, tables};
use super::registry::{ForSecret, Maker, ReadingSecret, SecretFacts, SecretKind, SecretRead};
use super::templates::templates;
use super::turn;
use super::waits;

/// All secrets of a file whose kind is known, and the variables of the others.
pub fn all(
    reader: &mut Reader<'_>,
    top: &Section<'_>,
    around: &Around<'_>,
) -> (Vec<Secret>, Vec<String>) {
    let keys: Vec<&'static Key> = keys::DEFAULTS.iter().collect();
    let empty = DeTable::new();
    let table = top
        .get("defaults")
        .and_then(|(_, node)| node.get_ref().as_table())
        .unwrap_or(&empty);
    let defaults = reader.section(table, &keys, top.spot_of("defaults"), "defaults", &[]);
    let mut secrets: Vec<Secret> = Vec::new();
    let mut unread = Vec::new();
    for (spot, name, table) in tables(reader, top, "secrets") {
        let at = join("secrets", name);
        check_name(reader, spot, name, &at);
        let Some((word, section)) = reader.kind(table, Family::Secret, spot, &at) else {
            unread.extend(claimed(table));
            continue;
        };
        let Some(kind) = around.registry.secret(word) else {
            continue;
        };
        secrets.push(secret(reader, name, kind, section, &defaults, around));
    }
    consumer::once(reader, &secrets);
    let complete = unread.is_empty() && !reader.broken;
    uses(reader, &secrets, complete);
    (secrets, unread)
}

/// The variables a secret would show that could not be read: naming them is not a mistake too.
fn claimed(table: &DeTable<'_>) -> Vec<String> {
    let texts = ["env", "env_kid", "env_fallback"]
        .into_iter()
        .filter_map(|key| table.get(key)?.get_ref().as_str());
    let named = table.get("env").and_then(|node| node.get_ref().as_table());
    let names = named
        .into_iter()
        .flat_map(|t| t.keys().map(|k| k.get_ref().as_ref()));
    texts.chain(names).map(str::to_owned).collect()
}

fn secret<'t>(
    reader: &mut Reader<'_>,
    name: &str,
    kind: &'static SecretKind,
    mut section: Section<'t>,
    defaults: &Section<'t>,
    around: &Around<'_>,
) -> Secret {
    let imported = section.text("origin") == Some("imported");
    let fallback = shows_fallback(&section);
    let reading = ReadingSecret {
        root: around.root,
        fallback,
        imported,
    };
    let SecretRead { facts, settings } = (kind.read)(reader, &section, &reading);
    if imported && section.get("schedule").is_some() {
        let help = "remove it; max_age = \"90d\" reminds a person, and rotate --value-stdin takes the new value";
        reader.error(
            section.spot_of("schedule"),
            &join(&section.at, "schedule"),
            "keyrota never creates an imported secret, so it cannot have a schedule",
            help,
        );
    }
    let mut except = Vec::new();
    except.extend(imported.then_some("schedule"));
    except.extend((!facts.announce).then_some("settle"));
    section.inherit(
        defaults,
        &reader
            .kinds
            .of(Family::Secret)
            .keys(kind.word)
            .unwrap_or_default(),
        &except,
    );
    let env = variables(reader, &section, kind.word, &facts);
    let of = ForSecret {
        root: around.root,
        env: &env,
        kind: kind.word,
        secret: &facts,
    };
    let consumers = consumer::all(reader, &section, &of, around.registry);
    let waits = waits::waits(reader, &section, &facts, &consumers);
    let turn = turn::policy(reader, &section, &waits, around);
    let (provider, path) = place::own(reader, name, &section, around);
    let copies = place::copies(reader, name, &section, kind.word, &facts, around);
    let fallback = place::fallback(reader, name, &section, around);
    Secret {
        name: name.to_owned(),
        provider,
        path,
        field: section.text("field").map(str::to_owned),
        turn,
        waits,
        confirm: confirm(reader, &section),
        max_age: section.duration("max_age"),
        when_absent: when_absent(reader, &section, &facts, imported),
        imported: imported || !facts.rotates(),
        env,
        consumers,
        copies,
        fallback,
        spot: section.spot,
        kind,
        facts,
        settings,
    }
}

/// Whether readers are shown a second key, in a variable or in a file.
fn shows_fallback(section: &Section<'_>) -> bool {
    fn within(node: &DeValue<'_>) -> bool {
        match node {
            DeValue::String(text) => text == "{fallback}",
            DeValue::Array(items) => items.iter().any(|i| within(i.get_ref())),
            DeValue::Table(table) => table.values().any(|v| within(v.get_ref())),
            _ => false,
        }
    }
    let shown = |key: &str| {
        section
            .get(key)
            .is_some_and(|(_, node)| within(node.get_ref()))
    };
    section.has("env_fallback")
        || section.has("fallback_path")
        || shown("env")
        || shown("consumers")
}

/// The variables a program sees of a secret.
fn variables(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    kind: &str,
    facts: &SecretFacts,
) -> Vec<EnvVar> {
    let mut env = Vec::new();
    if let Some((spot, node)) = section.get("env") {
        match (node.get_ref().as_str(), node.get_ref().as_table()) {
            (Some(name), _) => env.push(EnvVar {
                name: name.to_owned(),
                role: Role::Value,
                template: Template::of("value"),
                spot: reader.spot(node),
            }),
            (_, Some(_)) => env = templates(reader, section, "env", kind, facts),
            _ => reader.error(
                spot,
                &join(&section.at, "env"),
                "has to be text or a table",
                "write env = \"NAME\"",
            ),
        }
        if env.is_empty() && !reader.broken {
            reader.warn(
                spot,
                &join(&section.at, "env"),
                "names no variable",
                "remove it, or write env = \"NAME\"",
            );
        }
    }
    for (key, role, field) in [
        ("env_kid", Role::Kid, "kid"),
        ("env_fallback", Role::Fallback, "value"),
    ] {
        if let (Some(name), Some((_, node))) = (section.text(key), section.get(key)) {
            let spot = reader.spot(node);
            env.push(EnvVar {
                name: name.to_owned(),
                role,
                template: Template::of(field),
                spot,
            });
        }
    }
    env
}

fn confirm(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Confirm> {
    let (spot, node) = section.get("confirm")?;
    let keys: Vec<&'static Key> = keys::CONFIRM.iter().collect();
    let inner = reader.section(
        node.get_ref().as_table()?,
        &keys,
        spot,
        &join(&section.at, "confirm"),
        &[],
    );
    inner.text("ask").map(|ask| Confirm {
        ask: ask.to_owned(),
    })
}

fn when_absent(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    facts: &SecretFacts,
    imported: bool,
) -> WhenAbsent {
    let minted = !imported && facts.maker == Maker::Keyrota;
    match section.text("when_absent") {
        Some("refuse") => WhenAbsent::Refuse,
        Some(_) if imported => {
            let spot = section.spot_of("when_absent");
            reader.error(
                spot,
                &join(&section.at, "when_absent"),
                "an imported secret cannot be created",
                "write \"refuse\", or leave it out",
            );
            WhenAbsent::Refuse
        }
        _ if minted => WhenAbsent::Create,
        _ => WhenAbsent::Refuse,
    }
}

/// The secrets that others need are kept here, and can be what they are to be. Of a file that is not
/// `complete`, nothing is missed.
fn uses(reader: &mut Reader<'_>, secrets: &[Secret], complete: bool) {
    let known: HashMap<&str, &SecretFacts> = secrets
        .iter()
        .map(|s| (s.name.as_str(), &s.facts))
        .collect();
    for secret in secrets {
        for used in &secret.facts.uses {
            let what = match known.get(used.secret.as_str()) {
                None if complete => "names a secret that this file does not have",
                Some(named) if named.rotates() => "names a secret that keyrota rotates itself",
                Some(named) if used.has_user && !has_user(named) => {
                    "names a secret without a user name: its format is raw"
                }
                _ => continue,
            };
            let help = match used.has_user {
                true => {
                    "name a secret of kind = \"external\" with format = \"url\", \"json\" or \"rds-json\""
                }
                false => "name secrets of kind = \"external\"",
            };
            let at = join(&join("secrets", &secret.name), used.key);
            reader.error(used.spot, &at, what, help);
        }
    }
}

/// Whether a user name may be in it.
fn has_user(facts: &SecretFacts) -> bool {
    facts.fields.is_empty() || facts.fields.contains(&"username")
}
