#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

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

#[test]
fn a_link_that_another_user_can_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    fs::create_dir(at.join("keys")).unwrap();
    let (file, link) = (at.join("keys/key"), at.join("link"));
    fs::write(&file, "key").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("keys/key", &link).unwrap();
    assert_eq!(read(&link, 9).unwrap().bytes.as_slice(), b"key");
    for place in [at.join("keys"), at.clone()] {
        fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
        let failed = read(&link, 9).err().unwrap();
        let said = failed.to_string();
        assert!(matches!(failed, PrivateError::Link(ref c) if c.path == place));
        assert!(said.contains(&format!("everybody may write to {}", place.display())));
        // Without a link it is the file that counts.
        assert!(read(&file, 9).is_ok());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// A volume as Kubernetes makes it, on a mount that is really read-only, in a mount namespace of its own.
#[test]
fn a_read_only_volume_with_links_is_read_with_a_warning() {
    const HERE: &str = "KEYROTA_TEST_VOLUME";
    if let Some(volume) = std::env::var_os(HERE) {
        let volume = Path::new(&volume);
        let secret = read(volume, 9).unwrap();
        assert_eq!(secret.bytes.as_slice(), b"a seed");
        assert_eq!(secret.warning, Some(Exposure::Everybody));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = r#"set -e
        mount -t tmpfs -o mode=1777 tmpfs "$0" && cd "$0"
        mkdir ..2026_01_02 && printf 'a seed' > ..2026_01_02/seed && chmod 444 ..2026_01_02/seed
        ln -s ..2026_01_02 ..data && ln -s ..data/seed seed
        mount -o remount,ro "$0"
        exec "$@""#;
    // In a user's own namespace `/` belongs to a user that has no number there, so no link is trusted.
    let (own, name): (&[&str], _) = match rustix::process::geteuid().is_root() {
        true => (&[], "seed"),
        false => (&["--user", "--map-root-user"], "..2026_01_02/seed"),
    };
    let ran = Command::new("unshare")
        .args(own)
        .args(["--mount", "sh", "-c", script])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .arg("--exact")
        .arg("private::tests::a_read_only_volume_with_links_is_read_with_a_warning")
        .env(HERE, dir.path().join(name))
        .output()
        .unwrap();
    let passed = String::from_utf8_lossy(&ran.stdout).contains("1 passed");
    assert!(ran.status.success() && passed, "{ran:?}");
}
