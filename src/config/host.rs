//! `keyrota.toml`: this host.

use std::path::Path;

use keyrota_local::trusted::Changeable;

use super::diagnostic::Diagnostic;
use super::keys;
use super::model::Host;
use super::read::Reader;
use super::registry::Registry;
use super::source::Source;

/// Reads a host's file. Relative paths resolve from the file's directory. The host is usable only
/// if nothing is wrong.
pub fn decode(source: &Source, registry: &Registry) -> (Host, Vec<Diagnostic>) {
    let (mut reader, tree) = Reader::open(source, registry.catalog());
    let top = reader.top(&tree, keys::HOST);
    let root = source.file.parent().unwrap_or(Path::new("."));
    let state = top.text("state").map(|text| match text.contains("://") {
        true => text.to_owned(),
        false => root.join(text).display().to_string(),
    });
    if let Some(text) = top.text("state") {
        let (spot, scheme) = (top.spot_of("state"), text.split_once("://").map(|(s, _)| s));
        if has_password(text) {
            let help = "write it without, and add state_password = { credential = \"state-password\" }; take the password for leaked";
            reader.error(spot, "state", "has a password in it", help);
        } else if !matches!(scheme, None | Some("postgres" | "postgresql" | "sqlite")) {
            reader.error(
                spot,
                "state",
                "is neither a path nor a postgres:// URL",
                "write \"/var/lib/keyrota/state.db\" or \"postgres://keyrota@host/keyrota\"",
            );
        }
        for key in ["state_password", "state_ca_file"] {
            if top.get(key).is_some() && !matches!(scheme, Some("postgres" | "postgresql")) {
                reader.error(
                    top.spot_of(key),
                    key,
                    "applies to a Postgres state only",
                    "remove it",
                );
            }
        }
    }
    let path = |key: &str| top.text(key).map(|text| root.join(text));
    let host = Host {
        host: top.text("host").map(str::to_owned),
        schedules: path("schedules"),
        state,
        state_password: reader.reference(&top, "state_password", root),
        state_ca_file: path("state_ca_file"),
        keys: reader.reference(&top, "keys", root),
        checkpoints: path("checkpoints"),
    };
    (host, reader.finish())
}

/// A host's file that was read from disk.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub host: Host,
    /// How another user can change it, if one can.
    pub changeable: Option<Changeable>,
}

/// Reads a host's file from disk.
pub fn load(file: &Path, registry: &Registry) -> Result<Loaded, (Vec<Diagnostic>, Vec<Source>)> {
    let source = Source::read(file).map_err(|problem| (vec![*problem], Vec::new()))?;
    match decode(&source, registry) {
        (host, problems) if problems.is_empty() => Ok(Loaded {
            host,
            changeable: source.changeable,
        }),
        (_, problems) => Err((problems, vec![source])),
    }
}

/// Whether a database URL holds a password, before its host or among its parameters.
pub fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = address.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    // A password may hold a slash that nobody encoded: then the @ comes later.
    let late = address
        .rsplit_once('@')
        .is_some_and(|(before, _)| before.contains(':'));
    let named = |p: &str| {
        p.split('=')
            .next()
            .is_some_and(|k| k.to_ascii_lowercase().contains("pass"))
    };
    user.is_some_and(|u| u.contains(':')) || late || query.split('&').any(named)
}
