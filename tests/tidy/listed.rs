//! What exists is also listed where it takes effect.

use std::collections::BTreeSet;

use super::tree::{Source, code, files, root};

/// rustc says nothing about a file that no module names: its tests would never run.
#[test]
fn every_source_file_is_a_module() {
    let files = files();
    let wrong: Vec<_> = files
        .iter()
        .filter(|f| f.is_rust() && !is_root(&f.path) && !is_named(&f.path, &files))
        .map(|f| f.path.as_str())
        .collect();
    assert!(wrong.is_empty(), "no module:\n{}", wrong.join("\n"));
}

/// Whether cargo starts here: `main.rs`, `lib.rs`, and each file of a folder of tests, examples or
/// benchmarks without a `main.rs`, beside a `Cargo.toml`.
fn is_root(path: &str) -> bool {
    let path = root().join(path);
    let folder = path.parent().unwrap();
    let starts = |name: &str| path.file_name().is_some_and(|n| n == name);
    let listed = ["tests", "examples", "benches"]
        .iter()
        .any(|f| folder.ends_with(f));
    starts("main.rs")
        || starts("lib.rs")
        || listed
            && folder.with_file_name("Cargo.toml").exists()
            && !folder.join("main.rs").exists()
}

fn is_named(path: &str, files: &[Source]) -> bool {
    let path = path
        .strip_suffix("/mod.rs")
        .or(path.strip_suffix(".rs"))
        .unwrap();
    let (folder, name) = path.rsplit_once('/').unwrap();
    let parents = ["main.rs", "lib.rs", "mod.rs"].map(|f| format!("{folder}/{f}"));
    let is_parent = |f: &&Source| parents.contains(&f.path) || f.path == format!("{folder}.rs");
    let roots = |f: &&Source| f.path.starts_with(&format!("{folder}/")) && is_root(&f.path);
    let named = |f: &Source| {
        let declared = |line: &str| code(line).trim().ends_with(&format!("mod {name};"));
        f.text.lines().any(declared)
    };
    files.iter().filter(|f| is_parent(f) || roots(f)).any(named)
}

#[test]
fn every_migration_is_listed() {
    let files = files();
    let code: String = files
        .iter()
        .filter(|f| f.is_in("src/state") && f.is_rust())
        .map(|f| f.text.as_str())
        .collect();
    let of = |database: &str| -> BTreeSet<&str> {
        let folder = format!("src/state/migrations/{database}/");
        files
            .iter()
            .filter_map(|f| f.path.strip_prefix(&folder))
            .collect()
    };
    assert_eq!(
        of("sqlite"),
        of("postgres"),
        "the schemas have the same versions"
    );
    assert!(!of("sqlite").is_empty());
    for name in of("sqlite") {
        for database in ["sqlite", "postgres"] {
            let listed = format!("include_str!(\"migrations/{database}/{name}\")");
            assert!(code.contains(&listed), "{database}/{name} is never run");
        }
    }
}

#[test]
fn every_line_of_a_unit_is_explained() {
    let files = files();
    let units = files
        .iter()
        .filter(|f| f.is_in("systemd") && !f.path.ends_with(".md"));
    let used: BTreeSet<_> = units.flat_map(|f| directives(&f.text)).collect();
    let page = std::fs::read_to_string(root().join("systemd/README.md")).unwrap();
    let rows: BTreeSet<_> = explained(&page).collect();
    assert!(used.len() > 20, "the units have moved");
    let silent: Vec<_> = used.difference(&rows).collect();
    let stale: Vec<_> = rows.difference(&used).collect();
    assert!(
        silent.is_empty() && stale.is_empty(),
        "without a row: {silent:?}; in no unit: {stale:?}"
    );
}

/// `Name` of every `Name=value`.
fn directives(unit: &str) -> impl Iterator<Item = &str> {
    let lines = unit
        .lines()
        .filter(|line| !line.starts_with(['#', ';', '[']));
    lines.filter_map(|line| Some(line.split_once('=')?.0.trim()))
}

/// `Name` of every `` `Name=` `` in the first column of the table of every line.
fn explained(page: &str) -> impl Iterator<Item = &str> {
    let section = page.split("\n## ").find(|s| s.starts_with("Every line\n"));
    let cells = section
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells
        .flat_map(|cell| cell.split("`, `"))
        .filter_map(|name| Some(name.trim().trim_end_matches('`').split_once('=')?.0))
}

/// A provider is added in one place: nothing outside it decides by the word of a kind. (`file` is also a
/// kind of consumer.)
#[test]
fn kinds_of_providers_are_told_apart_in_one_folder_only() {
    let kinds = keyrota::stores::KINDS.iter().map(|kind| kind.word);
    let words: Vec<String> = kinds
        .filter(|word| *word != "file")
        .map(|word| format!("\"{word}\""))
        .collect();
    assert!(words.len() >= 3, "{words:?}");
    let mut wrong = Vec::new();
    for file in files().iter().filter(|f| f.is_rust() && f.is_in("src")) {
        let tests = file.path.contains("/tests");
        if file.is_in("src/stores") || tests {
            continue;
        }
        let named = file
            .lines()
            .filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        wrong.extend(named.map(|(at, line)| format!("{at}: {}", line.trim())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every crate takes part in `--workspace`.
#[test]
fn every_crate_is_a_member() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let members: BTreeSet<_> = manifest["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m.as_str().unwrap())
        .collect();
    let files = files();
    let crates: BTreeSet<_> = files
        .iter()
        .filter_map(|f| f.path.strip_suffix("/Cargo.toml"))
        .collect();
    assert_eq!(members, crates);
}
