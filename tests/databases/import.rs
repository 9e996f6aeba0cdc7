//! What is in use becomes known; what proves nothing is refused before anything is stored.

use std::sync::Arc;

use super::bed::{ADMIN, Bed, FIRST, Server};
use crate::support::mariadb::ED25519;
use crate::support::postgres::Postgres;

#[test]
fn a_password_made_by_hand_is_adopted_unchanged() {
    for server in super::shared() {
        let bed = Bed::two(server).imported();
        let value = bed.url("a", FIRST);
        assert_eq!(bed.value("current").as_deref(), Some(&*value));
        assert_eq!(bed.client(&value), Ok(()));
        let history = bed.run(&["history", "database", "--json"]).json();
        assert_eq!(history["rotations"][0]["outcome"], "imported");
        bed.sound();
    }
}

#[test]
fn what_proves_nothing_is_not_stored() {
    for server in super::shared() {
        let mut bed = Bed::two(server);
        let refused = |bed: &Bed, value: &str, words: &str| {
            let ran = bed.import("database", value).code(78);
            assert!(ran.stdout.contains(words), "{words:?}: {ran:?}");
            assert_eq!(bed.value("current"), None);
            let history = bed.run(&["history", "database"]).code(0).stdout;
            assert!(history.contains("was never rotated"), "{history}");
        };
        refused(
            &bed,
            &bed.url("a", "another-password"),
            "its server refuses it",
        );
        let bare = bed.url("a", "x").replace("%78", FIRST);
        refused(&bed, &bare, "percent-encoded");
        refused(&bed, &bed.url("k", FIRST), "the file does not name");
        // Nobody listens on port 1.
        let port = std::mem::replace(&mut bed.plan.port, 1);
        bed.write_schedule();
        refused(&bed, &bed.url("a", FIRST), "could not be asked: is it up");
        bed.plan.port = port;
        bed.write_schedule();
        bed.import("database", &bed.url("a", FIRST)).code(0);
    }
}

/// Whether or not the administrator's login came first.
#[test]
fn a_login_that_keyrota_cannot_make_is_called_by_its_cause() {
    let bed = Bed::two(super::mariadb(&[ED25519]));
    bed.sql(&format!(
        "ALTER USER {{a}}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{FIRST}')"
    ));
    for _ in 0..2 {
        let ran = bed.import("database", &bed.url("a", FIRST)).code(78);
        assert!(ran.stdout.contains("ed25519"), "{ran:?}");
        assert!(!ran.stdout.contains("is it up"), "{ran:?}");
        assert_eq!(bed.value("current"), None);
        bed.import("admin", &bed.url("k", ADMIN)).code(0);
    }
}

#[test]
fn a_server_that_lets_anybody_in_proves_nothing() {
    let trusting = Postgres::with("", "hostssl all all 127.0.0.1/32 trust");
    let bed = Bed::two(Server::Postgres(Arc::new(trusting)));
    let ran = bed.import("database", &bed.url("a", FIRST)).code(78);
    assert!(ran.stdout.contains("accepts a wrong value"), "{ran:?}");
    assert!(ran.stdout.contains("pg_hba.conf"), "{ran:?}");
    assert_eq!(bed.value("current"), None);
}

#[test]
fn a_login_that_no_longer_works_gives_way_to_one_that_does() {
    for server in super::shared() {
        let bed = Bed::two(server).imported();
        bed.set_password("a", "Set-elsewhere-2");
        bed.told(20, "the current value");
        bed.import("database", &bed.url("a", "Set-elsewhere-2"))
            .code(0);
        bed.sound();
    }
}

#[test]
fn what_others_keep_in_a_json_value_stays() {
    for server in super::shared() {
        let bed = Bed::new(
            server,
            "alternating-users",
            "grace = \"1s\"\nformat = \"rds-json\"\nenv = { DB_USER = \"{username}\", DB_PASSWORD = \"{password}\" }",
        );
        let value = format!(
            r#"{{"engine": "x", "username":"{}", "host":"127.0.0.1","port":{},"password":"{FIRST}", "ratio":1.50, "dbInstanceIdentifier":"i-1"}}"#,
            bed.user("a"),
            bed.plan.port
        );
        bed.import("admin", &bed.url("k", super::bed::ADMIN))
            .code(0);
        bed.import("database", &value).code(0);
        assert_eq!(bed.value("current").as_deref(), Some(&*value));
        bed.run(&["rotate", "database", "--wait"]).code(0);
        let after = bed.value("current").unwrap();
        let json: serde_json::Value = serde_json::from_str(&after).unwrap();
        let (user, password) = (&json["username"], json["password"].as_str().unwrap());
        assert_eq!(*user, bed.user("b"));
        let meant = value
            .replace(FIRST, password)
            .replace(&bed.user("a"), &bed.user("b"));
        assert_eq!(after, meant);

        let env = bed.run(&["run", "--", "env"]).code(0).stdout;
        assert!(env.contains(&format!("DB_USER={}\n", bed.user("b"))));
        assert!(env.contains(&format!("DB_PASSWORD={password}\n")));
        assert_eq!(bed.client(&bed.url("b", password)), Ok(()));
        bed.run(&["audit", "verify"]).code(0);
    }
}
