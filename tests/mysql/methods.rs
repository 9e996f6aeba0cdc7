//! Accounts that log in by something else than `mysql_native_password`: never put back to it.

use std::sync::Arc;

use keyrota_contract::Which::{Pending, Previous};
use keyrota_contract::{Probe, Rotator, RotatorError, Target};

use super::bed::{Bed, OLD, promote};
use crate::support::mariadb::{ED25519, Mariadb};

/// Ways to log in, as `IDENTIFIED VIA` has them; `{old}` is the password of the bed's `_a`.
const NATIVE: &str = "mysql_native_password USING PASSWORD('{old}')";
const ED: &str = "ed25519 USING PASSWORD('{old}')";
const ANOTHER: &str = "has another way to log in";
const NOT_OURS: &str = "by a plugin that keyrota does not have";

/// An account with more or other than native passwords, and what is said when it is in use.
fn table() -> Vec<(String, &'static str)> {
    vec![
        (ED.to_owned(), NOT_OURS),
        (format!("{ED} OR {NATIVE}"), NOT_OURS),
        (format!("{NATIVE} OR {ED}"), ANOTHER),
        (format!("{NATIVE} OR unix_socket"), ANOTHER),
        (format!("unix_socket OR {NATIVE}"), ANOTHER),
        ("unix_socket".to_owned(), "takes no password"),
        (
            "mysql_old_password USING '0123456789abcdef'".to_owned(),
            NOT_OURS,
        ),
        (
            format!("mysql_old_password USING '0123456789abcdef' OR {ED} OR unix_socket"),
            NOT_OURS,
        ),
    ]
}

async fn identify(bed: &Bed, user: &str, methods: &str) {
    let old = OLD.replace('\\', "\\\\").replace('\'', "\\'");
    let methods = methods.replace("{old}", &old);
    let user = bed.user(user);
    bed.run(&format!(
        "ALTER USER {user}@'127.0.0.1' IDENTIFIED VIA {methods}"
    ))
    .await;
}

/// What the server keeps of the account.
fn kept(bed: &Bed, user: &str) -> String {
    let user = bed.user(user);
    let asked = format!("SHOW CREATE USER {user}@'127.0.0.1'");
    let password = bed.server.password();
    let password = password.expose_to(|p| String::from_utf8(p.to_vec()).unwrap());
    bed.server.client("admin", &password, &asked).unwrap()
}

#[tokio::test]
async fn a_rotation_does_not_begin() {
    let server = Arc::new(Mariadb::start(&[ED25519]));
    let bed = Bed::two(server.clone()).await;
    let m = bed.material();
    for (methods, in_use) in table() {
        identify(&bed, "b", &methods).await;
        let complaint = bed.complaint(&m).await;
        assert!(complaint.contains(ANOTHER), "{methods}: {complaint:?}");
        identify(&bed, "b", NATIVE).await;
        assert_eq!(bed.complaint(&m).await, "", "{methods}");

        identify(&bed, "a", &methods).await;
        let refused = bed.rotator().preflight(&m).await.unwrap_err();
        assert!(matches!(refused, RotatorError::Refused(_)), "{refused}");
        let said = refused.to_string();
        assert!(said.contains(in_use), "{methods}: {said}");
        identify(&bed, "a", NATIVE).await;
    }
    // A user that has to be changed by itself, and one that an administrator changes.
    let mut single = Bed::one(server).await;
    for admin in [None, Some("admin".to_owned())] {
        single.settings.admin = admin;
        single.settings.one_at_a_time = true;
        let m = single.material();
        for (methods, in_use) in table() {
            identify(&single, "a", &methods).await;
            let complaint = single.complaint(&m).await;
            assert!(complaint.contains(in_use), "{methods}: {complaint:?}");
        }
        identify(&single, "a", NATIVE).await;
        assert_eq!(single.complaint(&m).await, "");
    }
}

/// Between preflight and a step the administrator of the server may have done something.
#[tokio::test]
async fn nor_does_any_later_step_change_it() {
    let server = Arc::new(Mariadb::start(&[ED25519]));
    let bed = Bed::two(server.clone()).await;
    for (methods, _) in table() {
        let mut m = bed.material();
        bed.create(&mut m);
        identify(&bed, "b", &methods).await;
        let before = kept(&bed, "b");
        let refused = bed.install(Pending, &m).await.unwrap_err();
        assert!(refused.to_string().contains(ANOTHER), "{refused}");
        let refused = bed.rotator().refuse(Pending, &m).await.unwrap_err();
        assert!(refused.to_string().contains(ANOTHER), "{refused}");
        assert_eq!(kept(&bed, "b"), before, "{methods}");

        // The one that was in use, in its grace.
        identify(&bed, "b", NATIVE).await;
        bed.install(Pending, &m).await.unwrap();
        promote(&mut m);
        identify(&bed, "a", &methods).await;
        let before = kept(&bed, "a");
        let refused = bed.rotator().refuse(Previous, &m).await.unwrap_err();
        assert!(refused.to_string().contains(ANOTHER), "{refused}");
        assert_eq!(kept(&bed, "a"), before, "{methods}");
        identify(&bed, "a", NATIVE).await;
        bed.rotator().refuse(Previous, &m).await.unwrap();
        assert_eq!(bed.probe(Previous, &m).await, Probe::Rejected);
        identify(&bed, "a", NATIVE).await;
    }
    // Alone, with what is left of its rights.
    let mut single = Bed::one(server).await;
    single.settings.one_at_a_time = true;
    let mut m = single.material();
    single.create(&mut m);
    for (other, said) in [(ED, NOT_OURS), ("unix_socket", ANOTHER)] {
        let methods = format!("{NATIVE} OR {other}");
        identify(&single, "a", &methods).await;
        let before = kept(&single, "a");
        let refused = single.install(Pending, &m).await.unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
        assert_eq!(kept(&single, "a"), before);
    }
}

/// An administrator by such a plugin is never waited for.
#[tokio::test]
async fn an_administrator_of_such_a_kind_is_named() {
    let bed = Bed::two(Arc::new(Mariadb::start(&[ED25519]))).await;
    identify(&bed, "k", ED).await;
    let mut m = bed.material();
    bed.create(&mut m);
    assert!(bed.complaint(&m).await.contains("asks the administrator"));
    let refused = bed.install(Pending, &m).await.unwrap_err();
    assert!(matches!(refused, RotatorError::Refused(_)), "{refused}");
}
