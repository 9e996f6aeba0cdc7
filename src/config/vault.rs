//! `kind = "vault"`: the provider, and what may be kept there.

use std::path::Path;

use keyrota_rest::vault::{address_is_wrong, path_is_wrong};

use super::keys::{self, Key};
use super::model::{Reference, VaultAuth, VaultProvider};
use super::read::{Reader, Section, join};

/// The keys that each method of a login needs.
const METHODS: &[(&str, &[&str])] = &[
    ("token", &["token"]),
    ("approle", &["role_id", "secret_id"]),
    ("jwt", &["role", "jwt_file"]),
];

/// Reads a provider. What is wrong is told; what is returned then is never used.
pub fn provider(reader: &mut Reader<'_>, section: &Section<'_>, root: &Path) -> VaultProvider {
    let text = |key: &str| section.text(key).unwrap_or_default().to_owned();
    let (address, mount) = (text("address"), text("mount"));
    if section.get("address").is_some()
        && let Some(why) = address_is_wrong(&address)
    {
        let at = join(&section.at, "address");
        let help = "write \"https://vault.example.com:8200\"";
        reader.error(section.spot_of("address"), &at, why, help);
    }
    let name = |key: &str| (section.spot_of(key), join(&section.at, key));
    for key in ["mount", "namespace"] {
        if let Some(why) = section.text(key).and_then(path_is_wrong) {
            let (spot, at) = name(key);
            let help = "write it as the server lists it, without a slash before or after it";
            reader.error(spot, &at, why, help);
        }
    }
    if let Some(text) = section.text("namespace")
        && !text.bytes().all(|b| b.is_ascii_graphic())
    {
        let (spot, at) = name("namespace");
        reader.error(
            spot,
            &at,
            "is not a namespace",
            "write letters, digits, - and _",
        );
    }
    VaultProvider {
        address,
        mount,
        namespace: section.text("namespace").map(str::to_owned),
        ca_file: section.text("ca_file").map(|file| root.join(file)),
        auth: auth(reader, section, root),
    }
}

fn auth(reader: &mut Reader<'_>, section: &Section<'_>, root: &Path) -> VaultAuth {
    let nothing = || VaultAuth::Token(Reference::Env(String::new()));
    let table = section
        .get("auth")
        .and_then(|(spot, node)| Some((spot, node.get_ref().as_table()?)));
    let Some((spot, table)) = table else {
        return nothing();
    };
    let keys: Vec<&'static Key> = keys::VAULT_AUTH.iter().collect();
    let inner = reader.section(table, &keys, spot, &join(&section.at, "auth"), &[]);
    let method = inner.text("method").unwrap_or_default();
    let Some((_, needed)) = METHODS.iter().find(|(name, _)| *name == method) else {
        return nothing();
    };
    for key in needed.iter().filter(|key| !inner.has(key)) {
        let what = format!("`{key}` is missing");
        let help = format!("the method {method} needs {}", needed.join(" and "));
        if !reader.broken {
            reader.error(spot, &inner.at, what, help);
        }
    }
    let others = METHODS.iter().filter(|(name, _)| *name != method);
    let others = others.flat_map(|(_, keys)| keys.iter().copied());
    for key in others.chain((method == "token").then_some("mount")) {
        if inner.has(key) {
            let at = join(&inner.at, key);
            let what = format!("does not belong to the method {method}");
            reader.error(
                inner.spot_of(key),
                &at,
                what,
                "remove it, or correct the method",
            );
        }
    }
    let mount = inner.text("mount").unwrap_or(method).to_owned();
    if let Some(why) = path_is_wrong(&mount) {
        let at = join(&inner.at, "mount");
        reader.error(
            inner.spot_of("mount"),
            &at,
            why,
            "write it as in auth/MOUNT/login",
        );
    }
    let text = |key: &str| inner.text(key).unwrap_or_default().to_owned();
    match method {
        "approle" => match reader.reference(&inner, "secret_id", root) {
            None => nothing(),
            Some(secret_id) => VaultAuth::AppRole {
                mount,
                role_id: text("role_id"),
                secret_id,
            },
        },
        "jwt" => VaultAuth::Jwt {
            mount,
            role: text("role"),
            jwt_file: root.join(text("jwt_file")),
        },
        _ => reader
            .reference(&inner, "token", root)
            .map_or_else(nothing, VaultAuth::Token),
    }
}
