//! The SQL that an administrator runs once. No password is in it: `\password` of psql asks for one
//! and sends a verifier.

use super::super::database::{Settings, Users};
use super::session::quoted;

/// The name that the SQL gives the administrator; any other does.
const ADMIN: &str = "keyrota_admin";

/// Statements and comments, in order; each ends with `;` or is a comment. What exists already is to
/// be left out.
pub fn setup_sql(settings: &Settings) -> Vec<String> {
    let at = settings.direct();
    let database = quoted(&at.database);
    let mut sql = vec![format!(
        "-- Once, as a superuser, in the database {database} of {}:{}; leave out what is there already.",
        at.host, at.port
    )];
    match &settings.users {
        Users::One(user) => {
            let user = quoted(user);
            sql.push(format!("CREATE ROLE {user} LOGIN;"));
            sql.push(format!("GRANT CONNECT ON DATABASE {database} TO {user};"));
        }
        Users::Two(users) => {
            let owner = quoted(&owner(users));
            sql.push(format!(
                "-- Everything belongs to this role; whoever logs in becomes it.\nCREATE ROLE {owner} NOLOGIN;"
            ));
            sql.push(format!("GRANT CONNECT ON DATABASE {database} TO {owner};"));
            sql.push(format!(
                "-- What the application needs beside it is granted to {owner}, never to a user.\n\
                 GRANT USAGE, CREATE ON SCHEMA public TO {owner};"
            ));
            for user in users {
                let user = quoted(user);
                sql.push(format!("CREATE ROLE {user} LOGIN;"));
                sql.push(format!("GRANT {owner} TO {user};"));
                sql.push(format!("ALTER ROLE {user} SET role = {owner};"));
            }
            sql.push(format!(
                "-- If the application had a user before: REASSIGN OWNED BY that_user TO {owner};"
            ));
        }
    }
    if let Some(secret) = &settings.admin {
        sql.push(format!(
            "-- The login in the secret {secret:?}: it may set passwords, and read nothing of the application's.\n\
             CREATE ROLE {ADMIN} LOGIN CREATEROLE;"
        ));
        sql.push(format!("GRANT CONNECT ON DATABASE {database} TO {ADMIN};"));
        for user in settings.users() {
            // Doubled quotes stand inside the literal that EXECUTE takes.
            let user = quoted(user).replace('\'', "''");
            sql.push(format!(
                "-- From Postgres 16 on CREATEROLE alone changes nobody else's password.\n\
                 DO $keyrota$ BEGIN IF current_setting('server_version_num')::int >= 160000 THEN\n  \
                 EXECUTE 'GRANT {user} TO {ADMIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE';\n\
                 END IF; END $keyrota$;"
            ));
        }
        sql.push(format!("-- \\password {ADMIN}"));
    }
    sql.push(format!(
        "-- \\password {}\n-- Then `keyrota import` takes that login as the first value.",
        quoted(&settings.users()[0])
    ));
    sql
}

/// `app_owner` for `app_a` and `app_b`.
fn owner([a, b]: &[String; 2]) -> String {
    let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y);
    let stem: String = same.map(|(x, _)| x).collect();
    match stem.trim_end_matches(['_', '-']) {
        "" => format!("{a}_owner"),
        stem => format!("{stem}_owner"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners() {
        for (a, b, expected) in [
            ("app_a", "app_b", "app_owner"),
            ("web1", "web2", "web_owner"),
            ("blue", "green", "blue_owner"),
        ] {
            assert_eq!(owner(&[a.into(), b.into()]), expected);
        }
    }
}
