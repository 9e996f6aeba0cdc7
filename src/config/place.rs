//! Where a secret is kept: its own place, its fallback's, and its copies'.

use super::around::Around;
use super::keys::{self, Key};
use super::model::{CopyTo, FallbackPlace, Part, Spot, Template};
use super::plain::meant;
use super::read::{Reader, Section, join};
use super::registry::SecretFacts;
use super::templates::fields_of;
use super::words;

/// Where the secret itself is kept: provider and path.
pub fn own(
    reader: &mut Reader<'_>,
    name: &str,
    section: &Section<'_>,
    around: &Around<'_>,
) -> (String, String) {
    let provider = match (section.text("provider"), around.providers) {
        (Some(word), _) => named(reader, section, word, around),
        (None, [only]) => only.clone(),
        (None, []) => {
            if !reader.broken {
                let help = "add [providers.main] with kind = \"file\" and path = \"…\"";
                reader.error(
                    section.spot,
                    &section.at,
                    "there is no provider to keep it",
                    help,
                );
            }
            String::new()
        }
        (None, _) => {
            reader.error(
                section.spot,
                &section.at,
                "`provider` is missing: the file has several",
                "add provider = \"…\" here or in [defaults]",
            );
            String::new()
        }
    };
    let spot = section.spot_of("path");
    let text = section.text("path").unwrap_or("{environment}/{secret}");
    let at = join(&section.at, "path");
    (provider, path(reader, name, spot, &at, text, around))
}

/// The further places.
pub fn copies(
    reader: &mut Reader<'_>,
    name: &str,
    secret: &Section<'_>,
    kind: &str,
    facts: &SecretFacts,
    around: &Around<'_>,
) -> Vec<CopyTo> {
    let items = secret
        .get("copies")
        .and_then(|(_, node)| node.get_ref().as_array());
    let keys: Vec<&'static Key> = keys::COPY.iter().collect();
    let mut copies = Vec::new();
    for (i, item) in items.into_iter().flatten().enumerate() {
        let at = format!("{}[{i}]", join(&secret.at, "copies"));
        let Some(table) = item.get_ref().as_table() else {
            continue;
        };
        let section = reader.section(table, &keys, reader.spot(item), &at, &[]);
        if !facts.rotates() {
            let help = "remove it; keyrota never rotates this kind, so it would never be written";
            reader.error(section.spot, &at, "an external secret has no copies", help);
        }
        let provider = section.text("provider").unwrap_or_default();
        if !provider.is_empty() {
            named(reader, &section, provider, around);
        }
        let (spot, stated) = (section.spot_of("path"), section.text("path"));
        let written = stated.map(|text| {
            let at = join(&section.at, "path");
            path(reader, name, spot, &at, text, around)
        });
        copies.push(CopyTo {
            provider: provider.to_owned(),
            path: written.unwrap_or_default(),
            field: section.text("field").map(str::to_owned),
            render: render(reader, &section, kind, facts),
            spot: section.spot,
        });
    }
    copies
}

fn render(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    kind: &str,
    facts: &SecretFacts,
) -> Template {
    let Some(template) = section.template("render") else {
        return Template::of("value");
    };
    let (spot, at) = (section.spot_of("render"), join(&section.at, "render"));
    if fields_of(reader, spot, &at, &template, kind, facts).contains(&"fallback") {
        let help = "a copy follows the current value; fallback_path is the place of the other";
        reader.error(spot, &at, "a copy does not show {fallback}", help);
    }
    template
}

/// The place of what readers accept as well.
pub fn fallback(
    reader: &mut Reader<'_>,
    name: &str,
    section: &Section<'_>,
    around: &Around<'_>,
) -> Option<FallbackPlace> {
    let idle = section.text("fallback_idle");
    let Some(text) = section.text("fallback_path") else {
        if idle.is_some() && !section.has("fallback_path") {
            reader.error(
                section.spot_of("fallback_idle"),
                &join(&section.at, "fallback_idle"),
                "has no effect without fallback_path",
                "remove it, or add fallback_path = \"…\"",
            );
        }
        return None;
    };
    if !section.has("fallback_idle") {
        reader.error(
            section.spot_of("fallback_path"),
            &join(&section.at, "fallback_path"),
            "does not say what the place contains when there is no fallback",
            "write fallback_idle = \"filler\": text that is no key; or \"omit\": nothing, where the provider can take an entry away",
        );
    }
    let spot = section.spot_of("fallback_path");
    let at = join(&section.at, "fallback_path");
    let path = path(reader, name, spot, &at, text, around);
    Some(FallbackPlace {
        path,
        omit: idle == Some("omit"),
        idle: section.spot_of("fallback_idle"),
        spot,
    })
}

/// A provider by the name that the file gives.
fn named(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    word: &str,
    around: &Around<'_>,
) -> String {
    let known = around.providers;
    if !around.provider_names.contains(word) && !reader.broken {
        let guess = reader.guess(word, known.iter().map(String::as_str));
        let help = meant(guess, "name one of [providers.*]");
        reader.error(
            section.spot_of("provider"),
            &join(&section.at, "provider"),
            "there is no provider of this name",
            help,
        );
    }
    word.to_owned()
}

/// A path with its fields filled in.
fn path(
    reader: &mut Reader<'_>,
    name: &str,
    spot: Spot,
    at: &str,
    text: &str,
    around: &Around<'_>,
) -> String {
    let mut path = String::new();
    match words::template(text) {
        Ok(template) => {
            for part in template.parts {
                match part {
                    Part::Literal(text) => path.push_str(&text),
                    Part::Field(field) if field == "environment" => {
                        path.push_str(around.environment)
                    }
                    Part::Field(field) if field == "secret" => path.push_str(name),
                    Part::Field(_) => reader.error(
                        spot,
                        at,
                        "has a field that a path does not know",
                        "write {environment} and {secret} only",
                    ),
                }
            }
        }
        Err(what) => reader.error(
            spot,
            at,
            what,
            "write {environment} and {secret}; {{ and }} are braces",
        ),
    }
    let segments = path.split('/').any(|s| s == "." || s == "..");
    if segments
        || path.starts_with('/') && path.len() == 1
        || path.chars().any(char::is_control)
        || path.len() > 512
    {
        reader.error(
            spot,
            at,
            "is not a place: it has . or .. in it, control characters, or more than 512 bytes",
            "write \"{environment}/{secret}\"",
        );
    }
    path
}
