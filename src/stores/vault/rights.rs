//! Rights at Vault or OpenBao, and the policy that gives them. Pure.

use serde_json::json;

use super::Vault;
use crate::config::registry::rights::{Asked, Document, Policy, Purpose, Right, once};

impl Policy for Vault {
    fn language(&self) -> &'static str {
        "vault"
    }

    /// A path that a policy would understand otherwise.
    fn refusal(&self, asked: &Asked<'_>) -> Option<String> {
        let mount = (
            format!("providers.{}: mount", asked.provider),
            self.mount.as_str(),
        );
        let places = asked.places.iter();
        let paths = places.map(|t| (format!("secrets.{}: path", t.secret), t.path));
        let mut all = [mount].into_iter().chain(paths);
        all.find_map(|(who, path)| {
            let why = unsayable(path)?;
            Some(format!(
                "{who} {path:?} {why}; choose another path, or write this policy by hand"
            ))
        })
    }

    fn rights(&self, asked: &Asked<'_>) -> Vec<Right> {
        use Purpose::{Create, Finish, First, Look, Own, Retire, Undo};
        let mount = &self.mount;
        let mut all = Vec::new();
        let mut on = |purpose, action, path: String| all.push(Right::new(purpose, action, path));
        for place in &asked.places {
            let path = place.path;
            let pending = format!("{path}.keyrota-pending");
            on(Look, "read", format!("{mount}/metadata/{path}"));
            on(Look, "read", format!("{mount}/data/{path}"));
            on(Look, "read", format!("{mount}/data/{pending}"));
            if place.written {
                // Settings that would lose a version are seen before the first step.
                on(Look, "read", format!("{mount}/config"));
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
        if !asked.reads {
            on(Own, "update", "sys/capabilities-self".to_owned());
        }
        on(Own, "read", "auth/token/lookup-self".to_owned());
        on(Own, "update", "auth/token/renew-self".to_owned());
        all
    }

    /// One block for each path.
    fn document(&self, rights: &[Right]) -> Document {
        let mut out = String::new();
        if let Some(namespace) = &self.namespace {
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
        Document {
            json: json!(out),
            text: out,
        }
    }

    /// `PATH: read, update`; what the policy `default` allows is left out.
    fn in_words(&self, rights: &[Right]) -> Vec<String> {
        let own = |r: &&Right| r.purpose != Purpose::Own;
        let paths = once(rights.iter().filter(own).map(|r| &r.on));
        let line = |path: &String| {
            let may = once(rights.iter().filter(|r| r.on == *path).map(|r| r.action));
            format!("a policy with {path}: {}", may.join(", "))
        };
        paths.into_iter().map(line).collect()
    }
}

/// Why a policy cannot say this path and no other.
fn unsayable(path: &str) -> Option<&'static str> {
    path.contains(['*', '+', '{', '}', '$', '"', '\\'])
        .then_some("has a character with a meaning of its own in Vault's policies: * + { } $ \" \\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_a_policy_would_take_for_several_is_refused() {
        for path in ["a/*", "a/+/b", "{{x}}", "a\"b", "a\\b", "${a}"] {
            assert!(unsayable(path).is_some(), "{path}");
        }
        assert_eq!(unsayable("team/a-b_c.d/e f"), None);
    }
}
