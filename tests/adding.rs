//! providers/README.md says how a provider is added, and it is so: its blocks are put into a copy of this
//! tree, which is then built, tested and used.
//!
//! A block names its file. `rust`: the file's text, or what follows it if there is some already. `diff`:
//! each line with `+` is put behind the line above it, which stands in the file once.
//!
//! The copy has a path of its own below the directory of builds, and libraries are taken from there: so
//! only this workspace is compiled, and of that the second time only what changed.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::support::cargo::{self, cargo};
use crate::support::keyrota::Keyrota;
use crate::tidy::tree::files;

const PAGE: &str = "providers/README.md";

#[test]
fn a_provider_is_added_as_the_page_says() {
    let target = cargo::target();
    let tree = copy(&target.join("adding/tree"));

    let begun = Instant::now();
    let tests = cargo(
        &tree,
        "adding",
        &["test", "--package", "keyrota", "--lib", "stores::"],
    )
    .code(0);
    let built = begun.elapsed();
    for promise in promises() {
        let line = format!("test stores::directory::tests::{promise} ... ok");
        assert!(tests.stdout.contains(&line), "{line}: {tests:?}");
    }
    assert!(promises().len() >= 20, "the suite has moved");

    let build = [&["build", "--package", "keyrota"], cargo::PROGRAM].concat();
    cargo(&tree, "adding", &build).code(0);
    let compiled = tests.stderr.matches("Compiling ").count();
    println!(
        "{} promises kept; {compiled} crates compiled for the tests, {built:?}; all {:?}",
        promises().len(),
        begun.elapsed()
    );
    used(target.join("adding/debug/keyrota"));
}

/// The new kind in the hands of a user.
fn used(program: PathBuf) {
    let keyrota = Keyrota::in_temp().with(program);
    let providers = keyrota.run(&["providers", "--json"]).code(0).json();
    let mut kinds = providers["providers"].as_array().unwrap().iter();
    let kind = kinds.find(|p| p["kind"] == "directory").unwrap();
    assert_eq!(kind["capabilities"]["promote"], "last-wins");
    assert_eq!(kind["keys"][1]["name"], "suffix");
    let schema = keyrota.run(&["schema"]).code(0).stdout;
    assert!(schema.contains("\"directory\""));

    let schedule = |more: &str| {
        format!(
            "environment = \"development\"\n[defaults]\nrefresh = \"0s\"\n[providers.kept]\nkind = \"directory\"\n\
             path = \"kept\"\n{more}\n[secrets.token]\nkind = \"random\"\nlength = 32\n"
        )
    };
    let file = "schedules/development.toml";
    keyrota.write(file, &schedule("sufix = \".txt\""));
    let wrong = keyrota.run(&["validate"]).code(78).stdout;
    assert!(
        wrong.contains(&format!("{file}:7:1: "))
            && wrong.contains("unknown key `sufix` in providers.kept")
            && wrong.contains("did you mean \"suffix\"?"),
        "{wrong}"
    );
    keyrota.write(file, &schedule("suffix = \"/x\""));
    let wrong = keyrota.run(&["validate"]).code(78).stdout;
    assert!(
        wrong.contains(&format!("{file}:7:10: ")) && wrong.contains("has a slash in it"),
        "{wrong}"
    );
    let long = format!(
        "suffix = \".txt\"\n[secrets.long]\nkind = \"random\"\npath = \"{}\"",
        "a".repeat(200)
    );
    keyrota.write(file, &schedule(&long));
    let wrong = keyrota.run(&["validate"]).code(78).stdout;
    assert!(wrong.contains("is too long for a file's name"), "{wrong}");

    keyrota.write(file, &schedule("suffix = \".txt\""));
    keyrota.run(&["validate"]).code(0);
    let setup = keyrota.run(&["plan", "--setup"]).code(0).stdout;
    assert!(
        setup.contains("a directory that keyrota may write"),
        "{setup}"
    );
    let policy = keyrota.run(&["policy"]).code(78).stderr;
    assert!(
        policy.contains("providers.kept is a directory, and the system gives the rights"),
        "{policy}"
    );

    keyrota.run(&["init"]).code(0);
    std::fs::create_dir(keyrota.path("kept")).unwrap();
    let value = keyrota.path("kept/development%2Ftoken.txt");
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        keyrota.run(&["rotate", "token", "--wait"]).code(0);
        let kept = std::fs::read_to_string(&value).unwrap();
        assert_eq!(kept.len(), 32);
        let mode = std::fs::metadata(&value).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen.insert(kept);
    }
    assert_eq!(seen.len(), 2, "the second rotation changed it");
    keyrota.run(&["audit", "verify"]).code(0);
}

/// This tree with the blocks of the page put in. What is as it was is not written again.
fn copy(to: &Path) -> PathBuf {
    let mut tree: Vec<(String, String)> = files().into_iter().map(|f| (f.path, f.text)).collect();
    let page = tree
        .iter()
        .find(|(path, _)| path == PAGE)
        .unwrap()
        .1
        .clone();
    let blocks = blocks(&page);
    assert!(blocks.len() >= 3, "a file, a line of the registry, a test");
    for (language, path, text) in blocks {
        let there = tree.iter_mut().find(|(p, _)| *p == path);
        match (language, there) {
            ("rust", None) => tree.push((path.to_owned(), text)),
            ("rust", Some((_, file))) => *file += &format!("\n{text}"),
            ("diff", Some((_, file))) => *file = patched(file, &text),
            _ => panic!("{language} {path}"),
        }
    }
    let theirs = tree
        .iter_mut()
        .filter(|(p, _)| ["Cargo.toml", "Cargo.lock"].contains(&p.as_str()));
    theirs.for_each(|(_, text)| *text = renumbered(text));
    for (path, text) in &tree {
        let path = to.join(path);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(text) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
    }
    forget(to, to, &tree.into_iter().map(|(path, _)| path).collect());
    to.to_owned()
}

/// With another version. cargo tells crates of a workspace apart by their path in it: without this, what
/// is built here would stand in the place of the tests that are running.
fn renumbered(text: &str) -> String {
    let version = |v: &str| format!("version = \"{v}\"\n");
    let own = env!("CARGO_PKG_VERSION");
    let (old, new) = (version(own), version(&format!("{own}-adding")));
    let parts = text.split("\n[");
    let of_ours =
        |part: &str| part.contains("\nname = \"keyrota") || part.contains("workspace.package]");
    let parts = parts.map(|part| match of_ours(part) {
        true => part.replacen(&old, &new, 1),
        false => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("\n[")
}

/// Language, file and text of each block of the section that names a file.
fn blocks(page: &str) -> Vec<(&str, &str, String)> {
    let section = page
        .split("\n## ")
        .find(|s| s.starts_with("Adding a provider\n"));
    let mut lines = section.unwrap().lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if let Some((language, path)) = line.strip_prefix("```").and_then(|l| l.split_once(' ')) {
            let text = lines.by_ref().take_while(|line| *line != "```");
            blocks.push((
                language,
                path,
                text.map(|line| format!("{line}\n")).collect(),
            ));
        }
    }
    blocks
}

fn patched(file: &str, diff: &str) -> String {
    let mut lines: Vec<&str> = file.lines().collect();
    let mut at = None;
    for line in diff.lines() {
        let (mark, line) = line.split_at(1);
        at = match (mark, at) {
            (" ", _) => {
                let mut same = (0..lines.len()).filter(|n| lines[*n] == line);
                let found = (same.next(), same.next());
                assert!(
                    matches!(found, (Some(_), None)),
                    "{line:?} stands there {found:?}"
                );
                found.0
            }
            ("+", Some(n)) => {
                lines.insert(n + 1, line);
                Some(n + 1)
            }
            _ => panic!("{line:?} says not where it belongs"),
        };
    }
    lines.join("\n") + "\n"
}

/// Removes what is not of the tree any more.
fn forget(top: &Path, folder: &Path, tree: &BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            forget(top, &path, tree);
        } else if !tree.contains(path.strip_prefix(top).unwrap().to_str().unwrap()) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// The names of the tests that the one line becomes.
fn promises() -> Vec<&'static str> {
    let suite = include_str!("../providers/contract/src/testing/conformance.rs");
    let list = suite.split("@$($how)*;").nth(1).unwrap();
    let list = list.split('}').next().unwrap();
    list.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}
