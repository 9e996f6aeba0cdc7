//! Whether what has to last is on a file system that lasts.

use std::path::Path;

/// Where a file system keeps what is written, if that ends with a restart or a container.
pub fn fleeting(magic: i64) -> Option<&'static str> {
    // The numbers of linux/magic.h.
    match magic & 0xffff_ffff {
        0x0102_1994 => Some("in memory (tmpfs): a restart loses it"),
        0x8584_58f6 => Some("in memory (ramfs): a restart loses it"),
        0x794c_7630 => Some("on an overlay: a container that is made anew loses it"),
        0x6175_6673 => Some("on an overlay (aufs): a container that is made anew loses it"),
        _ => None,
    }
}

/// Warns about each of these that would not last. What is not there yet is judged by the directory
/// where it will be.
pub fn warn<'p>(places: impl IntoIterator<Item = (&'static str, &'p Path)>) {
    for (what, path) in places {
        if let Some(where_) = magic(path).and_then(fleeting) {
            tracing::warn!(path = %path.display(), "{what} is {where_}; keep it on a volume");
        }
    }
}

fn magic(path: &Path) -> Option<i64> {
    let path = std::path::absolute(path).ok()?;
    let stat = path
        .ancestors()
        .find_map(|place| rustix::fs::statfs(place).ok())?;
    #[allow(clippy::useless_conversion, reason = "its width is the platform's")]
    Some(i64::from(stat.f_type))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn memory_and_overlays_do_not_last() {
        for (name, magic, lasts) in [
            ("tmpfs", 0x0102_1994, false),
            ("ramfs", 0x8584_58f6, false),
            ("ramfs, read as 32 signed bits", -0x7a7b_a70a, false),
            ("overlay", 0x794c_7630, false),
            ("aufs", 0x6175_6673, false),
            ("ext4", 0xef53, true),
            ("xfs", 0x5846_5342, true),
            ("btrfs", 0x9123_683e, true),
            ("btrfs, read as 32 signed bits", -0x6edc_97c2, true),
            ("zfs", 0x2fc1_2fc1, true),
            ("nfs", 0x6969, true),
            ("ceph", 0x00c3_6400, true),
            ("fuse", 0x6573_5546, true),
            ("f2fs", 0xf2f5_2010, true),
            ("bcachefs", 0xca45_1a4e, true),
        ] {
            assert_eq!(fleeting(magic).is_none(), lasts, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_yet_is_judged_by_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let here = magic(dir.path());
        assert!(here.is_some());
        assert_eq!(magic(&dir.path().join("none/none/state.db")), here);
        assert_ne!(magic(Path::new("/proc/none/state.db")), here);
    }
}
