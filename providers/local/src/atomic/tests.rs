#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use super::*;

fn dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("target");
    (dir, path)
}

fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}

#[test]
fn new_bytes_with_the_stated_mode_and_nothing_left_over() {
    let (dir, path) = dir();
    for (mode, bytes) in [
        (0o600, &b"one"[..]),
        (0o640, b"a longer one"),
        (0o400, b""),
        (0o644, b"\0\xff"),
    ] {
        replace(&path, bytes, Options { mode, owner: None }).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode);
        assert_eq!(names(dir.path()), ["target"]);
    }
}

#[test]
fn what_is_not_a_plain_file_is_refused_and_stays() {
    let (dir, path) = dir();
    let other = dir.path().join("other");
    fs::write(&other, "kept").unwrap();
    let refused = |expected: FileError| {
        assert_eq!(replace(&path, b"new", Options::PRIVATE), Err(expected));
        assert_eq!(can_replace(&path), Err(expected));
        assert_eq!(fs::read(&other).unwrap(), b"kept");
    };

    symlink(&other, &path).unwrap();
    refused(FileError::Symlink);
    assert_eq!(read(&path, 10).unwrap_err(), FileError::Symlink);
    fs::remove_file(&path).unwrap();

    fs::hard_link(&other, &path).unwrap();
    refused(FileError::HardLink);
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    refused(FileError::NotRegular);
    fs::remove_dir(&path).unwrap();

    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    refused(FileError::NotRegular);
    assert_eq!(
        read(&path, 10).unwrap_err(),
        FileError::NotRegular,
        "and it does not wait for a writer"
    );
    fs::remove_file(&path).unwrap();

    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    refused(FileError::WorldWritableParent);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    replace(&path, b"new", Options::PRIVATE).unwrap();
}

#[test]
fn absent_directories_and_names() {
    let (dir, _) = dir();
    for (path, expected) in [
        (dir.path().join("missing/target"), FileError::NotFound),
        (dir.path().join(".."), FileError::NoName),
        (PathBuf::from("/"), FileError::NoName),
    ] {
        assert_eq!(
            replace(&path, b"new", Options::PRIVATE),
            Err(expected),
            "{}",
            path.display()
        );
    }
    let long = dir.path().join("n".repeat(250));
    replace(&long, b"new", Options::PRIVATE).unwrap();
    assert_eq!(read(&long, 3).unwrap().as_slice(), b"new");
}

#[test]
fn death_before_the_rename_leaves_the_old_bytes_and_an_orphan_to_sweep() {
    let (dir, path) = dir();
    replace(&path, b"old", Options::PRIVATE).unwrap();
    let staged = Staged::write(&path, b"new", Options::PRIVATE).unwrap();
    assert_eq!(names(dir.path()).len(), 2);
    assert_eq!(sweep(dir.path()).unwrap(), 0, "it is being written");

    // A process that dies closes its files and runs no destructors.
    let orphan = dir.path().join(staged.temporary.clone().unwrap());
    drop(staged);
    fs::write(&orphan, "new").unwrap();
    fs::write(dir.path().join(".target.keyrota.mine.tmp"), "a person's").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(sweep(dir.path()).unwrap(), 1);
    assert_eq!(names(dir.path()), [".target.keyrota.mine.tmp", "target"]);
}

#[test]
fn a_failed_write_leaves_the_old_bytes_and_no_orphan() {
    let (dir, path) = dir();
    replace(&path, b"old", Options::PRIVATE).unwrap();
    drop(Staged::write(&path, b"new", Options::PRIVATE).unwrap());
    assert_eq!(names(dir.path()), ["target"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

/// Runs one test of this file again in a process of its own, as a user without privileges and after
/// `setup` in a shell; `KEYROTA_TEST_PATH` tells that process its part, and it must end by [`seen`],
/// so that a filter that matches nothing is not taken for success.
fn again(test: &str, setup: &str, dir: &Path, path: &Path) {
    let mut program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        let theirs = tempfile::tempdir().unwrap();
        fs::set_permissions(theirs.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let copy = theirs.keep().join("test");
        fs::copy(&program, &copy).unwrap();
        program = copy;
        for name in [dir, path] {
            rustix::fs::chown(
                name,
                Some(Uid::from_raw(NOBODY)),
                Some(Gid::from_raw(NOBODY)),
            )
            .unwrap();
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let status = command
        .args(["-c", &format!("{setup}\nexec \"$0\" \"$@\" >/dev/null")])
        .arg(&program)
        .args(["--exact", &format!("atomic::tests::{test}"), "--nocapture"])
        .env("KEYROTA_TEST_PATH", path)
        .status()
        .unwrap();
    if program != std::env::current_exe().unwrap() {
        fs::remove_dir_all(program.parent().unwrap()).unwrap();
    }
    assert_eq!(status.code(), Some(SEEN), "{test}");
}

const NOBODY: u32 = 65534;
const SEEN: i32 = 42;

/// In the process that [`again`] started: what `replace` answers there, and the end.
fn answer_there(expected: FileError) {
    if let Some(path) = std::env::var_os("KEYROTA_TEST_PATH") {
        assert_eq!(
            replace(Path::new(&path), b"new", Options::PRIVATE),
            Err(expected)
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the child, and its exit code is its answer"
        )]
        std::process::exit(SEEN);
    }
}

/// The whole of [`replace`] under a file size limit of zero: the kernel's answer is `EFBIG`, which
/// an unprivileged test can cause, and it takes the same way as a full disk's `ENOSPC`.
#[test]
fn a_full_disk_leaves_the_old_bytes() {
    answer_there(FileError::Full);
    let (dir, path) = dir();
    replace(&path, b"old", Options::PRIVATE).unwrap();
    // Ignoring SIGXFSZ is inherited; otherwise the signal would end the process instead.
    again(
        "a_full_disk_leaves_the_old_bytes",
        "trap '' XFSZ; ulimit -f 0",
        dir.path(),
        &path,
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["target"]);
}

#[test]
fn a_directory_without_write_permission_is_named() {
    answer_there(FileError::Denied);
    let (dir, path) = dir();
    replace(&path, b"old", Options::PRIVATE).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    again(
        "a_directory_without_write_permission_is_named",
        "",
        dir.path(),
        &path,
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_strangers_file_in_a_shared_directory_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make a file that belongs to somebody else");
        return;
    }
    let (dir, path) = dir();
    fs::write(&path, "bait").unwrap();
    rustix::fs::chown(
        &path,
        Some(Uid::from_raw(NOBODY)),
        Some(Gid::from_raw(NOBODY)),
    )
    .unwrap();
    replace(&path, b"old", Options::PRIVATE).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (after.uid(), after.gid()),
        (NOBODY, NOBODY),
        "the owner stays"
    );
    replace(
        &path,
        b"old",
        Options {
            owner: Some((0, NOBODY)),
            ..Options::PRIVATE
        },
    )
    .unwrap();
    assert_eq!(fs::metadata(&path).unwrap().uid(), 0, "the owner asked for");

    rustix::fs::chown(&path, Some(Uid::from_raw(NOBODY)), None).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(
        replace(&path, b"new", Options::PRIVATE),
        Err(FileError::ForeignOwner)
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn what_the_system_says_becomes_one_of_ours() {
    for (theirs, ours, may_pass) in [
        (Errno::NOSPC, FileError::Full, true),
        (Errno::DQUOT, FileError::Full, true),
        (Errno::ROFS, FileError::ReadOnly, true),
        (Errno::ACCESS, FileError::Denied, false),
        (Errno::PERM, FileError::Denied, false),
        (Errno::NOENT, FileError::NotFound, false),
        (Errno::IO, FileError::Io, true),
    ] {
        assert_eq!(classify(theirs), ours);
        assert_eq!(ours.may_pass(), may_pass, "{ours}");
    }
}

#[test]
fn temporary_names_are_recognised_and_others_are_not() {
    assert!(is_temporary_name(
        temporary_name(OsStr::new("a.b"), 0xfff).as_bytes()
    ));
    for other in [
        "",
        ".tmp",
        ".keyrota.1-2.tmp",
        ".a.keyrota.1.tmp",
        ".a.keyrota.1-.tmp",
        ".a.keyrota.1-2-3.tmp",
        "a.keyrota.1-2.tmp",
        ".a.keyrota.g-2.tmp",
        ".a.keyrota.1-2.tmpx",
    ] {
        assert!(!is_temporary_name(other.as_bytes()), "{other}");
    }
}
