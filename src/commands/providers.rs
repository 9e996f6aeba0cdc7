//! `keyrota providers`: what is built in. Everything told here comes from the tables that also
//! check the files, and from the providers themselves.

use clap::Args;
use keyrota_contract::{Capabilities, Promote};
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{self, Failed};
use super::say;
use crate::config::{Family, Key, Kinds, Registry};

/// Options of `keyrota providers`.
#[derive(Debug, Args)]
#[command(
    after_help = "Providers store values, rotators change one kind of secret, consumers receive new values. The \
capabilities of a provider decide how safely a new value becomes current:

  promote atomic         one operation; readers never see a state in between
  promote check-and-set  a write by another tool in between is rejected
  promote detect-after   a write by another tool in between is detected afterwards
  promote last-wins      a write by another tool at the same instant is overwritten

Keys marked with * are required."
)]
pub struct Providers {}

/// Does it; the exit code.
pub fn run(_: &Providers, context: &Context<'_>) -> Result<u8, Failed> {
    if context.global.json {
        say::print_json(&as_json(&context.registry))?;
    } else {
        say::print(&as_text(&context.registry))?;
    }
    Ok(exit::DONE)
}

const FAMILIES: [Family; 3] = [Family::Provider, Family::Secret, Family::Consumer];

fn as_text(registry: &Registry) -> String {
    let header = [
        "PROVIDER",
        "PROMOTE",
        "KEEPS PREVIOUS",
        "VALUE MAX",
        "BINARY",
        "PUBLIC PARTS",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for kind in registry.stores() {
        let can = kind.capabilities;
        rows.push([
            kind.word.to_owned(),
            promote(can).to_owned(),
            yes(can.keeps_previous),
            format!("{} bytes", can.value_bytes_max),
            yes(can.binary),
            yes(can.public_parts),
        ]);
    }
    let mut out = say::table(&rows);
    for kinds in FAMILIES.map(|family| registry.kinds(family)) {
        let mut rows = vec![[
            format!("{} KIND", kinds.noun.to_uppercase()),
            "KEYS".to_owned(),
        ]];
        for kind in kinds.names() {
            let keys = keys(kinds, kind).map(|k| {
                let star = if k.required { "*" } else { "" };
                format!("{}{star}", k.name)
            });
            rows.push([kind.to_owned(), keys.collect::<Vec<_>>().join(" ")]);
        }
        out.push('\n');
        out.push_str(&say::table(&rows));
    }
    out
}

fn as_json(registry: &Registry) -> Value {
    let told = |family| -> Vec<Value> {
        let kinds = registry.kinds(family);
        let of = |kind| {
            let keys = keys(kinds, kind)
                .map(|k| json!({"name": k.name, "required": k.required, "doc": k.text()}));
            json!({"kind": kind, "keys": keys.collect::<Vec<_>>()})
        };
        kinds.names().map(of).collect()
    };
    let mut providers = told(Family::Provider);
    for (provider, kind) in providers.iter_mut().zip(registry.stores()) {
        let can = kind.capabilities;
        provider["capabilities"] = json!({
            "promote": promote(can),
            "keeps_previous": can.keeps_previous,
            "value_bytes_max": can.value_bytes_max,
            "binary": can.binary,
            "public_parts": can.public_parts,
            "first_is_current": can.first_is_current,
            "fixed_values": can.fixed_values,
            "removes": can.removes,
        });
    }
    json!({
        "schema_version": 1,
        "providers": providers,
        "secrets": told(Family::Secret),
        "consumers": told(Family::Consumer),
    })
}

/// The keys of a kind that this build understands.
fn keys<'a>(kinds: &'a Kinds, kind: &str) -> impl Iterator<Item = &'a Key> {
    kinds
        .keys(kind)
        .unwrap_or_default()
        .into_iter()
        .filter(|k| k.is_built_in())
}

fn promote(can: Capabilities) -> &'static str {
    match can.promote {
        Promote::Atomic => "atomic",
        Promote::CheckAndSet => "check-and-set",
        Promote::DetectAfter => "detect-after",
        Promote::LastWins => "last-wins",
    }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_of_the_files_says_what_it_can_do() {
        let registry = crate::kinds::registry();
        let (text, json) = (as_text(&registry), as_json(&registry));
        let providers = registry.kinds(Family::Provider);
        assert!(providers.names().count() > 0);
        for (n, kind) in providers.names().enumerate() {
            let can = &json["providers"][n];
            assert_eq!(can["kind"], kind);
            assert!(can["capabilities"]["value_bytes_max"].is_u64(), "{can}");
            assert!(
                text.lines()
                    .any(|l| l.starts_with(kind) && l.contains("bytes")),
                "{kind}"
            );
        }
    }

    #[test]
    fn every_kind_is_told_with_the_keys_it_must_have() {
        let registry = crate::kinds::registry();
        let (text, json) = (as_text(&registry), as_json(&registry));
        let members = ["providers", "secrets", "consumers"];
        for (family, member) in FAMILIES.into_iter().zip(members) {
            let kinds = registry.kinds(family);
            for kind in kinds.names() {
                let line = text.lines().rfind(|l| l.starts_with(&format!("{kind} ")));
                assert!(line.is_some(), "{kind} is missing in {text}");
                let told = json[member].as_array().into_iter().flatten();
                assert_eq!(told.filter(|k| k["kind"] == kind).count(), 1, "{kind}");
            }
        }
        assert!(text.contains("token_ttl*"), "{text}");
        assert!(text.contains("copies"), "{text}");
    }
}
