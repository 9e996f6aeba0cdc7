#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use keyrota_contract::testing::root_may;

use super::*;

#[test]
fn private_files_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    fs::write(&path, "key").unwrap();
    let exposed = || Err(PrivateError::File(FileError::Exposed));
    for (mode, private, credential) in [
        (0o600, Ok(None), Ok(None)),
        (0o400, Ok(None), Ok(None)),
        (0o700, Ok(None), Ok(None)),
        (0o440, exposed(), Ok(None)),
        (0o640, exposed(), Ok(None)),
        (0o601, exposed(), exposed()),
        (0o610, exposed(), Ok(None)),
        (0o644, exposed(), exposed()),
        (0o602, exposed(), exposed()),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let look = |read: Result<Private, PrivateError>| {
            read.map(|p| {
                assert_eq!(p.bytes.as_slice(), b"key");
                p.warning
            })
        };
        assert_eq!(look(read(&path, 3)), private, "{mode:o}");
        assert_eq!(look(read_credential(&path, 3)), credential, "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let failed = |path: &Path| match read(path, 2) {
        Err(PrivateError::File(e)) => e,
        other => panic!("{:?}", other.map(|p| p.warning)),
    };
    assert_eq!(failed(&path), FileError::TooLarge);
    assert_eq!(failed(dir.path()), FileError::NotRegular);
    assert_eq!(failed(&dir.path().join("no")), FileError::NotFound);
    fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    assert_eq!(failed(&path), FileError::NotRegular);
}

/// A file's mode, its owner, who reads it, whether its mount is read-only; the answer.
#[test]
fn the_rule_for_owners_modes_and_mounts() {
    const ALL: u32 = 0o077;
    let (rw, ro) = (false, true);
    for (mode, owner, me, mount, expected) in [
        // Root's and the user's own, on an ordinary mount.
        (0o400, 0, 1000, rw, Ok(None)),
        (0o600, 1000, 1000, rw, Ok(None)),
        (0o440, 1000, 1000, rw, Err(FileError::Exposed)),
        (0o644, 1000, 1000, rw, Err(FileError::Exposed)),
        (0o440, 0, 0, rw, Err(FileError::Exposed)),
        (0o444, 0, 0, rw, Err(FileError::Exposed)),
        // What root gave to another user.
        (0o440, 0, 1000, rw, Ok(Some(Exposure::Group))),
        (0o444, 0, 1000, rw, Ok(Some(Exposure::Everybody))),
        (0o404, 0, 1000, rw, Ok(Some(Exposure::Everybody))),
        (0o755, 0, 1000, rw, Ok(Some(Exposure::Everybody))),
        // Kubernetes and Docker.
        (0o440, 0, 1000, ro, Ok(Some(Exposure::Group))),
        (0o444, 0, 0, ro, Ok(Some(Exposure::Everybody))),
        (0o644, 1000, 1000, ro, Ok(Some(Exposure::Everybody))),
        (0o600, 1000, 0, ro, Ok(Some(Exposure::Owner))),
        (0o644, 1000, 33, ro, Ok(Some(Exposure::Owner))),
        (0o400, 0, 0, ro, Ok(None)),
        // Never: another user's file, and one that others may write.
        (0o600, 1001, 1000, rw, Err(FileError::WrongOwner)),
        (0o600, 1000, 0, rw, Err(FileError::WrongOwner)),
        (0o660, 0, 1000, rw, Err(FileError::Exposed)),
        (0o666, 0, 1000, ro, Err(FileError::Exposed)),
        (0o620, 1000, 1000, ro, Err(FileError::Exposed)),
    ] {
        let asked = judge_for(mode, owner, ALL, mount, me);
        assert_eq!(asked, expected, "{mode:o} of {owner} for {me}, {mount}");
    }
    assert_eq!(judge_for(0o440, 0, 0o007, ro, 1000), Ok(None));
}

/// Whoever can rename files above a key can have another file used in its place: with a link on the
/// way, and without.
#[test]
fn a_way_that_another_user_can_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    fs::create_dir(at.join("keys")).unwrap();
    let (file, link) = (at.join("keys/key"), at.join("link"));
    fs::write(&file, "key").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("keys/key", &link).unwrap();
    let refused = |path: &Path, place: &Path, said: &str| {
        for read in [read(path, 9), read_credential(path, 9)] {
            let failed = read.err().unwrap();
            assert!(matches!(failed, PrivateError::Way(ref c) if c.path == place));
            assert_eq!(failed.to_string(), said);
        }
    };
    for path in [&file, &link] {
        assert_eq!(read(path, 9).unwrap().bytes.as_slice(), b"key");
        for place in [at.join("keys"), at.clone()] {
            let shown = place.display();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
            refused(
                path,
                &place,
                &format!(
                    "everybody may write to {shown}, so another user can replace this file: chmod o-w {shown}"
                ),
            );
            if rustix::process::geteuid().is_root() {
                fs::set_permissions(&place, fs::Permissions::from_mode(0o770)).unwrap();
                std::os::unix::fs::chown(&place, None, Some(65_534)).unwrap();
                refused(
                    path,
                    &place,
                    &format!(
                        "the group of {shown} may write to it, so another user can replace this file: chmod g-w {shown}"
                    ),
                );
                std::os::unix::fs::chown(&place, None, Some(0)).unwrap();
            }
            // Each user's files are safe from the others there.
            fs::set_permissions(&place, fs::Permissions::from_mode(0o1777)).unwrap();
            assert!(read(path, 9).is_ok());
            fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// Volumes as Kubernetes and Docker make them, on mounts that are really read-only, in namespaces as a
/// container has them.
#[test]
fn a_read_only_volume_of_a_container_is_read_with_a_warning() {
    const HERE: &str = "KEYROTA_TEST_VOLUME";
    if let Some(expected) = std::env::var_os(HERE) {
        let at = std::env::current_dir().unwrap();
        let secret = read(&at.join("volume/seed"), 9);
        // systemd's ProtectSystem= shows a read-only view of what others write.
        if expected == "refused" {
            assert_eq!(secret.err(), Some(PrivateError::File(FileError::Exposed)));
            return;
        }
        let secret = secret.unwrap();
        assert_eq!(secret.bytes.as_slice(), b"a seed");
        let warning = match expected.to_str().unwrap() {
            "everybody" => Exposure::Everybody,
            _ => Exposure::Owner,
        };
        assert_eq!(secret.warning, Some(warning));
        return;
    }
    // In a user's own namespace `/` belongs to a user without a number.
    if !root_may("mount volumes as a platform does") {
        return;
    }
    let contained = fs::metadata("/proc/self/ns/pid").unwrap();
    let contained = std::os::unix::fs::MetadataExt::ino(&contained) != 0xefff_fffc;
    let own: &[&str] = &["--mount", "--pid", "--fork"];
    for (expected, namespaces, mode, owner) in [
        ("everybody", own, "1777", "0"),
        ("everybody", own, "777", "0"),
        ("owner", own, "755", "1000"),
        (
            if contained { "everybody" } else { "refused" },
            &["--mount"],
            "1777",
            "0",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("volume")).unwrap();
        let script = format!(
            "mount -t tmpfs -o mode={mode},uid={owner} tmpfs volume && cd volume && mkdir ..2026 \
             && printf 'a seed' > ..2026/seed && chmod 444 ..2026/seed && ln -s ..2026 ..data \
             && ln -s ..data/seed seed && cd .. && mount -o remount,bind,ro volume && exec \"$@\""
        );
        let ran = Command::new("unshare")
            .args(namespaces)
            .args(["sh", "-c", &script, "sh"])
            .arg(std::env::current_exe().unwrap())
            .arg("--exact")
            .arg("private::tests::a_read_only_volume_of_a_container_is_read_with_a_warning")
            .env(HERE, expected)
            .current_dir(dir.path().canonicalize().unwrap())
            .output()
            .unwrap();
        let passed = String::from_utf8_lossy(&ran.stdout).contains("1 passed");
        assert!(ran.status.success() && passed, "{expected} {mode}: {ran:?}");
    }
}
