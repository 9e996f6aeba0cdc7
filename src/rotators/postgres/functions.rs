//! Functions by which an administrator without CREATEROLE sets passwords: one for each user of the file,
//! made by `plan --setup`, run with the rights of whoever made it, and taking a verifier only.

use keyrota_contract::RotatorError;

use super::session::{Session, ask_one, quoted};

/// Their schema. A function has its user's name, so nothing that it is given names a user.
pub(super) const SCHEMA: &str = "keyrota_roles";

/// Whether there is one for this user, and whoever asks may use it. None changes a superuser. It must run with its owner's rights:
/// one that ran with ours could do with them what it likes.
macro_rules! granted {
    ($user:literal) => {
        concat!(
            "EXISTS (SELECT FROM pg_catalog.pg_proc f
                JOIN pg_catalog.pg_namespace s ON s.oid = f.pronamespace
                JOIN pg_catalog.pg_roles o ON o.oid = f.proowner
                WHERE s.nspname = 'keyrota_roles' AND f.proname::text = ",
            $user,
            " AND f.pronargs = 1 AND f.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype
                AND f.prosecdef AND (o.rolsuper OR o.rolcreaterole)
                AND pg_catalog.has_schema_privilege(s.oid, 'USAGE')
                AND pg_catalog.has_function_privilege(f.oid, 'EXECUTE'))"
        )
    };
}
pub(super) use granted;

/// The statement that sets a user's verifier.
pub(super) async fn statement(
    session: &mut Session,
    user: &str,
    verifier: &str,
) -> Result<String, RotatorError> {
    const ASK: &str = concat!("SELECT ", granted!("$1::text"));
    let row = ask_one(session, sqlx::query(ASK).bind(user)).await?;
    // Base64 and punctuation: nothing in it ends the literal.
    let user = quoted(user);
    Ok(match row.get(0) {
        Ok(true) => format!("SELECT {SCHEMA}.{user}('{verifier}')"),
        _ => format!("ALTER ROLE {user} PASSWORD '{verifier}'"),
    })
}

/// The SQL that makes the function of a user and gives it to `admin`.
pub(super) fn setup_sql(user: &str, admin: &str) -> String {
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
        "CREATE OR REPLACE FUNCTION {SCHEMA}.{user}(verifier text) RETURNS void\n\
         LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS {body};\n\
         REVOKE ALL ON FUNCTION {SCHEMA}.{user}(text) FROM PUBLIC;\n\
         GRANT EXECUTE ON FUNCTION {SCHEMA}.{user}(text) TO {admin};"
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
            sql.contains("keyrota_roles.\"o'hara\"\"$keyrota$\"(text)"),
            "{sql}"
        );
        assert_eq!(sql.matches("$keyrota_$").count(), 2);
    }
}
