//! A Postgres server with `password_encryption = md5`, the default before version 14: it asks a user without
//! a verifier for an md5, which keyrota sends only where `require_auth` allows it.

use std::sync::Arc;

use super::bed::{Bed, FIRST, Server};
use crate::support::evidence::block_on;
use crate::support::postgres::Postgres;

#[test]
fn two_users_rotate_and_the_retired_one_is_refused() {
    let server = Arc::new(Postgres::of_md5());
    let bed = Bed::two(Server::Postgres(server.clone()));
    // As other tools make a user. The import proves for it, too, that a wrong password is refused.
    bed.sql("ALTER ROLE {b} PASSWORD NULL");
    let bed = bed.imported();
    for retired in ["a", "b", "a"] {
        let old = bed.value("current").unwrap();
        bed.run(&["rotate", "database", "--wait"]).code(0);
        bed.sound();
        let refused = bed.client(&old).unwrap_err();
        assert!(refused.contains("authentication failed"), "{refused}");
        assert!(verifier(&bed, &server, retired).starts_with("SCRAM-SHA-256$4096:"));
    }

    // An md5 verifier that was there before keyrota: `require_auth` decides, and it is the last one.
    let mut bed = Bed::two(Server::Postgres(server.clone()));
    let md5 = format!("SET password_encryption = 'md5'; ALTER ROLE {{a}} PASSWORD '{FIRST}'");
    bed.sql(&md5);
    let ran = bed.import("database", &bed.url("a", FIRST)).code(78);
    assert!(format!("{ran:?}").contains("require_auth"), "{ran:?}");
    assert!(verifier(&bed, &server, "a").starts_with("md5"));
    let strict = bed.plan.lines.clone();
    bed.plan.lines += "\nrequire_auth = [\"scram-sha-256\", \"md5\"]";
    bed.write_schedule();
    let mut bed = bed.imported();
    bed.run(&["rotate", "database", "--wait"]).code(0);
    assert!(verifier(&bed, &server, "a").starts_with("SCRAM-SHA-256$"));
    bed.plan.lines = strict;
    bed.write_schedule();
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// What the server keeps in place of a user's password.
fn verifier(bed: &Bed, server: &Postgres, user: &str) -> String {
    block_on(async {
        let mut session = server.connect(&bed.name).await;
        sqlx::query_scalar("SELECT rolpassword FROM pg_authid WHERE rolname = $1")
            .bind(bed.user(user))
            .fetch_one(&mut session)
            .await
            .unwrap()
    })
}
