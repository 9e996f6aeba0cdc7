//! Rights and settings that a later step would miss, asked before the first.

use std::collections::BTreeMap;

use keyrota_contract::{ErrorKind, Place, ProviderError};
use serde::Deserialize;
use vaultrs::api::kv2::requests::ReadConfigurationRequest;
use vaultrs::api::kv2::responses::{ReadConfigurationResponse, ReadSecretMetadataResponse};

use super::login::Session;
use super::requests::Plain;
use super::wire::{Effect, not_vault};
use super::{VaultProvider, invalid, sibling};

/// Refuses a mount that is not there, or is no key/value engine with check-and-set.
pub(super) async fn mount(session: &Session, mount: &str) -> Result<(), ProviderError> {
    let reply = session.ask(Effect::None, || Plain::mount(mount)).await?;
    if reply.status == 403 {
        return Err(denied(
            "there is no such mount, or the token may not use it: check `mount`, `namespace` and the policy",
        ));
    }
    let reply = reply.done(Effect::None)?;
    let found: Mount = reply.data()?;
    if found.path.trim_end_matches('/') != mount {
        return Err(invalid(
            "`mount` is a path below a mount: name the mount itself",
        ));
    }
    let version = found.options.unwrap_or_default().remove("version");
    match (found.kind.as_str(), version.as_deref()) {
        ("kv", Some("2")) => Ok(()),
        ("kv" | "generic", _) => Err(invalid(
            "the mount is a key/value engine of version 1, which ignores check-and-set: upgrade it (`kv enable-versioning`)",
        )),
        _ => Err(invalid("the mount is no key/value engine")),
    }
}

#[derive(Deserialize)]
struct Mount {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    options: Option<BTreeMap<String, String>>,
}

/// Refuses a place where a rotation would begin and not end; its metadata.
pub(super) async fn place(
    store: &VaultProvider,
    at: &Place,
) -> Result<Option<ReadSecretMetadataResponse>, ProviderError> {
    let (session, mount) = (&store.session, &store.mount);
    let needs = needs(mount, at);
    let paths: Vec<_> = needs.iter().map(|need| need.path.clone()).collect();
    let reply = session
        .ask(Effect::None, || Plain::capabilities(&paths))
        .await?;
    if reply.status == 403 {
        return Err(denied(
            "the token may not ask for its rights: allow `update` on sys/capabilities-self (the policy `default` does)",
        ));
    }
    let reply = reply.done(Effect::None)?;
    let rights: BTreeMap<String, serde_json::Value> = reply.data()?;
    let has = |need: &Need| {
        let rights = rights.get(&need.path).and_then(|r| r.as_array());
        let rights = rights.map_or(&[][..], Vec::as_slice);
        let may = |word: &str| rights.iter().any(|r| r == word);
        may("root") || (!may("deny") && may(need.right))
    };
    if rights.is_empty() {
        return Err(not_vault());
    }
    for need in needs.iter().filter(|need| !need.only_new) {
        if !has(need) {
            return Err(denied(need.missing));
        }
    }
    let meta = store.metadata(&at.path).await?;
    if meta.is_none() {
        for need in needs.iter().filter(|need| need.only_new) {
            if !has(need) {
                return Err(denied(need.missing));
            }
        }
    }
    let of_mount = settings(session, mount).await?;
    // The server takes the larger of the two numbers, and ten where neither is set.
    let of_path = meta.as_ref().map_or(0, |m| m.max_versions);
    let versions = of_path.max(of_mount.max_versions);
    if versions == 1 {
        return Err(invalid(
            "`max_versions` is 1: the previous value would be gone at the switch; set it to 2 or more",
        ));
    }
    let after = [
        meta.as_ref().map(|m| m.delete_version_after.as_str()),
        Some(of_mount.delete_version_after.as_str()),
    ];
    if after.into_iter().flatten().any(is_set) {
        return Err(invalid(
            "`delete_version_after` is set on the path or its mount: the current value would vanish; set it to 0",
        ));
    }
    Ok(meta)
}

/// The mount's own settings.
async fn settings(
    session: &Session,
    mount: &str,
) -> Result<ReadConfigurationResponse, ProviderError> {
    let read = || ReadConfigurationRequest {
        mount: mount.to_owned(),
    };
    let reply = session.ask(Effect::None, read).await?;
    reply.done(Effect::None)?.data()
}

/// `0s`: not set; negative: switched off.
fn is_set(duration: &str) -> bool {
    !duration.starts_with('-') && duration.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

/// A right that some step needs.
struct Need {
    path: String,
    right: &'static str,
    missing: &'static str,
    /// Needed only where nothing stands yet.
    only_new: bool,
}

/// In the order of the steps.
fn needs(mount: &str, at: &Place) -> Vec<Need> {
    let (path, sibling) = (&at.path, sibling(at));
    let need = |path: String, right, missing| Need {
        path,
        right,
        missing,
        only_new: false,
    };
    vec![
        need(
            format!("{mount}/metadata/{path}"),
            "read",
            "the policy lacks `read` on MOUNT/metadata/PATH, which every step needs",
        ),
        need(
            format!("{mount}/config"),
            "read",
            "the policy lacks `read` on MOUNT/config, without which settings that lose a version are not seen",
        ),
        need(
            format!("{mount}/data/{path}"),
            "read",
            "the policy lacks `read` on MOUNT/data/PATH, which every step needs",
        ),
        need(
            format!("{mount}/data/{sibling}"),
            "read",
            "the policy lacks `read` on MOUNT/data/PATH.keyrota-pending, which every step needs",
        ),
        need(
            format!("{mount}/data/{sibling}"),
            "create",
            "the policy lacks `create` on MOUNT/data/PATH.keyrota-pending, which writing the new value needs",
        ),
        need(
            format!("{mount}/data/{sibling}"),
            "update",
            "the policy lacks `update` on MOUNT/data/PATH.keyrota-pending, which replacing an abandoned value needs",
        ),
        need(
            format!("{mount}/metadata/{sibling}"),
            "read",
            "the policy lacks `read` on MOUNT/metadata/PATH.keyrota-pending, which telling two writers apart needs",
        ),
        need(
            format!("{mount}/data/{path}"),
            "update",
            "the policy lacks `update` on MOUNT/data/PATH, which the switch needs",
        ),
        Need {
            only_new: true,
            ..need(
                format!("{mount}/data/{path}"),
                "create",
                "the policy lacks `create` on MOUNT/data/PATH, which the first value needs",
            )
        },
        need(
            format!("{mount}/metadata/{path}"),
            "update",
            "the policy lacks `update` on MOUNT/metadata/PATH, which recording the switch needs",
        ),
        need(
            format!("{mount}/metadata/{sibling}"),
            "delete",
            "the policy lacks `delete` on MOUNT/metadata/PATH.keyrota-pending, which the end of the switch needs",
        ),
        need(
            format!("{mount}/destroy/{path}"),
            "update",
            "the policy lacks `update` on MOUNT/destroy/PATH, which erasing the old value needs",
        ),
    ]
}

fn denied(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Denied, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_set_if_it_is_more_than_nothing() {
        for (text, set) in [
            ("0s", false),
            ("", false),
            ("0", false),
            ("-1s", false),
            ("10s", true),
            ("1h30m0s", true),
        ] {
            assert_eq!(is_set(text), set, "{text}");
        }
    }
}
