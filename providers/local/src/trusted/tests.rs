#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use super::*;

const DIR: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
/// A user with a group of its own, and one whose group is shared.
const ME: (u32, u32) = (1000, 1000);
const SYSTEM: (u32, u32) = (100, 65534);

#[test]
fn who_else_can_change_it() {
    for (mode, owner, me, expected) in [
        (DIR | 0o755, (0, 0), ME, None),
        (DIR | 0o700, (1000, 1000), ME, None),
        (DIR | 0o755, (1001, 0), ME, Some(Why::Owner(1001))),
        (FILE | 0o600, (1001, 1000), ME, Some(Why::Owner(1001))),
        (FILE | 0o600, (1000, 1000), (0, 0), Some(Why::Owner(1000))),
        (LINK | 0o777, (0, 5), ME, None),
        (LINK | 0o777, (1000, 5), ME, None),
        (LINK | 0o777, (1001, 1000), ME, Some(Why::Owner(1001))),
        // Writable directories: only sticky ones keep the entries of different users apart.
        (DIR | 0o777, (0, 0), ME, Some(Why::Everybody)),
        (DIR | 0o1777, (0, 0), ME, None),
        (DIR | 0o3777, (0, 2000), ME, None),
        (DIR | 0o1777, (1001, 0), ME, Some(Why::Owner(1001))),
        (DIR | 0o775, (0, 50), ME, Some(Why::Group)),
        (DIR | 0o1775, (0, 50), ME, None),
        (FILE | 0o1777, (0, 0), ME, Some(Why::Everybody)),
        (FILE | 0o640, (0, 50), ME, None),
        (FILE | 0o660, (0, 50), ME, Some(Why::Group)),
        (FILE | 0o602, (1000, 1000), ME, Some(Why::Everybody)),
        // Groups with one member: root's, and the user's own.
        (DIR | 0o775, (0, 0), ME, None),
        (DIR | 0o775, (1000, 1000), ME, None),
        (DIR | 0o775, (1000, 1001), ME, Some(Why::Group)),
        (DIR | 0o775, (100, 100), SYSTEM, Some(Why::Group)),
        (DIR | 0o775, (0, 65534), SYSTEM, Some(Why::Group)),
    ] {
        assert_eq!(
            judge_for(mode, owner, me),
            expected,
            "{mode:o} {owner:?} {me:?}"
        );
    }
}

/// A directory with `real/target` and `..2026/target` as in a Kubernetes volume.
fn tree() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().canonicalize().unwrap();
    for name in ["real", "..2026"] {
        fs::create_dir(at.join(name)).unwrap();
        fs::set_permissions(at.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(at.join(name).join("target"), name).unwrap();
    }
    symlink("..2026", at.join("..data")).unwrap();
    symlink("..data/target", at.join("target")).unwrap();
    (dir, at)
}

fn content(opened: Opened) -> String {
    let mut text = String::new();
    fs::File::from(opened.fd).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn links_are_followed_by_hand() {
    let (_dir, at) = tree();
    symlink(at.join("real/../target"), at.join("absolute")).unwrap();
    symlink("../..data/.//target", at.join("real/up")).unwrap();
    symlink("loop", at.join("loop")).unwrap();
    symlink("/", at.join("top")).unwrap();
    for (name, linked, expected) in [
        ("real/target", false, "real"),
        ("real/./../real//target", false, "real"),
        ("target", true, "..2026"),
        ("..data/target", true, "..2026"),
        ("absolute", true, "..2026"),
        ("real/up", true, "..2026"),
    ] {
        let opened = open(&at.join(name), OFlags::RDONLY).unwrap();
        assert_eq!(opened.linked, linked, "{name}");
        assert_eq!(opened.path, at.join(expected).join("target"), "{name}");
        assert_eq!(opened.changeable(), None, "{name}");
        assert_eq!(content(opened), expected, "{name}");
    }
    for (name, expected) in [
        ("missing", FileError::NotFound),
        ("missing/target", FileError::NotFound),
        ("real/target/", FileError::NotFound),
        ("target/x", FileError::NotFound),
        ("loop", FileError::Symlink),
    ] {
        let failed = open(&at.join(name), OFlags::RDONLY).unwrap_err();
        assert_eq!(failed, expected, "{name}");
    }
    let top = open(&at.join("top"), OFlags::PATH | OFlags::DIRECTORY).unwrap();
    assert_eq!((top.path.as_path(), top.linked), (Path::new("/"), true));
}

/// Each place on the way to `target` in turn is left to others; the answer names that place.
#[test]
fn every_component_of_every_way_counts() {
    let (_dir, at) = tree();
    let way = |name: &str| open(&at.join(name), OFlags::RDONLY).unwrap().way;
    for (place, mode, why) in [
        ("..2026", 0o777, Why::Everybody),
        ("", 0o757, Why::Everybody),
    ] {
        let place = at.join(place);
        let place = PathBuf::from(place.to_str().unwrap().trim_end_matches('/'));
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        let expected = Changeable {
            path: place.clone(),
            why,
        };
        assert_eq!(way("target"), Some(expected), "{}", place.display());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(way("target"), None);
    if rustix::process::geteuid().is_root() {
        for place in ["..2026", "..data", "target"] {
            let blamed = Some(Changeable {
                path: at.join(place),
                why: Why::Owner(65_534),
            });
            lchown(at.join(place), Some(65_534), None).unwrap();
            assert_eq!(way("target"), blamed, "{place}");
            lchown(at.join(place), Some(0), None).unwrap();
        }
        // A detour counts as well: the link could be replaced there.
        symlink("../real/../..2026/target", at.join("real/link")).unwrap();
        lchown(at.join("real"), Some(65_534), None).unwrap();
        assert_eq!(way("real/link").unwrap().path, at.join("real"));
        assert_eq!(way("..2026/target"), None);
    }
}

#[test]
fn what_is_open_is_judged_with_its_way() {
    let (_dir, at) = tree();
    let file = at.join("real/target");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let opened = open(&file, OFlags::RDONLY).unwrap();
    assert_eq!(opened.way, None);
    let changeable = opened.changeable().unwrap();
    assert_eq!((&changeable.path, changeable.why), (&file, Why::Everybody));
    assert_eq!(
        changeable.to_string(),
        format!("everybody may write to {}", file.display())
    );
}
