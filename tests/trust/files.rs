//! A file of another user says what root's keyrota does: that user would decide with root's rights.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use keyrota_contract::testing::root_may;

use crate::support::keyrota::Keyrota;

const OTHER: u32 = 65534;

/// Sends a variable of this process's to an address.
const SENDS: &str = r#"
environment = "development"
[providers.theirs]
kind = "vault"
address = "https://127.0.0.1:PORT"
mount = "kv"
auth = { method = "token", token = { env = "ROOT_TOKEN" } }
[secrets.token]
kind = "random"
length = 32
alphabet = "a-z0-9"
refresh = "1s"
env = "TOKEN"
"#;

/// Starts a program.
const RUNS: &str = r#"
environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.token]
kind = "random"
length = 32
alphabet = "a-z0-9"
refresh = "1s"
env = "TOKEN"
[[secrets.token.consumers]]
kind = "command"
argv = ["/usr/bin/touch", "DIR/ran"]
"#;

const COMMANDS: &[&[&str]] = &[
    &["rotate", "--all"],
    &["rotate", "--due"],
    &["--env", "development", "daemon"],
    &["plan"],
    &["status"],
    &["check"],
    &["run", "--", "true"],
    &["import", "token", "--stdin"],
    &["history", "token"],
    &["audit", "verify"],
    &["init"],
];

#[test]
fn what_another_user_can_change_is_not_followed() {
    if !root_may("make files of other users") {
        return;
    }
    let keyrota = Keyrota::in_temp();
    keyrota.write("home/keyrota.toml", "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let at = |path: &str| keyrota.path("home").canonicalize().unwrap().join(path);
    let here = at("");
    let here = here.to_str().unwrap().trim_end_matches('/');
    let run = |args: &[&str]| {
        let mut command = keyrota.command(&["--config", &format!("{here}/keyrota.toml")]);
        let command = command.args(args).current_dir(here);
        crate::support::keyrota::Ran::fed(command.env("ROOT_TOKEN", "root's"), "value\n")
    };
    const RULE: &str = "keyrota follows a file if root or its own user owns it and every directory above it, and no other user may write there";
    let refused = |why: &str, remedy: &str| {
        for schedule in [SENDS, RUNS] {
            // In place: owner and mode stay.
            let text = schedule.replace("PORT", &port).replace("DIR", here);
            std::fs::write(at("schedules/development.toml"), text).unwrap();
            for args in COMMANDS {
                let ran = run(args).code(78);
                // The component and the remedy, exactly: each path is the beginning of a longer one.
                let sentence = format!(": {why}; {RULE}: {remedy}");
                let said = ran.stderr.lines().any(|line| line.ends_with(&sentence));
                assert!(said, "{args:?} {why} … {remedy}: {}", ran.stderr);
            }
            // Nobody acts on what is only checked.
            run(&["validate"]).code(0);
        }
        assert_eq!(names(&at("")), ["keyrota.toml", "schedules"]);
        let connected = listener.accept().map(drop).map_err(|e| e.kind());
        assert_eq!(connected, Err(ErrorKind::WouldBlock));
    };
    keyrota.write("home/schedules/development.toml", "");
    let objects = [
        "",
        "schedules",
        "schedules/development.toml",
        "keyrota.toml",
    ];
    for object in objects.map(at) {
        let object = PathBuf::from(object.to_str().unwrap().trim_end_matches('/'));
        let usual = if object.is_dir() { 0o755 } else { 0o644 };
        // `init` writes nothing into what it does not read.
        lchown(&object, Some(OTHER), Some(OTHER)).unwrap();
        let shown = object.display();
        // Never a command that takes a person's directory away.
        let remedy = match object.is_dir() {
            true => {
                "run keyrota as that user, or move these files to a directory of root's".to_owned()
            }
            false => {
                format!("run keyrota as that user, or read the file and then: chown root {shown}")
            }
        };
        refused(&format!("{shown} belongs to the user 65534"), &remedy);
        lchown(&object, Some(0), Some(OTHER)).unwrap();
        mode(&object, usual | 0o020);
        let remedy = format!("chmod g-w {shown}");
        refused(&format!("the group of {shown} may write to it"), &remedy);
        mode(&object, usual | 0o002);
        let remedy = format!("chmod o-w {shown}");
        refused(&format!("everybody may write to {shown}"), &remedy);
        mode(&object, usual);
    }

    // A link that another user made leads to a file of root's.
    let (link, real) = (at("schedules/development.toml"), at("real"));
    std::fs::rename(&link, &real).unwrap();
    symlink(&real, &link).unwrap();
    lchown(&link, Some(OTHER), Some(OTHER)).unwrap();
    let ran = run(&["rotate", "--all"]).code(78);
    assert!(ran.stderr.contains("belongs to the user 65534"), "{ran:?}");
    lchown(&link, Some(0), Some(0)).unwrap();
    run(&["rotate", "--all"]).code(0);
    assert!(at("ran").exists(), "root's own link is followed");
}

/// A developer's repository is the developer's; root's files are followed by everybody.
#[test]
fn a_user_follows_files_of_their_own_and_of_root() {
    if !root_may("start a program as another user") {
        return;
    }
    for owner in [OTHER, 0] {
        let keyrota = Keyrota::in_temp();
        keyrota.write("schedules/development.toml", RUNS);
        keyrota.write(
            "keyrota.toml",
            "state = \"home/state.db\"\nkeys = { file = \"home/seed\" }\n",
        );
        keyrota.write("home/seed", &"x!".repeat(16));
        mode(&keyrota.path("home/seed"), 0o600);
        mode(keyrota.dir(), 0o755);
        for path in ["home", "home/seed"] {
            lchown(keyrota.path(path), Some(OTHER), Some(OTHER)).unwrap();
        }
        for path in [
            "",
            "schedules",
            "schedules/development.toml",
            "keyrota.toml",
        ] {
            lchown(keyrota.path(path), Some(owner), Some(owner)).unwrap();
        }
        let plain = keyrota.command(&["--config", "keyrota.toml", "plan"]);
        let program = keyrota.path("program");
        std::fs::copy(plain.get_program(), &program).unwrap();
        let ran = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(plain.get_args())
            .current_dir(keyrota.dir())
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(0), "{owner}: {ran:?}");
    }
}

#[test]
fn checkpoints_that_another_user_can_change_prove_nothing() {
    let keyrota = Keyrota::in_temp();
    let home = keyrota.path("").display().to_string();
    keyrota.write("schedules/development.toml", &RUNS.replace("DIR", &home));
    keyrota.run(&["rotate", "token"]).code(0);
    let checkpoints = keyrota.path(".keyrota/checkpoints");
    let kept = || {
        let files = names(&checkpoints);
        files
            .iter()
            .map(|name| std::fs::read(checkpoints.join(name)).unwrap())
            .collect::<Vec<_>>()
    };
    let before = kept();
    for others in [0o702, 0o1777] {
        mode(&checkpoints, others);
        for args in [
            &["rotate", "token"][..],
            &["audit", "accept", "--reason", "x"],
        ] {
            let ran = keyrota.run(args).code(78);
            assert!(ran.stderr.contains("checkpoints: "), "{ran:?}");
            assert!(ran.stderr.contains("chmod o-w "), "{ran:?}");
        }
        assert_eq!(kept(), before);
    }
    mode(&checkpoints, 0o700);
    keyrota.run(&["rotate", "token"]).code(0);
    if rustix::process::geteuid().is_root() {
        lchown(&checkpoints, Some(OTHER), None).unwrap();
        let ran = keyrota.run(&["rotate", "token"]).code(78);
        assert!(ran.stderr.contains("belongs to the user"), "{ran:?}");
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
