//! How strong the verifier of a new password is.

use keyrota_contract::{Probe, Rotator, Target, Which};

use super::bed::{Bed, attempt};
use crate::support::postgres::Postgres as Server;

/// The verifier before, whether the administrator may read verifiers, and the iterations after. This
/// server knows no `scram_iterations`: the count for what it asks is a unit test.
#[tokio::test]
async fn a_new_verifier_is_never_weaker_than_the_one_before() {
    let server = Server::shared();
    let mut bed = Bed::one(server, true).await;
    let rotator = bed.rotator();
    let with = |iterations: u32| {
        format!(
            "ALTER ROLE {{a}} PASSWORD 'SCRAM-SHA-256${iterations}:c2FsdHNhbHRzYWx0c2FsdA==$\
             AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='"
        )
    };
    let md5 = "ALTER ROLE {a} PASSWORD 'md50123456789abcdef0123456789abcdef'".to_owned();
    let none = "ALTER ROLE {a} PASSWORD NULL".to_owned();
    for (before, reads, after) in [
        (with(4096), true, 4096),
        (with(100), true, 4096),
        (with(20_000), true, 20_000),
        (with(20_000), false, 4096),
        (md5, true, 4096),
        (none, true, 4096),
    ] {
        bed.sql(&before).await;
        let word = if reads { "GRANT" } else { "REVOKE" };
        let direction = if reads { "TO" } else { "FROM" };
        bed.sql(&format!(
            "{word} SELECT (rolname, rolpassword) ON pg_authid {direction} {{admin}}"
        ))
        .await;
        bed.mint();
        let installed = rotator.install(Which::Pending, attempt(), &bed.m);
        installed.await.unwrap();
        assert_eq!(iterations(&bed).await, format!("SCRAM-SHA-256${after}"));
        assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted, "{before}");
    }
    // More than anybody waits for is not taken from a server; what was there stays.
    bed.sql("GRANT SELECT (rolname, rolpassword) ON pg_authid TO {admin}")
        .await;
    bed.sql(&with(1_000_001)).await;
    let refused = format!("{:?}", rotator.preflight(&bed.m).await.unwrap_err());
    assert!(refused.contains("lower scram_iterations"), "{refused}");
    assert_eq!(iterations(&bed).await, "SCRAM-SHA-256$1000001");
}

/// The next password protects the other user's account, and is the same secret.
#[tokio::test]
async fn the_user_not_in_use_gets_what_protects_the_one_in_use() {
    let mut bed = Bed::two(Server::shared()).await;
    let strong = "ALTER ROLE {a} PASSWORD 'SCRAM-SHA-256$20000:c2FsdHNhbHRzYWx0c2FsdA==$\
         AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='";
    bed.sql(strong).await;
    bed.sql("GRANT SELECT (rolname, rolpassword) ON pg_authid TO {admin}")
        .await;
    bed.mint();
    let rotator = bed.rotator();
    let installed = rotator.install(Which::Pending, attempt(), &bed.m);
    installed.await.unwrap();
    assert_eq!(iterations_of(&bed, 1).await, "SCRAM-SHA-256$20000");
}

/// The beginning of the verifier of the first user.
async fn iterations(bed: &Bed) -> String {
    iterations_of(bed, 0).await
}

async fn iterations_of(bed: &Bed, user: usize) -> String {
    let mut session = bed.server.connect(&bed.database).await;
    sqlx::query_scalar("SELECT split_part(rolpassword, ':', 1) FROM pg_authid WHERE rolname = $1")
        .bind(bed.user(user))
        .fetch_one(&mut session)
        .await
        .unwrap()
}
