//! One schedule file, read whole.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::around::{Around, Gaps};
use super::boot;
use super::diagnostic::Diagnostic;
use super::effort;
use super::keys::{self, Key};
use super::model::{Environment, Program, Role, Spot};
use super::plain::{meant, name as plain_name};
use super::provider;
use super::read::{Names, Reader, Section, check_name, join, tables};
use super::registry::Registry;
use super::secret;
use super::source::Source;

/// Reads a schedule. What could be understood is returned with everything that is wrong; only an
/// environment without errors may be acted upon. `now` decides which turns are looked at.
pub fn decode(
    source: &Source,
    name: &str,
    root: &Path,
    now: Timestamp,
    registry: &Registry,
) -> (Environment, Vec<Diagnostic>) {
    let (mut reader, tree) = Reader::open(source, registry.catalog());
    let top = reader.top(&tree, keys::ENVIRONMENT);
    no_secret_material(&mut reader);
    if let (Some((_, node)), Some(stated)) = (top.get("environment"), top.text("environment"))
        && stated != name
    {
        let spot = reader.spot(node);
        reader.error(
            spot,
            "environment",
            "is not the file's name",
            format!("write \"{name}\", or rename the file"),
        );
    }
    let (timezone, timezone_name) = zone(&mut reader, &top);
    let (providers, provider_names) = provider::all(&mut reader, &top, root, name, registry);
    let around = Around {
        environment: name,
        registry,
        root,
        timezone: &timezone,
        now,
        providers: &provider_names,
        provider_names: provider_names.iter().map(String::as_str).collect(),
        gaps: Gaps::default(),
    };
    let (secrets, unread) = secret::all(&mut reader, &top, &around);
    provider::keeps(&mut reader, &providers, &secrets);
    let boot = boot::all(&mut reader, &top);
    variables_once(&mut reader, &secrets, &boot);
    let shown = secrets.iter().flat_map(|s| &s.env).map(|v| v.name.as_str());
    let known: Names<'_> = shown
        .chain(boot.iter().map(|b| b.variable.as_str()))
        .chain(unread.iter().map(String::as_str))
        .collect();
    boot::conditions(&mut reader, &boot, &known);
    let programs = programs(&mut reader, &top, &secrets, &known);
    let environment = Environment {
        name: name.to_owned(),
        file: source.file.clone(),
        root: root.to_owned(),
        digest: HEXLOWER.encode(digest(&SHA256, source.text.as_bytes()).as_ref()),
        timezone,
        timezone_name,
        providers,
        secrets,
        boot,
        programs,
    };
    (environment, reader.finish())
}

/// Key material is found wherever it stands, comments included.
fn no_secret_material(reader: &mut Reader<'_>) {
    let text = &reader.source.text;
    let upper = text.to_ascii_uppercase();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for mark in ["AGE-SECRET-KEY-1", "PRIVATE KEY-----", "AKIA", "HVS."] {
        let hits = upper.match_indices(mark).map(|(at, _)| (at, mark.len()));
        found.extend(hits.filter(|(at, len)| match mark {
            "AKIA" => text[*at..].starts_with("AKIA") && long_word(&text[at + len..], 16),
            "HVS." => long_word(&text[at + len..], 16),
            _ => true,
        }));
    }
    // user:password@ in any URL; fields of a template are not values
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let authority = &rest[..rest
            .find(['/', '?', '#', '"', '\'', ' ', '\n', '\\'])
            .unwrap_or(rest.len())];
        let Some((user, _)) = authority.rsplit_once('@') else {
            continue;
        };
        let Some((_, password)) = user.split_once(':') else {
            continue;
        };
        let fields_only =
            password.starts_with('{') && password.ends_with('}') && !password[1..].contains('{');
        if !password.is_empty() && !fields_only {
            found.push((at, 3));
        }
    }
    found.sort_unstable();
    for (at, len) in found {
        let spot = reader.source.spot(at..at + len);
        let help =
            "remove it, take it for leaked and change it; keyrota keeps values in a provider";
        reader.error(spot, "", "this file contains a secret value", help);
    }
}

fn long_word(text: &str, length: usize) -> bool {
    let word = text.bytes().take(length);
    word.take_while(u8::is_ascii_alphanumeric).count() == length
}

fn zone(reader: &mut Reader<'_>, top: &Section<'_>) -> (TimeZone, String) {
    let utc = (TimeZone::UTC, "UTC".to_owned());
    let Some(name) = top.text("timezone") else {
        return utc;
    };
    let spot = top
        .get("timezone")
        .map_or(top.spot, |(_, node)| reader.spot(node));
    // Asking the database lists all of zoneinfo, and a boot waits for `keyrota check`.
    if ["UTC", "Etc/UTC"].contains(&name) {
        return (TimeZone::UTC, name.to_owned());
    }
    // The system's database may lack the links of older names, which the built-in one has.
    let built_in = || jiff::tz::TimeZoneDatabase::bundled().get(name).ok();
    match TimeZone::get(name)
        .ok()
        .or_else(built_in)
        .filter(|_| is_zone(name))
    {
        Some(zone) => (zone, name.to_owned()),
        None => {
            let known: Vec<String> = jiff::tz::db()
                .available()
                .map(|n| n.to_string())
                .filter(|n| n.contains('/'))
                .collect();
            let guess = reader.guess(name, known.iter().map(String::as_str));
            reader.error(
                spot,
                "timezone",
                "is not an IANA time zone",
                meant(guess, zone_help(name)),
            );
            utc
        }
    }
}

/// Names of files that lie beside the zones, and copies that count leap seconds.
fn is_zone(name: &str) -> bool {
    let other = ["posixrules", "localtime", "leapseconds"].contains(&name);
    let copy = ["posix/", "right/"].iter().any(|dir| name.starts_with(dir));
    !other && !copy && name.is_ascii()
}

/// An offset has no summer time, and an abbreviation may be another region's.
fn zone_help(name: &str) -> &'static str {
    let offset = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    match offset.starts_with(['+', '-']) && offset.bytes().any(|b| b.is_ascii_digit()) {
        true => "an offset has no summer time: write Area/City, as in Europe/Berlin, or UTC",
        false => "write Area/City, as in Europe/Berlin, or UTC",
    }
}

/// Every variable comes from one place.
fn variables_once(
    reader: &mut Reader<'_>,
    secrets: &[super::model::Secret],
    boot: &[super::model::BootRule],
) {
    let mut seen: HashMap<&str, Spot> = HashMap::new();
    let own = secrets.iter().flat_map(|s| {
        s.env
            .iter()
            .map(move |v| (v.name.as_str(), v.spot, join("secrets", &s.name)))
    });
    for (variable, spot, at) in own.chain(
        boot.iter()
            .map(|b| (b.variable.as_str(), b.spot, "env".to_owned())),
    ) {
        effort::spend(1);
        let first = *seen.entry(variable).or_insert(spot);
        if first != spot {
            let what = format!("the variable {} is shown twice", plain_name(variable));
            let help = "give one of them another name";
            reader.clash(spot, &at, what, help, first, "first");
        }
    }
}

fn programs(
    reader: &mut Reader<'_>,
    top: &Section<'_>,
    secrets: &[super::model::Secret],
    known: &Names<'_>,
) -> Vec<Program> {
    let fallbacks: HashMap<&str, &str> = secrets
        .iter()
        .filter_map(|s| {
            let of = |role| {
                s.env
                    .iter()
                    .find(|v| v.role == role)
                    .map(|v| v.name.as_str())
            };
            Some((of(Role::Value)?, of(Role::Fallback)?))
        })
        .collect();
    let keys: Vec<&'static Key> = keys::PROGRAM.iter().collect();
    let mut programs = Vec::new();
    for (spot, name, table) in tables(reader, top, "programs") {
        let at = join("programs", name);
        check_name(reader, spot, name, &at);
        let section = reader.section(table, &keys, spot, &at, &[]);
        let items = section
            .get("env")
            .and_then(|(_, node)| node.get_ref().as_array());
        let mut env: BTreeSet<String> = BTreeSet::new();
        for item in items.into_iter().flatten() {
            let Some(variable) = item.get_ref().as_str() else {
                continue;
            };
            let spot = reader.spot(item);
            effort::spend(1);
            if !known.contains(variable) && !reader.broken {
                let guess = reader.guess(variable, known.iter().copied());
                let help = meant(
                    guess,
                    "add it to a secret's env or as [env.NAME], or remove it here",
                );
                reader.error(
                    spot,
                    &join(&at, "env"),
                    format!(
                        "names the variable {}, which this environment does not have",
                        plain_name(variable)
                    ),
                    help,
                );
            }
            if !env.insert(variable.to_owned()) {
                reader.warn(
                    spot,
                    &join(&at, "env"),
                    "names a variable twice",
                    "remove one of the two",
                );
            }
        }
        for value in &env {
            if let Some(fallback) = fallbacks.get(value.as_str())
                && !env.contains(*fallback)
            {
                let what = format!(
                    "sees {value} and not {fallback}: it would refuse what the other key signed"
                );
                reader.warn(
                    section.spot_of("env"),
                    &join(&at, "env"),
                    what,
                    format!("add \"{fallback}\", if this program verifies"),
                );
            }
        }
        programs.push(Program {
            name: name.to_owned(),
            env,
            spot,
        });
    }
    programs
}
