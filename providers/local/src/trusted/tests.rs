#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use keyrota_contract::testing::root_may;

use super::*;

const DIR: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
/// A user and its groups: a group of its own, a shared one, a container's with an arbitrary user.
type Process = (u32, &'static [u32]);
const ME: Process = (1000, &[1000]);
const SYSTEM: Process = (100, &[65534]);
const OPENSHIFT: Process = (1_000_650_000, &[0, 1_000_650_000]);

fn judged(mode: u32, owner: (u32, u32), (user, groups): Process, acl: bool) -> Option<Why> {
    let groups = groups.to_vec();
    judge_for(mode, owner, &Me { user, groups }, || acl)
}

#[test]
fn who_else_can_change_it() {
    for (mode, owner, me, expected) in [
        (DIR | 0o755, (0, 0), ME, None),
        (DIR | 0o700, (1000, 1000), ME, None),
        (DIR | 0o755, (1001, 0), ME, Some(Why::Owner(1001))),
        (FILE | 0o600, (1001, 1000), ME, Some(Why::Owner(1001))),
        (
            FILE | 0o600,
            (1000, 1000),
            (0, &[0]),
            Some(Why::Owner(1000)),
        ),
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
        (DIR | 0o2775, (0, 1_000_650_000), OPENSHIFT, None),
        (DIR | 0o2775, (0, 1_000_650_000), ME, Some(Why::Group)),
        (DIR | 0o2775, (0, 1000), OPENSHIFT, Some(Why::Group)),
        // The number of the user, and no group of the process.
        (DIR | 0o775, (0, 100), SYSTEM, Some(Why::Group)),
        // fsGroup is another number than the user.
        (
            DIR | 0o2775,
            (0, 2000),
            (1000, &[1000, 2000]),
            Some(Why::Group),
        ),
    ] {
        assert_eq!(
            judged(mode, owner, me, false),
            expected,
            "{mode:o} {owner:?} {me:?}"
        );
        // An ACL never helps, and means nothing where its mask grants no writing.
        let with_acl = judged(mode, owner, me, true);
        let sticky = mode & 0o1000 != 0 && mode & FILE == 0;
        let grants = mode & 0o020 != 0 && !sticky && mode & LINK != LINK;
        let expected = expected.or(grants.then_some(Why::Group));
        assert_eq!(with_acl, expected, "{mode:o} {owner:?} {me:?} with an ACL");
    }
}

/// `setfacl -m u:1234:rwx`, which shows as 0775 in the mode.
#[test]
fn an_access_list_is_asked_for() {
    let (_dir, at) = tree();
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 7, u32::MAX),
        (0x02, 7, 1234),
        (0x04, 5, u32::MAX),
        (0x10, 7, u32::MAX),
        (0x20, 5, u32::MAX),
    ];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&permissions.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    let place = at.join("real");
    let opened = || open(&place.join("target"), OFlags::RDONLY).unwrap();
    let directory = || open(&place, OFlags::PATH | OFlags::DIRECTORY).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o775)).unwrap();
    let usual = directory();
    let own = [0, rustix::process::geteuid().as_raw()].contains(&usual.stat.st_gid);
    assert_eq!(opened().way.is_none(), own, "a group with one member");
    assert_eq!(usual.extensible().is_none(), own);

    let name = c"system.posix_acl_access";
    rustix::fs::setxattr(&place, name, &acl, rustix::fs::XattrFlags::empty()).unwrap();
    for blamed in [
        opened().way,
        opened().changeable(),
        directory().changeable(),
        directory().extensible(),
    ] {
        let blamed = blamed.unwrap();
        assert_eq!((&blamed.path, blamed.why), (&place, Why::Group));
        assert_eq!(blamed.remedy(), format!("chmod g-w {}", place.display()));
    }
    // The remedy takes the right from all whom the list names.
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(opened().changeable(), None);
}

/// A sticky directory keeps names that are there, and takes others.
#[test]
fn a_sticky_directory_is_extensible() {
    let (_dir, at) = tree();
    for (mode, changes, extends) in [
        (0o1777, false, true),
        (0o777, true, true),
        (0o755, false, false),
    ] {
        fs::set_permissions(at.join("real"), fs::Permissions::from_mode(mode)).unwrap();
        let opened = open(&at.join("real"), OFlags::PATH | OFlags::DIRECTORY).unwrap();
        assert_eq!(opened.changeable().is_some(), changes, "{mode:o}");
        assert_eq!(opened.extensible().is_some(), extends, "{mode:o}");
    }
}

/// A ConfigMap's volume, really mounted: its root has the mode 0777.
#[test]
fn permissions_to_write_do_not_count_on_a_platforms_mount() {
    const HERE: &str = "KEYROTA_TEST_MOUNT";
    if let Some(expected) = std::env::var_os(HERE) {
        let opened = open(Path::new("volume/target"), OFlags::RDONLY).unwrap();
        let at = std::env::current_dir().unwrap().join("volume");
        let here = opened.stat.st_dev;
        let own_device = rustix::fs::stat("/").unwrap().st_dev == here;
        let blamed = opened.changeable().map(|c| (c.path, c.why));
        match expected.to_str().unwrap() {
            "trusted" if !own_device => assert_eq!(blamed, None),
            "owner" => assert_eq!(blamed, Some((at, Why::Owner(65_534)))),
            _ => assert_eq!(blamed, Some((at, Why::Everybody))),
        }
        return;
    }
    // In a user's own namespace `/` belongs to a user without a number.
    if !root_may("mount volumes as a platform does") {
        return;
    }
    let volume = "mount -t tmpfs -o mode=777 tmpfs volume";
    let fill = "mkdir volume/..2026 && echo x > volume/..2026/target && ln -s ..2026 volume/..data && ln -s ..data/target volume/target && chmod 666 volume/..2026/target";
    let seal = "mount -o remount,bind,ro volume";
    for (expected, script) in [
        ("trusted", format!("{volume} && {fill} && {seal}")),
        ("everybody", format!("{volume} && {fill}")),
        (
            "owner",
            format!("{volume} && {fill} && chown 65534 volume && {seal}"),
        ),
        // As systemd does with ProtectSystem=: the same file system, read-only for this process alone.
        (
            "trusted",
            format!("chmod 777 volume && {fill} && mount --bind volume volume && {seal}"),
        ),
        ("host", format!("{volume} && {fill} && {seal}")),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("volume")).unwrap();
        // A container has processes of its own.
        let processes: &[&str] = match expected {
            "host" => &["--mount"],
            _ => &["--mount", "--pid", "--fork"],
        };
        let contained = rustix::fs::stat("/proc/self/ns/pid").unwrap().st_ino != HOST_PROCESSES;
        let expected = match expected {
            "host" if contained => "trusted",
            other => other,
        };
        let ran = std::process::Command::new("unshare")
            .args(processes)
            .args(["sh", "-c", &format!("{script} && exec \"$@\""), "sh"])
            .arg(std::env::current_exe().unwrap())
            .arg("--exact")
            .arg("trusted::tests::permissions_to_write_do_not_count_on_a_platforms_mount")
            .env(HERE, expected)
            .current_dir(dir.path().canonicalize().unwrap())
            .output()
            .unwrap();
        let passed = String::from_utf8_lossy(&ran.stdout).contains("1 passed");
        assert!(ran.status.success() && passed, "{script}: {ran:?}");
    }
}

/// What is offered never takes a directory from its user, or makes a stranger's link root's.
#[test]
fn a_remedy_changes_the_owner_of_a_file_alone() {
    for (kind, why, expected) in [
        (
            FileType::RegularFile,
            Why::Owner(7),
            "run keyrota as that user, or read the file and then: chown root /a/b",
        ),
        (
            FileType::Directory,
            Why::Owner(7),
            "run keyrota as that user, or move these files to a directory of root's",
        ),
        (
            FileType::Symlink,
            Why::Owner(7),
            "run keyrota as that user, or move these files to a directory of root's",
        ),
        (FileType::Directory, Why::Group, "chmod g-w /a/b"),
        (FileType::RegularFile, Why::Everybody, "chmod o-w /a/b"),
    ] {
        let path = PathBuf::from("/a/b");
        assert_eq!(Changeable { path, kind, why }.remedy(), expected);
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
            kind: FileType::Directory,
            why,
        };
        assert_eq!(way("target"), Some(expected), "{}", place.display());
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(way("target"), None);
    if rustix::process::geteuid().is_root() {
        for (place, kind) in [
            ("..2026", FileType::Directory),
            ("..data", FileType::Symlink),
            ("target", FileType::Symlink),
        ] {
            let blamed = Some(Changeable {
                path: at.join(place),
                kind,
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
