//! Rights at Vault or OpenBao, and the policy that gives them. Pure.

use super::rights::{Purpose, Right, Touched, once};
use crate::config::model::VaultProvider;

/// What the server has to allow. `reads`: nothing is asked of it before.
pub fn rights(vault: &VaultProvider, places: &[Touched<'_>], reads: bool) -> Vec<Right> {
    use Purpose::{Create, Finish, First, Look, Own, Retire, Undo};
    let mount = &vault.mount;
    let mut all = Vec::new();
    let mut on = |purpose, action, path: String| all.push(Right::new(purpose, action, path));
    for place in places {
        let path = place.path;
        let pending = format!("{path}.keyrota-pending");
        on(Look, "read", format!("{mount}/metadata/{path}"));
        on(Look, "read", format!("{mount}/data/{path}"));
        on(Look, "read", format!("{mount}/data/{pending}"));
        if place.written {
            on(Create, "create", format!("{mount}/data/{pending}"));
            on(Create, "update", format!("{mount}/data/{pending}"));
            on(Create, "read", format!("{mount}/metadata/{pending}"));
            on(First, "create", format!("{mount}/data/{path}"));
            on(Finish, "update", format!("{mount}/data/{path}"));
            on(Finish, "update", format!("{mount}/metadata/{path}"));
            on(Undo, "delete", format!("{mount}/metadata/{pending}"));
            on(Retire, "update", format!("{mount}/destroy/{path}"));
        }
    }
    // The policy `default`, which most tokens have, allows these too.
    if !reads {
        on(Own, "update", "sys/capabilities-self".to_owned());
    }
    on(Own, "read", "auth/token/lookup-self".to_owned());
    on(Own, "update", "auth/token/renew-self".to_owned());
    all
}

/// Why a policy cannot say this path and no other.
pub fn unsayable(path: &str) -> Option<&'static str> {
    path.contains(['*', '+', '{', '}', '$', '"', '\\'])
        .then_some("has a character with a meaning of its own in Vault's policies: * + { } $ \" \\")
}

/// One block for each path.
pub fn document(vault: &VaultProvider, rights: &[Right]) -> String {
    let mut out = String::new();
    if let Some(namespace) = &vault.namespace {
        out.push_str(&format!("# Belongs into the namespace {namespace}.\n\n"));
    }
    for path in once(rights.iter().map(|r| &r.on)) {
        let of = || rights.iter().filter(|r| r.on == *path);
        let why = once(of().map(|r| r.purpose.why())).join("; ");
        let may = once(of().map(|r| format!("{:?}", r.action))).join(", ");
        out.push_str(&format!(
            "# {why}\npath \"{path}\" {{\n  capabilities = [{may}]\n}}\n\n"
        ));
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// `PATH: read, update`; what the policy `default` allows is left out.
pub fn in_words(rights: &[Right]) -> Vec<String> {
    let own = |r: &&Right| r.purpose != Purpose::Own;
    let paths = once(rights.iter().filter(own).map(|r| &r.on));
    let line = |path: &String| {
        let may = once(rights.iter().filter(|r| r.on == *path).map(|r| r.action));
        format!("a policy with {path}: {}", may.join(", "))
    };
    paths.into_iter().map(line).collect()
}
