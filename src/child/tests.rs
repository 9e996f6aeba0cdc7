#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use super::*;

/// A directory with a directory `bin` in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    fs::create_dir(at.join("bin")).unwrap();
    mode(&at.join("bin"), 0o755);
    (dir, at)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Copied by another process: a file just written cannot be executed while a child that was forked
/// meanwhile still holds it open (ETXTBSY).
fn copy(from: &Path, to: &Path) {
    let mut cp = std::process::Command::new("cp");
    assert!(cp.arg(from).arg(to).status().unwrap().success());
    mode(to, 0o755);
}

fn script(at: &Path, body: &str) {
    let source = at.with_extension("source");
    fs::write(&source, format!("#!/bin/sh\n{body}\n")).unwrap();
    copy(&source, at);
}

async fn code(mut child: Child) -> Option<i32> {
    drop(child.stdin.take());
    child.wait().await.unwrap().code()
}

#[tokio::test]
async fn what_was_checked_is_started_whatever_has_its_name_by_then() {
    let (_dir, at) = place();
    let (checked, other) = (at.join("bin/program"), at.join("bin/other"));
    let program = |path: &Path| {
        let argv = vec![path.to_str().unwrap().to_owned(), "argument".to_owned()];
        Program::new(argv, Duration::from_secs(20)).unwrap()
    };
    copy(&Path::new("/bin/true").canonicalize().unwrap(), &checked);
    copy(&Path::new("/bin/false").canonicalize().unwrap(), &other);
    let vouched = vouch(&checked).unwrap();
    fs::rename(&other, &checked).unwrap();
    let started = program(&checked).spawn(&vouched, None).unwrap();
    assert_eq!(code(started).await, Some(0), "the checked one");
    let vouched = vouch(&checked).unwrap();
    let started = program(&checked).spawn(&vouched, None).unwrap();
    assert_eq!(code(started).await, Some(1), "the one there now");
}

/// Scripts look for their neighbours by it.
#[tokio::test]
async fn a_script_is_told_its_own_name_and_its_arguments() {
    let (_dir, at) = place();
    let (path, link) = (at.join("bin/program"), at.join("link"));
    fs::write(at.join("bin/neighbour"), "exit 7\n").unwrap();
    script(
        &path,
        "[ \"$1\" = argument ] || exit 9; . \"$(dirname \"$(realpath \"$0\")\")/neighbour\"",
    );
    symlink("bin/program", &link).unwrap();
    for path in [&path, &link] {
        let argv = vec![path.to_str().unwrap().to_owned(), "argument".to_owned()];
        let program = Program::new(argv, Duration::from_secs(20)).unwrap();
        let started = program.spawn(&vouch(path).unwrap(), None).unwrap();
        assert_eq!(code(started).await, Some(7), "{path:?}");
    }
}

#[test]
fn a_program_that_another_user_can_change_or_replace_is_refused() {
    let (_dir, at) = place();
    let (bin, program, link) = (at.join("bin"), at.join("bin/program"), at.join("link"));
    script(&program, "exit 0");
    symlink("bin/program", &link).unwrap();
    let answer = |path: &Path| vouch(path).map(drop);
    assert_eq!(answer(&program), Ok(()));
    assert_eq!(answer(&link), Ok(()), "a link of this user's");

    for (object, usual) in [(&program, 0o755), (&bin, 0o755), (&at, 0o700)] {
        // This user's own group may have this user alone in it, or be root's.
        for problem in [0o777, 0o757] {
            mode(object, problem);
            for path in [&program, &link] {
                let refused = answer(path).unwrap_err();
                assert!(refused.contains("writable by others"), "{object:?}");
            }
            mode(object, usual);
        }
        if rustix::process::geteuid().is_root() {
            lchown(object, Some(65534), None).unwrap();
            for path in [&program, &link] {
                let refused = answer(path).unwrap_err();
                assert!(refused.contains("belongs to another user"), "{object:?}");
            }
            lchown(object, Some(0), Some(65534)).unwrap();
            mode(object, usual | 0o020);
            let refused = answer(&program).unwrap_err();
            assert!(refused.contains("writable by others"), "{object:?}");
            mode(object, usual);
            assert_eq!(answer(&program), Ok(()), "{object:?}: who may only read");
            lchown(object, Some(0), Some(0)).unwrap();
        }
    }
    if rustix::process::geteuid().is_root() {
        lchown(&link, Some(65534), None).unwrap();
        assert!(answer(&link).unwrap_err().contains("a link to it"));
        assert_eq!(answer(&program), Ok(()));
    }
    // Everybody writes to /tmp, and nobody replaces what is another's there.
    mode(&at, 0o1777);
    assert_eq!(answer(&program), Ok(()));
}

/// `#!/srv/app/venv/bin/python`, of the application's user.
#[test]
fn an_interpreter_that_another_user_can_change_is_refused() {
    let (_dir, at) = place();
    let (venv, script) = (at.join("venv"), at.join("bin/script"));
    fs::create_dir(&venv).unwrap();
    mode(&venv, 0o755);
    let interpreter = venv.join("sh");
    copy(&Path::new("/bin/sh").canonicalize().unwrap(), &interpreter);
    let middle = at.join("bin/middle");
    for (path, line) in [
        (&script, format!("#!{}\n", interpreter.display())),
        (
            &script,
            format!("#!/usr/bin/env -S {} -e\n", interpreter.display()),
        ),
        // An interpreter that is a script itself.
        (&middle, format!("#!{}\n", interpreter.display())),
        (&script, format!("#!{}\n", middle.display())),
    ] {
        fs::write(path, &line).unwrap();
        mode(path, 0o755);
        assert_eq!(vouch(path).map(drop), Ok(()), "{line}");
        for (object, usual) in [(&interpreter, 0o755), (&venv, 0o755)] {
            mode(object, 0o757);
            let refused = vouch(path).unwrap_err();
            assert!(refused.contains("writable by others"), "{line}: {refused}");
            mode(object, usual);
            if rustix::process::geteuid().is_root() {
                lchown(object, Some(65534), None).unwrap();
                let refused = vouch(path).unwrap_err();
                assert!(
                    refused.contains("belongs to another user"),
                    "{line}: {refused}"
                );
                lchown(object, Some(0), None).unwrap();
            }
        }
    }
    // Nobody can run it, and keyrota neither.
    fs::write(&script, format!("#!{}\n", script.display())).unwrap();
    assert!(vouch(&script).unwrap_err().contains("scripts themselves"));
}

#[test]
fn what_is_no_program_is_named() {
    let (_dir, at) = place();
    fs::write(at.join("text"), "").unwrap();
    let pipe = at.join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    for (path, sentence) in [
        ("missing", "does not exist"),
        ("text/program", "does not exist"),
        ("bin", "is not a file"),
        ("pipe", "is not a file"),
        ("text", "is not executable"),
    ] {
        let refused = vouch(&at.join(path)).unwrap_err();
        assert!(refused.contains(sentence), "{path}: {refused}");
    }
}
