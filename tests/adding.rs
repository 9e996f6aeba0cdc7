//! providers/README.md shows how a provider is added, by the text of `examples/directory`: a whole kind
//! outside this tree, with the promises of the contract as its tests.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::keyrota::Keyrota;
use crate::tidy::tree::root;

/// Its tests, the promises of the contract, are tests of this binary.
#[path = "../examples/directory/directory.rs"]
mod directory;

/// Each block of the page that names a file is a part of it, and together they are all of it.
#[test]
fn the_page_shows_the_example_as_it_is() {
    let page = std::fs::read_to_string(root().join("providers/README.md")).unwrap();
    let mut files = BTreeSet::new();
    let shown = |file: &str| {
        let begin = format!("```rust {file}\n");
        let blocks = page.split(&begin).skip(1);
        let blocks = blocks.map(|rest| rest.split("```\n").next().unwrap());
        blocks.collect::<Vec<_>>().join("\n")
    };
    for line in page.lines() {
        files.extend(line.strip_prefix("```rust examples/directory/"));
    }
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let file = format!("examples/directory/{file}");
        let text = std::fs::read_to_string(root().join(&file)).unwrap();
        assert_eq!(shown(&file), text, "{file}");
    }
}

/// The new kind in the hands of a user.
#[test]
fn a_provider_of_ones_own_is_used_as_any_other() {
    let programs = Path::new(env!("CARGO_BIN_EXE_keyrota")).parent().unwrap();
    let program = programs.join("examples/directory");
    assert!(
        program.exists(),
        "`cargo test --test` builds no examples: cargo build --example directory"
    );
    let keyrota = Keyrota::in_temp().with(program);
    let providers = keyrota.run(&["providers", "--json"]).code(0).json();
    let mut kinds = providers["providers"].as_array().unwrap().iter();
    let kind = kinds.find(|p| p["kind"] == directory::KIND.word).unwrap();
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
