//! The SQL that an administrator runs once. No password is in it: `\password` of psql asks for one
//! and sends a verifier. Until then no password fits the verifier of a new user.

use super::super::database::{Settings, Users};
use super::functions;
use super::scram;
use super::session::quoted;

/// The name that the SQL gives the administrator; any other does.
const ADMIN: &str = "keyrota_admin";

/// Statements and comments, in order; each ends with `;` or is a comment. They may be run again.
pub fn setup_sql(settings: &Settings) -> Vec<String> {
    let at = settings.direct();
    let database = quoted(&at.database);
    let mut sql = vec![format!(
        "-- As a superuser, in the database {database} of {}:{}. It may be run again.",
        at.host, at.port
    )];
    match &settings.users {
        Users::One(user) => {
            sql.push(login(user));
            let user = quoted(user);
            sql.push(format!("GRANT CONNECT ON DATABASE {database} TO {user};"));
        }
        Users::Two(users) => {
            let name = owner(users);
            let owner = quoted(&name);
            sql.push(format!(
                "-- Everything belongs to this role; both users become it when they log in.\n{}",
                role(&name, "NOLOGIN")
            ));
            sql.push(format!("GRANT CONNECT ON DATABASE {database} TO {owner};"));
            sql.push(format!(
                "-- What the application needs beside it is granted to {owner}, never to a user.\n\
                 GRANT USAGE, CREATE ON SCHEMA public TO {owner};"
            ));
            for user in users {
                sql.push(login(user));
                let user = quoted(user);
                sql.push(format!("GRANT {owner} TO {user};"));
                sql.push(format!("ALTER ROLE {user} SET role = {owner};"));
            }
            sql.push(format!(
                "-- If the application had a user before: REASSIGN OWNED BY that_user TO {owner};"
            ));
        }
    }
    if let Some(secret) = &settings.admin {
        sql.extend(admin(secret, &database, settings.users()));
        sql.push(format!("-- \\password {ADMIN}"));
    }
    sql.push(format!(
        "-- \\password {}\n-- Then `keyrota import` takes that login as the first value.",
        quoted(&settings.users()[0])
    ));
    sql
}

/// The administrator, and all that it may do.
fn admin(secret: &str, database: &str, users: &[String]) -> Vec<String> {
    let mut sql = vec![format!(
        "-- The login in the secret {secret:?}. It sets the passwords of the users above by the functions below, as\n\
         -- SCRAM verifiers, and changes nothing else. With a password that it sets it can log in as that user.\n\
         -- The functions keep it from needing CREATEROLE. Before Postgres 16 that right lets its holder grant\n\
         -- itself every role that is no superuser: the application's, pg_read_all_data, and\n\
         -- pg_execute_server_program, which runs programs on the host. From 16 on it reaches the roles that it\n\
         -- holds with ADMIN OPTION, and it can become them.\n{}",
        login(ADMIN)
    )];
    sql.push(format!("GRANT CONNECT ON DATABASE {database} TO {ADMIN};"));
    sql.push(functions::schema_sql(users, ADMIN));
    let mut instead = format!(
        "-- Where no such functions may be made: ALTER ROLE {ADMIN} CREATEROLE; and from Postgres 16 on"
    );
    for user in users {
        let user = quoted(user);
        instead.push_str(&format!(
            "\n--   GRANT {user} TO {ADMIN} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;"
        ));
    }
    sql.push(instead);
    sql
}

/// Makes a user whose every password is refused, or leaves the one of that name as it is.
fn login(name: &str) -> String {
    let verifier = scram::refusing(name, scram::DEFAULT);
    role(name, &format!("LOGIN PASSWORD '{verifier}'"))
}

/// Makes a role, or leaves the one of that name as it is.
fn role(name: &str, kind: &str) -> String {
    let make = format!(
        "BEGIN CREATE ROLE {} {kind}; EXCEPTION WHEN duplicate_object THEN NULL; END",
        quoted(name)
    );
    format!("DO {};", functions::body(&make))
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
