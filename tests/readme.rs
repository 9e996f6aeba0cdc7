//! What README.md and the guides tell a reader to type works: the commands of a page are run, in order, by one
//! shell in a copy of this tree.
//!
//! - A block marked `sh` is run; anything else (`console`, `toml`, …) is only shown.
//! - If one of its lines starts with `$ `, those lines are the commands and the others are what they print,
//!   which is not compared; otherwise every line is a command.
//! - A command that ends in `# exits N` must end with that code; every other one with 0.
//! - `cargo run … -- ARGUMENTS`, `target/release/keyrota` and `keyrota` are the program under test; `cargo build`
//!   and `cargo install` have been done.

use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tidy::tree::{files, root};

const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn what_the_readme_says_works() {
    for page in ["README.md", "docs/guides/jwt.md"] {
        let files = files();
        let file = files.iter().find(|f| f.path == page);
        let script = script(&file.expect(page).text);
        assert!(!script.is_empty(), "{page} shows nothing to run");
        run(&script).unwrap_or_else(|why| panic!("{page}: {why}"));
    }
}

#[test]
fn a_page_that_is_wrong_is_noticed() {
    let works = "```sh\nx=1 # why\ntest $x = 1\nsh -c 'exit 3'  # exits 3\ncargo build --release\n```\n\
                 ```console\nfalse\n```\n\
                 ```sh\n$ test $x = 1 && \\\n  touch seen\nseen\n$ test -e seen -a -e Cargo.toml\n```\n";
    run(&script(works)).unwrap();
    for (page, line) in [
        ("```sh\ntrue\nfalse\n```", "README.md:3"),
        ("text\n```sh\n$ true\n$ exit 4\n```", "README.md:4"),
        ("```sh\ntrue # exits 1\n```", "README.md:2"),
        ("```sh\nkeyrota no-such-command\n```", "README.md:2"),
        (
            "```sh\ncargo run --release -- no-such-command\n```",
            "README.md:2",
        ),
    ] {
        let failure = run(&script(page)).expect_err(page);
        assert!(failure.contains(line), "{page}: {failure}");
    }
}

/// The commands of a page as a shell script that says where it is; empty if there are none.
fn script(page: &str) -> String {
    let mut script = String::new();
    let mut lines = page.lines().zip(1..);
    while let Some((fence, _)) = lines.next() {
        if !fence.starts_with("```") || fence == "```" {
            continue;
        }
        let block: Vec<_> = lines
            .by_ref()
            .take_while(|(line, _)| *line != "```")
            .collect();
        if fence == "```sh" {
            for (command, line) in commands(&block) {
                let (command, code) = command.rsplit_once("# exits ").unwrap_or((&command, "0"));
                writeln!(
                    script,
                    "at={line}; expected={code}\n{command}\nleft=$?; check"
                )
                .unwrap();
            }
        }
    }
    script
}

/// Each command, with the lines that continue it, and the line it begins on.
fn commands(block: &[(&str, u32)]) -> Vec<(String, u32)> {
    let transcript = block.iter().any(|(line, _)| line.starts_with("$ "));
    let mut commands: Vec<(String, u32)> = Vec::new();
    for (text, line) in block {
        let continued = commands.last_mut().filter(|(c, _)| c.ends_with('\\'));
        match (continued, text.strip_prefix("$ ")) {
            (Some((command, _)), _) => *command += &format!("\n{text}"),
            (None, Some(command)) if transcript => commands.push((command.to_owned(), *line)),
            (None, None) if transcript => {}
            (None, _) => commands.push(((*text).to_owned(), *line)),
        }
    }
    commands.retain(|(command, _)| !command.trim().is_empty());
    commands
}

const PRELUDE: &str = r#"
check() { if [ "$left" != "$expected" ]; then echo "exit code $left" >&2; exit 1; else at=; fi }
trap 'code=$?; [ -z "$at" ] || { echo "README.md:$at fails ($code)" >&2; exit 1; }' EXIT
"#;

/// Stands for cargo: the program is built already.
const CARGO: &str = "#!/bin/sh
case $1 in
build | install) exit 0 ;;
run) while [ \"$1\" != -- ]; do shift; done; shift; exec keyrota \"$@\" ;;
*) echo \"a README may build, install and run\" >&2; exit 1 ;;
esac
";

/// Runs a script where the tree has been copied to; what it printed is the error.
fn run(script: &str) -> Result<(), String> {
    let place = tempfile::tempdir().unwrap();
    let (tree, home) = (place.path().join("keyrota"), place.path().join("user"));
    copy_tree(&tree);
    let binary = env!("CARGO_BIN_EXE_keyrota");
    for (folder, name) in [
        (home.join("bin"), "keyrota"),
        (tree.join("target/release"), "keyrota"),
    ] {
        std::fs::create_dir_all(&folder).unwrap();
        symlink(binary, folder.join(name)).unwrap();
    }
    let cargo = home.join("bin/cargo");
    std::fs::write(&cargo, CARGO).unwrap();
    std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).unwrap();

    // A file, not a pipe: what a page leaves running in the background would hold a pipe open.
    let log = place.path().join("log");
    let output = File::create(&log).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash")
        .args(["-c", &format!("{PRELUDE}{script}")])
        .current_dir(&tree)
        .env_clear()
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .env("HOME", &home)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .process_group(0)
        .spawn()
        .unwrap();
    let group = rustix::process::Pid::from_child(&shell);
    let begun = Instant::now();
    let status = loop {
        match shell.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if begun.elapsed() > PATIENCE => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    if status.is_some_and(|s| s.success()) {
        return Ok(());
    }
    let _ = shell.wait();
    Err(format!(
        "{status:?}\n{}",
        std::fs::read_to_string(&log).unwrap()
    ))
}

fn copy_tree(to: &Path) {
    for file in files() {
        let path = to.join(&file.path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(root().join(&file.path), path).unwrap();
    }
}
