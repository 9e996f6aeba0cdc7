//! The hashes that stand in for passwords in our statements.

use aws_lc_rs::{digest, hmac};
use data_encoding::{BASE64URL_NOPAD, HEXUPPER};
use zeroize::Zeroizing;

use crate::rotators::database::Login;

/// What `mysql_native_password` keeps: `*` and SHA-1 of SHA-1 in hex. Too weak for a password that a
/// person chose; one of 190 random bits is not found from it.
pub(super) fn native(password: &str) -> String {
    let sha1 = |bytes: &[u8]| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let twice = sha1(sha1(password.as_bytes()).as_ref());
    format!("*{}", HEXUPPER.encode(twice.as_ref()))
}

/// A password that nobody is given, for an account that must refuse its old one on a server that
/// takes no hashes. Who knows the old password only cannot make it, since its key is the current one.
/// `once` makes every refusal's another: a server that remembers passwords (MySQL's
/// `password_history`, MariaDB's `password_reuse_check`) would refuse the repetition of one whose
/// reply was lost, or a second candidate's beside the same current one.
pub(super) fn nobodys(current: &Login, user: &str, once: &str) -> Zeroizing<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, current.password.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(b"keyrota refuses\0");
    context.update(user.as_bytes());
    context.update(b"\0");
    context.update(once.as_bytes());
    // Policies want each class of characters.
    let text = BASE64URL_NOPAD.encode(context.sign().as_ref());
    Zeroizing::new(format!("{text}-Aa1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's example for `PASSWORD('mypass')`, and one computed by MariaDB 10.11 over utf8mb4.
    #[test]
    fn native_hashes_are_the_servers() {
        for (password, hash) in [
            ("mypass", "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4"),
            ("pässword", "*809D64D632EB9BAB610456B482D94C2E267965C8"),
        ] {
            assert_eq!(native(password), hash);
        }
    }

    #[test]
    fn nobodys_password_depends_on_the_current_one_the_user_and_the_refusal() {
        let login = |password: &str| Login {
            user: Zeroizing::new("app_a".to_owned()),
            password: Zeroizing::new(password.to_owned()),
        };
        let first = nobodys(&login("one"), "app_b", "1");
        assert_ne!(first, nobodys(&login("two"), "app_b", "1"));
        assert_ne!(first, nobodys(&login("one"), "app_c", "1"));
        assert_ne!(first, nobodys(&login("one"), "app_b", "2"));
    }
}
