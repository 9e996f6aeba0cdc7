//! User and group names of this host.

use std::path::Path;

use keyrota_contract::DeliveryError;

/// Who a file is to belong to, resolved on every delivery: the user may be made later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    user: String,
    group: Option<String>,
}

impl Owner {
    /// `user`, `user:group`, or the same with numbers. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let word = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        let (user, group) = match text.split_once(':') {
            None => (text, None),
            Some((user, group)) => (user, Some(group)),
        };
        (word(user) && group.is_none_or(word)).then(|| Self {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        })
    }

    /// Whether this process may give a file to that user: it is the user, or holds
    /// `CAP_CHOWN`, as root does unless it was taken away. The group is not judged: where its
    /// directory hands it on, a member of no group can write a file for it.
    ///
    /// # Errors
    /// A name that nobody has, and an owner that would be refused.
    pub(super) fn preflight(&self) -> Result<(), DeliveryError> {
        let (uid, _) = self.known()?;
        if uid != rustix::process::geteuid().as_raw() && !may_give_away() {
            return Err(DeliveryError::Refused(
                "only root, or a service with CAP_CHOWN, can write a file for another owner",
            ));
        }
        Ok(())
    }

    /// User and group id.
    ///
    /// # Errors
    /// A name that nobody has.
    pub(super) fn known(&self) -> Result<(u32, u32), DeliveryError> {
        self.resolve().ok_or(DeliveryError::Refused(
            "the owner is not in /etc/passwd or /etc/group; make the user, or state numbers",
        ))
    }

    /// User and group id from `/etc/passwd` and `/etc/group`; without a group, the user's own.
    /// Users that only a directory service knows are given by number, which needs no look-up.
    fn resolve(&self) -> Option<(u32, u32)> {
        self.resolve_in(Path::new("/etc/passwd"), Path::new("/etc/group"))
    }

    fn resolve_in(&self, passwd: &Path, groups: &Path) -> Option<(u32, u32)> {
        let user = || find(passwd, &self.user);
        let uid = match self.user.parse() {
            Ok(uid) => uid,
            Err(_) => user()?.get(2)?.parse().ok()?,
        };
        let gid = match &self.group {
            None => user()?.get(3)?.parse().ok()?,
            Some(group) => match group.parse() {
                Ok(gid) => gid,
                Err(_) => find(groups, group)?.get(2)?.parse().ok()?,
            },
        };
        Some((uid, gid))
    }
}

#[cfg(target_os = "linux")]
fn may_give_away() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::CHOWN))
}

#[cfg(not(target_os = "linux"))]
fn may_give_away() -> bool {
    rustix::process::geteuid().is_root()
}

/// The fields of the line whose first (or, for a number, third) field is `key`.
fn find(file: &Path, key: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(file).ok()?;
    let number = key.parse::<u32>().is_ok();
    text.lines()
        .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
        .find(|fields| {
            fields
                .get(if number { 2 } else { 0 })
                .is_some_and(|f| f == key)
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn names_and_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let (passwd, groups) = (dir.path().join("passwd"), dir.path().join("group"));
        std::fs::write(&passwd, "root:x:0:0::/:/bin/sh\napp:x:998:997::/:/bin/sh\n").unwrap();
        std::fs::write(&groups, "root:x:0:\napp:x:997:\nweb:x:33:app\n").unwrap();
        for (text, expected) in [
            ("app", Some((998, 997))),
            ("app:web", Some((998, 33))),
            ("app:12", Some((998, 12))),
            ("7:8", Some((7, 8))),
            ("998", Some((998, 997))),
            ("7", None),
            ("nobody-here", None),
            ("app:nothing", None),
        ] {
            let owner = Owner::parse(text).unwrap();
            assert_eq!(owner.resolve_in(&passwd, &groups), expected, "{text}");
        }
        for bad in ["", ":", "app:", ":app", "a:b:c", "a b"] {
            assert_eq!(Owner::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Owner::parse("root").unwrap().resolve(), Some((0, 0)));
    }
}
