//! What `plan --setup` printed is enough: rotations, seen by the servers' own clients; and nothing
//! of any password where it does not belong.

use std::sync::Arc;

use super::bed::{ADMIN, Bed, FIRST, Server, login};
use crate::support::leaks::Leaks;
use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;

#[test]
fn the_old_password_is_refused_and_the_new_one_works() {
    for server in super::shared() {
        for bed in [Bed::two, Bed::one] {
            let server = match &server {
                Server::Postgres(s) => Server::Postgres(s.clone()),
                Server::Mariadb(s) => Server::Mariadb(s.clone()),
            };
            let bed = bed(server).imported();
            let mut old = vec![bed.url("a", FIRST)];
            for turn in 0..3 {
                bed.run(&["rotate", "database", "--wait"]).code(0);
                let new = bed.value("current").unwrap();
                let user = match (bed.plan.strategy, turn % 2) {
                    ("alternating-users", 0) => "b",
                    _ => "a",
                };
                assert_eq!(login(&new).0, bed.user(user));
                assert_eq!(bed.client(&new), Ok(()));
                for url in &old {
                    let said = bed.client(url).unwrap_err();
                    let refused = said.contains("password authentication failed") || said == "1045";
                    assert!(refused, "{said}");
                }
                old.push(new);
            }
            let history = bed.run(&["history", "database", "--json"]).json();
            assert_eq!(history["rotations"][0]["failure"], serde_json::Value::Null);
            bed.sound();
        }
    }
}

#[test]
fn no_password_is_where_it_does_not_belong() {
    for server in [
        Server::Postgres(Arc::new(Postgres::with("log_statement = 'all'", ""))),
        Server::Mariadb(Arc::new(Mariadb::start(&[]))),
    ] {
        let bed = Bed::two(server).imported();
        let mut values = vec![bed.url("a", FIRST), bed.url("k", ADMIN)];
        let mut said = Vec::new();
        for _ in 0..3 {
            for args in [
                &["rotate", "database", "--wait"][..],
                &["status", "database"],
                &["history", "database", "--format", "markdown"],
                &["plan", "database", "--setup"],
                &["audit", "export", "--to", "export"],
            ] {
                let mut command = bed.keyrota.command(args);
                let output = command.env("KEYROTA_LOG", "trace").output().unwrap();
                assert_eq!(output.status.code(), Some(0), "{args:?}");
                said.extend([output.stdout, output.stderr].concat());
            }
            values.push(bed.value("current").unwrap());
            std::fs::rename(
                bed.keyrota.path("export"),
                bed.keyrota.path(&format!("e{}", values.len())),
            )
            .unwrap();
        }
        let passwords: Vec<_> = values.iter().map(|v| login(v).1).collect();
        let named: Vec<_> = values
            .iter()
            .map(|v| ("a value", v.as_str()))
            .chain(passwords.iter().map(|p| ("a password", p.as_str())))
            .collect();
        let leaks = Leaks::of(&named);
        let home = bed.keyrota.path(".keyrota");
        let mut found = leaks.in_text("what was said", &said);
        found.extend(leaks.below(bed.keyrota.dir(), &|path| {
            path == home.join("keys") || path == home.join("development.age")
        }));
        // The first ones were set by a person, in SQL.
        let log = match &bed.server {
            Server::Postgres(s) => s.log(),
            Server::Mariadb(s) => s.statements(),
        };
        assert!(
            log.contains("keyrota_roles.") || log.contains("CALL keyrota_accounts."),
            "it logs statements"
        );
        found.extend(Leaks::of(&named[2..5]).in_text("the server's log", log.as_bytes()));
        let minted: Vec<_> = passwords[2..].iter().map(|p| ("a password", p)).collect();
        found.extend(Leaks::of(&minted).in_text("the server's log", log.as_bytes()));
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// A limit passes by itself: nobody has to look, and `status` says what is waited for.
#[test]
fn a_connection_limit_is_waited_for() {
    for server in super::shared() {
        let (limit, back) = match &server {
            Server::Postgres(_) => (
                "ALTER ROLE {k} CONNECTION LIMIT 0",
                "ALTER ROLE {k} CONNECTION LIMIT -1",
            ),
            Server::Mariadb(_) => (
                "ALTER USER {k}@'%' WITH MAX_CONNECTIONS_PER_HOUR 1",
                "ALTER USER {k}@'%' WITH MAX_CONNECTIONS_PER_HOUR 0",
            ),
        };
        let bed = Bed::two(server).imported();
        bed.sql(limit);
        // What is left of the hour.
        let _ = bed.client(&bed.url("k", ADMIN));
        let ran = bed.run(&["rotate", "database"]).code(21);
        let status = bed.run(&["status", "database"]).code(0);
        for said in [ran.stdout, status.stdout] {
            assert!(said.contains("again at"), "{said}");
            assert!(said.contains("keyrota waits until"), "{said}");
        }
        bed.sql(back);
        bed.run(&["resume", "database"]);
        bed.run(&["rotate", "database", "--wait"]).code(0);
        bed.sound();
    }
}
