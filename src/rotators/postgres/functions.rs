//! Functions by which an administrator without CREATEROLE sets passwords: one for each user of the file,
//! made by `plan --setup`, run with the rights of whoever made it, and taking a verifier only.

use keyrota_contract::RotatorError;
use sqlx::AssertSqlSafe;

use super::session::{CHANGE, Session, ask_one, changed, quoted};
use crate::wire::{UNREADABLE, Unanswered};

/// Their schema. A function has its user's name, so nothing that it is given names a user.
pub(super) const SCHEMA: &str = "keyrota_roles";

/// Whether there is one for this user, and whoever asks may use it. None changes a superuser. It must run with its owner's rights:
/// one that ran with ours could do with them what it likes. So nobody may exchange it between this question and the call: neither
/// it nor its schema belongs to one of the file's users, or to a role that they can become, unless that is a superuser.
macro_rules! granted {
    ($user:literal, $users:literal) => {
        concat!(
            "EXISTS (SELECT FROM pg_catalog.pg_proc f
                JOIN pg_catalog.pg_namespace s ON s.oid = f.pronamespace
                JOIN pg_catalog.pg_roles o ON o.oid = f.proowner
                JOIN pg_catalog.pg_roles so ON so.oid = s.nspowner
                WHERE s.nspname = 'keyrota_roles' AND f.proname::text = ",
            $user,
            " AND f.pronargs = 1 AND f.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype
                AND f.prosecdef AND (so.rolsuper OR so.oid = o.oid)
                AND (o.rolsuper OR (o.rolcreaterole AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles u
                    WHERE u.rolname::text = ANY (",
            $users,
            ") AND pg_catalog.pg_has_role(u.oid, o.oid, 'MEMBER'))))
                AND pg_catalog.has_schema_privilege(s.oid, 'USAGE')
                AND pg_catalog.has_function_privilege(f.oid, 'EXECUTE'))"
        )
    };
}
pub(super) use granted;

/// The statement that sets the verifier of one of the file's users.
pub(super) async fn statement(
    session: &mut Session,
    user: &str,
    users: &[String],
    verifier: &str,
) -> Result<String, RotatorError> {
    const ASK: &str = concat!("SELECT ", granted!("$1::text", "$2::text[]"));
    let row = ask_one(session, sqlx::query(ASK).bind(user).bind(users)).await?;
    // Base64 and punctuation: nothing in it ends the literal.
    let user = quoted(user);
    Ok(match row.get(0) {
        // The type is written, so no other function of this name is called.
        Ok(true) => format!("SELECT {SCHEMA}.{user}('{verifier}'::pg_catalog.text)"),
        _ => format!("ALTER ROLE {user} PASSWORD '{verifier}'"),
    })
}

/// The SQL that makes the functions of these users and gives them to `admin`: one transaction, at no instant of
/// which another can change what is in it. A schema and functions of these names may be there, made by anybody
/// who may make a schema in this database. The schema changes hands first. A function that is replaced would keep
/// its owner, so it is dropped.
pub(super) fn schema_sql(users: &[String], admin: &str) -> String {
    let functions: Vec<_> = users.iter().map(|user| setup_sql(user, admin)).collect();
    format!(
        "BEGIN;\nCREATE SCHEMA IF NOT EXISTS {SCHEMA};\n\
         ALTER SCHEMA {SCHEMA} OWNER TO CURRENT_USER;\n\
         REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC;\n\
         GRANT USAGE ON SCHEMA {SCHEMA} TO {admin};\n{}\nCOMMIT;",
        functions.join("\n")
    )
}

/// The SQL that makes the function of a user.
fn setup_sql(user: &str, admin: &str) -> String {
    let literal = format!("'{}'", user.replace('\'', "''"));
    let user = quoted(user);
    let body = body(&format!(
        r"BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = {literal} AND rolsuper) THEN
    RAISE EXCEPTION 'the role is a superuser';
  ELSIF verifier ~ '^SCRAM-SHA-256\$[1-9][0-9]{{0,8}}:[A-Za-z0-9+/]+={{0,2}}\$[A-Za-z0-9+/]{{43}}=:[A-Za-z0-9+/]{{43}}=$' THEN
    EXECUTE format('ALTER ROLE %I PASSWORD %L', {literal}, verifier);
  ELSE
    RAISE EXCEPTION 'this is no SCRAM-SHA-256 verifier';
  END IF;
END"
    ));
    format!(
        "DROP FUNCTION IF EXISTS {SCHEMA}.{user}(pg_catalog.text);\n\
         CREATE FUNCTION {SCHEMA}.{user}(verifier pg_catalog.text) RETURNS pg_catalog.void\n\
         LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {body};\n\
         REVOKE ALL ON FUNCTION {SCHEMA}.{user}(pg_catalog.text) FROM PUBLIC;\n\
         GRANT EXECUTE ON FUNCTION {SCHEMA}.{user}(pg_catalog.text) TO {admin};"
    )
}

/// A text in dollar quotes that it cannot end.
pub(super) fn body(text: &str) -> String {
    let mut tag = "keyrota".to_owned();
    while text.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("${tag}$\n{text}\n${tag}$")
}

/// Sets the verifier of one of the file's users.
pub(super) async fn change(
    session: &mut Session,
    user: &str,
    users: &[String],
    verifier: &str,
) -> Result<(), RotatorError> {
    let statement = statement(session, user, users, verifier).await?;
    let statement = sqlx::raw_sql(AssertSqlSafe(statement));
    match session.run(CHANGE, statement).await {
        Ok(_) => Ok(()),
        Err(Unanswered::Failed(error)) => Err(changed(&error)),
        Err(Unanswered::Lost) => Err(RotatorError::Ambiguous(
            "the server did not answer the change in time",
        )),
        Err(Unanswered::Unreadable) => Err(RotatorError::Ambiguous(UNREADABLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_the_quotes_around_it() {
        assert_eq!(body("a"), "$keyrota$\na\n$keyrota$");
        assert_eq!(body("$keyrota$"), "$keyrota_$\n$keyrota$\n$keyrota_$");
        let sql = setup_sql("o'hara\"$keyrota$", "k");
        assert!(sql.contains("'o''hara\"$keyrota$'"), "{sql}");
        assert!(
            sql.contains("keyrota_roles.\"o'hara\"\"$keyrota$\"(pg_catalog.text)"),
            "{sql}"
        );
        assert_eq!(sql.matches("$keyrota_$").count(), 2);
    }
}
