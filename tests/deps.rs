//! The dependency tree: nothing banned, nothing twice that must be once, no licence we have not read,
//! no direct dependency without a reason. The rules stand in deny.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use toml::{Table, Value};

use crate::tidy::tree::{files, root};

#[test]
fn nothing_banned_is_in_the_tree() {
    let tree = tree();
    assert!(
        tree.contains_key("rustls") && tree.contains_key("keyrota-gate"),
        "half a tree"
    );
    let rules = rules();
    let bans = rules["bans"]["deny"].as_array().unwrap();
    for ban in bans.iter().map(Ban::of) {
        assert_eq!(ban.broken_by(&tree), None, "{}", ban.reason);
    }
}

#[test]
fn every_licence_is_allowed() {
    let rules = rules();
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let allowed: Vec<_> = allowed.iter().map(|l| l.as_str().unwrap()).collect();
    for (name, versions) in tree() {
        for (version, licence) in versions {
            assert!(
                allows(&licence, &allowed),
                "{name} {version} is under {licence:?}"
            );
        }
    }
}

#[test]
fn every_direct_dependency_has_a_reason() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|f| f.path.ends_with("Cargo.toml")) {
        wrong.extend(without_reason(&file.text).map(|line| format!("{}: {line}", file.path)));
    }
    assert!(
        wrong.is_empty(),
        "no `# reason` on the line:\n{}",
        wrong.join("\n")
    );
}

fn rules() -> Table {
    std::fs::read_to_string(root().join("deny.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

/// The versions of every package that is built or run here, tests and build scripts included, and
/// their licences. The lock file knows more: packages of features nobody has enabled.
type Tree = BTreeMap<String, BTreeSet<(String, String)>>;

fn tree() -> Tree {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--all-features",
            "--edges",
            "normal,build,dev",
        ])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}\t{l}"])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut tree = Tree::new();
    for line in String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|l| !l.is_empty())
    {
        let line = line.trim_end_matches(" (*)"); // seen before: a cycle through dev-dependencies
        let (package, licence) = line.split_once('\t').unwrap();
        let mut words = package.split(' ');
        let name = words.next().unwrap().to_owned();
        let version = words.next().unwrap().trim_start_matches('v').to_owned();
        tree.entry(name)
            .or_default()
            .insert((version, licence.to_owned()));
    }
    tree
}

/// An entry of `bans.deny`: `crate = "name"` or `"name:<1.2"`, or more than one version of it.
struct Ban<'a> {
    name: &'a str,
    below: Option<&'a str>,
    only_several: bool,
    reason: &'a str,
}

impl<'a> Ban<'a> {
    fn of(entry: &'a Value) -> Self {
        let spec = entry["crate"].as_str().unwrap();
        let (name, below) = match spec.split_once(':') {
            Some((name, range)) => (
                name,
                Some(range.strip_prefix('<').expect("a range `<version`")),
            ),
            None => (spec, None),
        };
        let several = entry.get("deny-multiple-versions");
        Self {
            name,
            below,
            only_several: several.is_some_and(|v| v.as_bool().unwrap()),
            reason: entry["reason"].as_str().expect("a ban has a reason"),
        }
    }

    /// The versions that break it.
    fn broken_by(&self, tree: &Tree) -> Option<String> {
        let versions = tree.get(self.name)?;
        let banned = |version: &str| match self.below {
            Some(bound) => numbers(version) < numbers(bound),
            None => true,
        };
        let banned: BTreeSet<_> = versions
            .iter()
            .map(|(v, _)| v.as_str())
            .filter(|v| banned(v))
            .collect();
        let enough = if self.only_several { 2 } else { 1 };
        (banned.len() >= enough).then(|| format!("{} {banned:?}", self.name))
    }
}

/// Major, minor, patch; what is missing is 0.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version
        .split(['.', '-', '+'])
        .map(|n| n.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// Whether an SPDX expression can be satisfied; `/` is an old way to write `OR`.
fn allows(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let tokens: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    !rest.is_empty() && any(&mut rest, allowed) && rest.is_empty()
}

fn any(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut ok = all(rest, allowed);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        ok |= all(rest, allowed);
    }
    ok
}

fn all(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut ok = one(rest, allowed);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        ok &= one(rest, allowed);
    }
    ok
}

fn one(rest: &mut &[&str], allowed: &[&str]) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let ok = any(rest, allowed);
            *rest = rest.strip_prefix(&[")"]).expect("balanced parentheses");
            ok
        }
        [name, "WITH", exception, tail @ ..] => {
            *rest = tail;
            allowed.contains(&format!("{name} WITH {exception}").as_str())
        }
        [name, tail @ ..] => {
            *rest = tail;
            allowed.contains(name)
        }
        [] => false,
    }
}

/// The lines that add a dependency and do not say why; the workspace's and our own need no reason.
fn without_reason(manifest: &str) -> impl Iterator<Item = &str> {
    let mut section = "";
    manifest.lines().filter(move |line| {
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']);
        }
        let adds =
            section.ends_with("dependencies") && line.starts_with(|c: char| c.is_alphanumeric());
        let whole_section = line.starts_with('[') && section.contains("dependencies.");
        let ours = line.contains("workspace = true") || line.starts_with("keyrota");
        whole_section || adds && !ours && !line.contains(" # ")
    })
}

#[test]
fn the_rules_bite() {
    let tree: Tree = [("a", "1.2.0"), ("b", "0.9.1"), ("b", "1.0.0")]
        .iter()
        .fold(Tree::new(), |mut tree, (name, version)| {
            tree.entry(name.to_string())
                .or_default()
                .insert((version.to_string(), String::new()));
            tree
        });
    for (entry, broken) in [
        ("crate = 'a'", true),
        ("crate = 'c'", false),
        ("crate = 'a:<1.2'", false),
        ("crate = 'a:<1.10'", true),
        ("crate = 'b:<1'", true),
        ("crate = 'a'\ndeny-multiple-versions = true", false),
        ("crate = 'b'\ndeny-multiple-versions = true", true),
    ] {
        let entry = Value::Table(format!("{entry}\nreason = 'because'").parse().unwrap());
        assert_eq!(
            Ban::of(&entry).broken_by(&tree).is_some(),
            broken,
            "{entry}"
        );
    }

    for (expression, ok) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("MIT AND (GPL-3.0 OR LGPL-2.1)", false),
        ("MIT WITH Something", false),
        ("", false),
    ] {
        assert_eq!(allows(expression, &["MIT", "ISC"]), ok, "{expression}");
    }

    let manifest = "[package]\nname = 1\n[dependencies]\na = 1\nb = 1 # why\nc.workspace = true\nkeyrota-x = 1\n[dev-dependencies.d]\ne = 1";
    let lines: Vec<_> = without_reason(manifest).collect();
    assert_eq!(lines, ["a = 1", "[dev-dependencies.d]"]);
}
