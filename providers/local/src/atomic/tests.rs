#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use keyrota_contract::testing::root_may;

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
        assert_eq!(can_replace(&path, Options::PRIVATE), Err(expected));
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

/// A member of a group that may write to the directory puts a file of their own in place.
#[test]
fn the_owner_of_what_is_written_is_stated_and_never_found() {
    if !root_may("make files of other users") {
        return;
    }
    let (dir, path) = dir();
    let owned = |owner| Options {
        owner,
        ..Options::PRIVATE
    };
    let other = (NOBODY, NOBODY);
    for mode in [0o700, 0o2770, 0o1777] {
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        for (lies_there, stated, expected) in [
            (None, None, Ok((0, 0))),
            (None, Some(other), Ok(other)),
            (Some((0, 0)), None, Ok((0, 0))),
            (Some((0, NOBODY)), None, Ok((0, NOBODY))),
            (Some((0, 0)), Some(other), Ok(other)),
            (Some(other), Some(other), Ok(other)),
            (Some(other), None, Err(FileError::ForeignOwner)),
            (Some(other), Some((7, 7)), Err(FileError::ForeignOwner)),
            (Some(other), Some((0, 0)), Err(FileError::ForeignOwner)),
        ] {
            // Of two users' directory nobody else's group is kept.
            let expected = match expected {
                Ok((0, NOBODY)) if stated.is_none() && mode == 0o1777 => Ok((0, 0)),
                other => other,
            };
            let _ = fs::remove_file(&path);
            if let Some((uid, gid)) = lies_there {
                fs::write(&path, "old").unwrap();
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                rustix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
            }
            let case = format!("{mode:o} {lies_there:?} {stated:?}");
            let answer = expected.map(drop);
            assert_eq!(can_replace(&path, owned(stated)), answer, "{case}");
            if lies_there.is_some() {
                let read = read_target(&path, 10, stated).map(drop);
                assert_eq!(read, answer, "{case}");
            }
            assert_eq!(replace(&path, b"new", owned(stated)), answer, "{case}");
            match expected {
                Ok(owner) => {
                    let after = fs::metadata(&path).unwrap();
                    assert_eq!((after.uid(), after.gid()), owner, "{case}");
                }
                Err(_) => assert_eq!(fs::read(&path).unwrap(), b"old", "{case}"),
            }
            assert_eq!(remove(&path, stated), answer, "{case}");
            assert_eq!(path.exists(), expected.is_err(), "{case}");
            let _ = fs::remove_file(&path);
            assert_eq!(names(dir.path()), Vec::<String>::new(), "{case}");
        }
    }
}

/// `elsewhere` has a file of the same name; only links that nobody else can change lead there.
#[test]
fn a_link_of_another_user_on_the_way_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    let (theirs, elsewhere, link) = (
        at.join("theirs"),
        at.join("elsewhere"),
        at.join("theirs/way"),
    );
    for dir in [&theirs, &elsewhere, &elsewhere.join("deep")] {
        fs::create_dir(dir).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(&elsewhere, &link).unwrap();
    let targets = [link.join("target"), link.join("deep/target")];
    let write = |expected: Result<(), FileError>| {
        for path in &targets {
            let _ = fs::remove_file(path);
            fs::write(path, "kept").unwrap();
            assert_eq!(can_replace(path, Options::PRIVATE), expected);
            assert_eq!(replace(path, b"new", Options::PRIVATE), expected);
            assert_eq!(read(path, 10).map(drop), expected);
            let held: &[u8] = if expected.is_ok() { b"new" } else { b"kept" };
            assert_eq!(fs::read(path).unwrap(), held);
            assert_eq!(remove(path, None), expected);
        }
        let swept = sweep(&link).map(drop);
        assert_eq!(swept, expected);
    };
    write(Ok(()));
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o757)).unwrap();
    write(Err(FileError::ForeignLink));
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        for (object, problem) in [(&theirs, NOBODY), (&link, NOBODY)] {
            std::os::unix::fs::lchown(object, Some(problem), None).unwrap();
            write(Err(FileError::ForeignLink));
            // Their directory without their link is theirs to write to, and ours.
            let plain = theirs.join("target");
            replace(&plain, b"new", Options::PRIVATE).unwrap();
            std::os::unix::fs::lchown(object, Some(0), None).unwrap();
        }
    }
    write(Ok(()));
}

#[test]
fn what_the_system_says_becomes_one_of_ours() {
    for (theirs, ours, may_pass) in [
        (Errno::NOSPC, FileError::Full, true),
        (Errno::DQUOT, FileError::Full, true),
        (Errno::ROFS, FileError::ReadOnly, true),
        (Errno::ACCESS, FileError::Denied, false),
        (Errno::PERM, FileError::Protected, false),
        (Errno::BUSY, FileError::Mounted, false),
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

/// A member of the group moves a file of root's, and of that group, to the name.
#[test]
fn a_group_that_others_can_have_chosen_is_not_kept() {
    if !root_may("make files of other users") {
        return;
    }
    let (dir, path) = dir();
    let nobody = Gid::from_raw(NOBODY);
    for (directory, group, mode, stated, expected) in [
        (0o700, 0, 0o640, None, Ok(NOBODY)),
        (0o775, 0, 0o640, None, Ok(NOBODY)),
        (0o775, NOBODY, 0o640, None, Err(FileError::ForeignGroup)),
        (0o777 | 0o1000, 0, 0o640, None, Err(FileError::ForeignGroup)),
        (0o775, NOBODY, 0o600, None, Ok(0)),
        // Everybody may read it anyway.
        (0o775, NOBODY, 0o644, None, Ok(0)),
        (0o775, NOBODY, 0o640, Some((0, NOBODY)), Ok(NOBODY)),
        // The group that new files have there.
        (0o2775, NOBODY, 0o640, None, Ok(NOBODY)),
    ] {
        rustix::fs::chown(dir.path(), None, Some(Gid::from_raw(group))).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(directory)).unwrap();
        let options = Options {
            mode,
            owner: stated,
        };
        for in_place in [false, true] {
            let shared = directory & 0o002 != 0 || directory & 0o020 != 0 && group == NOBODY;
            let expected = match in_place && shared {
                true => Err(FileError::SharedParent),
                false => expected,
            };
            let _ = fs::remove_file(&path);
            fs::write(&path, "old").unwrap();
            rustix::fs::chown(&path, None, Some(nobody)).unwrap();
            let case = format!("{directory:o} of {group}, {mode:o} {stated:?} {in_place}");
            let (can, done) = match in_place {
                true => (
                    crate::in_place::can_overwrite(&path, options),
                    crate::in_place::overwrite(&path, b"new", options, None),
                ),
                false => (can_replace(&path, options), replace(&path, b"new", options)),
            };
            assert_eq!(
                (can, done),
                (expected.map(drop), expected.map(drop)),
                "{case}"
            );
            let after = fs::metadata(&path).unwrap();
            assert_eq!(after.gid(), expected.unwrap_or(NOBODY), "{case}");
        }
    }
}

#[test]
fn a_sparse_file_takes_no_memory_of_its_size() {
    let (_dir, path) = dir();
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(can_replace(&path, Options::PRIVATE), Ok(()));
}
