//! docs/contribute shows how a provider, a kind of secret and a consumer are added, by the text of
//! `examples/kinds`: whole kinds outside this tree, which a rotation uses.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::keyrota::Keyrota;
use crate::tidy::tree::root;

/// Its tests, the promises of the contract, are tests of this binary.
#[path = "../examples/kinds/directory.rs"]
mod directory;

/// Each block of a page that names a file is a part of it, and together they are all of it.
#[test]
fn the_pages_show_the_examples_as_they_are() {
    for (page, own) in [
        ("add-a-provider", "directory.rs"),
        ("add-a-kind-of-secret", "wireguard.rs"),
        ("add-a-consumer", "signal.rs"),
    ] {
        let page = root().join(format!("docs/contribute/{page}.md"));
        let page = std::fs::read_to_string(page).unwrap();
        let mut files = BTreeSet::new();
        for line in page.lines() {
            files.extend(line.strip_prefix("```rust examples/kinds/"));
        }
        assert_eq!(files, BTreeSet::from([own, "main.rs"]));
        for file in files {
            let file = format!("examples/kinds/{file}");
            let begin = format!("```rust {file}\n");
            let blocks = page.split(&begin).skip(1);
            let blocks = blocks.map(|rest| rest.split("```\n").next().unwrap());
            let shown = blocks.collect::<Vec<_>>().join("\n");
            let text = std::fs::read_to_string(root().join(&file)).unwrap();
            assert_eq!(shown, text, "{file}");
        }
    }
}

/// keyrota with the kinds of the pages.
fn program() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_keyrota"));
    let program = built.parent().unwrap().join("examples/kinds");
    assert!(
        program.exists(),
        "`cargo test --test` builds no examples: cargo build --example kinds"
    );
    program
}

/// The new kind in the hands of a user.
#[test]
fn a_provider_of_ones_own_is_used_as_any_other() {
    let keyrota = Keyrota::in_temp().with(program());
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

/// A rotation with a secret and a consumer of one's own, beside those of the tree.
#[test]
fn a_secret_and_a_consumer_of_ones_own_are_used_as_any_other() {
    let keyrota = Keyrota::in_temp().with(program());
    let schedule = |interface: &str| {
        format!(
            "environment = \"development\"\n[defaults]\nrefresh = \"0s\"\ngrace = \"0s\"\n[providers.main]\nkind = \"file\"\n\
             path = \".keyrota/development.age\"\n[secrets.wg0]\nkind = \"wireguard\"\ninterface = \"{interface}\"\nenv = \"WG_KEY\"\n\
             [[secrets.wg0.consumers]]\nkind = \"signal\"\npid_file = \"app.pid\"\nsignal = \"USR1\"\n"
        )
    };
    let file = "schedules/development.toml";
    keyrota.write(file, &schedule("an-interface-of-too-many-letters"));
    let wrong = keyrota.run(&["validate"]).code(78).stdout;
    assert!(wrong.contains(&format!("{file}:10:13: ")), "{wrong}");
    assert!(wrong.contains("is longer than the 15 bytes"), "{wrong}");
    keyrota.write(file, &schedule("wg0"));
    keyrota.run(&["validate"]).code(0);
    let schema = keyrota.run(&["schema"]).code(0).stdout;
    for word in ["\"wireguard\"", "\"signal\"", "\"USR2\""] {
        assert!(schema.contains(word), "{word}");
    }
    let setup = keyrota.run(&["plan", "--setup"]).code(0).stdout;
    assert!(
        setup.contains("a process that writes its number into"),
        "{setup}"
    );

    keyrota.run(&["init"]).code(0);
    // It writes a line for each signal.
    let mut app = Command::new("sh")
        .current_dir(keyrota.path("."))
        .args([
            "-c",
            "trap 'echo heard >> heard' USR1; echo $$ > app.pid; while sleep 0.05; do :; done",
        ])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let until = |what: &dyn Fn() -> bool| {
        for _ in 0..200 {
            if what() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("it did not come");
    };
    until(&|| keyrota.path("app.pid").exists());
    let mut seen = BTreeSet::new();
    for n in 1..=2 {
        keyrota.run(&["rotate", "wg0", "--wait"]).code(0);
        let print = ["run", "--", "sh", "-c", "printf %s \"$WG_KEY\""];
        let key = keyrota.run(&print).code(0).stdout;
        assert_eq!((key.len(), key.ends_with('=')), (44, true));
        seen.insert(key);
        until(&|| {
            std::fs::read_to_string(keyrota.path("heard")).is_ok_and(|t| t.lines().count() >= n)
        });
    }
    app.kill().unwrap();
    app.wait().unwrap();
    assert_eq!(seen.len(), 2, "the second rotation changed it");
    let state = keyrota.run(&["status", "--json"]).code(0).stdout;
    assert!(
        state.contains("\"kind\": \"wireguard\"") || state.contains("\"kind\":\"wireguard\""),
        "{state}"
    );
    keyrota.run(&["audit", "verify"]).code(0);
}
