//! The functions of `plan --setup` are called only where no user of the file could have exchanged them.

use keyrota_contract::{Rotator, RotatorError, Target, Which};

use super::bed::{Bed, attempt};
use crate::support::postgres::Postgres as Server;

#[tokio::test]
async fn a_function_that_a_user_could_exchange_is_not_called() {
    let mut bed = Bed::two(Server::shared()).await;
    bed.sql(
        "CREATE ROLE {db}_dba CREATEROLE; CREATE ROLE {db}_other CREATEROLE; CREATE ROLE {db}_super SUPERUSER;
         ALTER ROLE {a} CREATEROLE; ALTER ROLE {owner} CREATEROLE",
    )
    .await;
    bed.mint();
    let rotator = bed.rotator();
    for (schema, function, trusted) in [
        ("admin", "admin", true),
        ("{db}_super", "admin", true),
        ("admin", "{db}_dba", true),
        ("{db}_dba", "{db}_dba", true),
        ("{a}", "{a}", false),
        ("{owner}", "{owner}", false),
        ("admin", "{a}", false),
        ("admin", "{owner}", false),
        ("{a}", "admin", false),
        ("{owner}", "admin", false),
        ("{db}_dba", "admin", false),
        ("{db}_dba", "{db}_other", false),
        // It has no right to change a password.
        ("{db}_admin", "{db}_admin", false),
    ] {
        bed.sql(&format!(
            "ALTER SCHEMA keyrota_roles OWNER TO {schema};
             ALTER FUNCTION keyrota_roles.{{a}}(text) OWNER TO {function};
             ALTER FUNCTION keyrota_roles.{{b}}(text) OWNER TO {function}"
        ))
        .await;
        let at = format!("{function} in {schema}");
        let looked = rotator.preflight(&bed.m).await;
        let installed = rotator.install(Which::Pending, attempt(), &bed.m).await;
        if trusted {
            looked.unwrap_or_else(|e| panic!("{at}: {e}"));
            installed.unwrap_or_else(|e| panic!("{at}: {e}"));
            continue;
        }
        let may_not =
            |e: &RotatorError| matches!(e, RotatorError::Refused(s) if s.contains("may not set"));
        assert!(looked.as_ref().is_err_and(may_not), "{at}: {looked:?}");
        // It tries the change itself, for which this administrator has no right.
        let refused = |e: &RotatorError| matches!(e, RotatorError::Refused(s) if s.contains("does not permit"));
        assert!(
            installed.as_ref().is_err_and(refused),
            "{at}: {installed:?}"
        );
    }
}
