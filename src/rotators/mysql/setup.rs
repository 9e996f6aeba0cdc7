//! What an administrator runs once.

use super::name::Account;
use super::procedures::{self, DATABASE};
use super::session::quoted;
use crate::rotators::database::{Settings, Users};

/// The SQL that makes the accounts, as a person would run it: comments included, no password in it.
/// What exists is left as it is, and it may be run again. `owner`: the application changes its own tables.
pub fn setup_sql(settings: &Settings, owner: bool) -> Vec<String> {
    let at = settings.direct();
    let mut lines = vec![
        format!("-- As an administrator of {}:{}. It may be run again.", at.host, at.port),
        "SET SESSION sql_mode = '';".to_owned(),
        "-- '%' admits logins from every host: narrow it, for all users alike and in all of this.".to_owned(),
        "-- A new account accepts no password until keyrota, or you, set one. (The text in /*M! */".to_owned(),
        "-- is for MariaDB; in /*!80018 */ for MySQL, which shows a password that is not needed.)".to_owned(),
        "-- A MariaDB that judges passwords takes no 'invalid' (error 1290). Run these there first, without".to_owned(),
        "-- the dashes (before 10.10, CREATE USER … IDENTIFIED BY a long random password of your own):".to_owned(),
    ];
    let admin = settings.admin.as_ref().map(|_| ADMIN);
    let users = settings.users().iter().map(String::as_str);
    lines.extend(
        users
            .chain(admin)
            .map(|user| format!("-- {}", judged(user))),
    );
    lines.push(
        "-- In the name of a database _ and % match any character, so they are escaped. (MySQL with\n\
         -- partial_revokes takes names as they are: leave the backslashes out there.)"
            .to_owned(),
    );
    let rights = match owner {
        true => "ALL PRIVILEGES",
        false => {
            lines.push(
                "-- An application that changes its own tables needs more: keyrota plan --setup --owner."
                    .to_owned(),
            );
            RIGHTS
        }
    };
    let database = pattern(&at.database);
    for user in settings.users() {
        let account = account(user).sql();
        lines.push(format!(
            "CREATE USER IF NOT EXISTS {account} {NOBODYS} REQUIRE SSL;"
        ));
        lines.push(format!("GRANT {rights} ON `{database}`.* TO {account};"));
    }
    if let Users::Two(_) = settings.users {
        lines.push(
            "-- The two users alternate: grant to one what you grant to the other.".to_owned(),
        );
    }
    if let Some(admin) = admin {
        lines.extend(administrator(admin, settings.users()));
    }
    lines.push(
        "-- Then give the user in use (and the administrator) a password, and `keyrota import` it."
            .to_owned(),
    );
    lines
}

/// The administrator, and all that it may do.
fn administrator(admin: &str, users: &[String]) -> Vec<String> {
    let admin = account(admin).sql();
    let mut lines = vec![
        "-- The administrator. On MariaDB it sets the passwords of the users above by these procedures, as hashes,\n\
         -- reads their grants and counts their sessions, and nothing else. With a password that it sets it can\n\
         -- log in as that user. The procedures run with the rights of the user that makes them. For a moment they are\n\
         -- gone when this runs again: run it while nothing rotates."
            .to_owned(),
        format!("CREATE USER IF NOT EXISTS {admin} {NOBODYS} REQUIRE SSL;"),
        format!("/*M!100600 CREATE DATABASE IF NOT EXISTS {DATABASE} */;"),
    ];
    for user in users {
        let made = procedures::setup_sql(&account(user));
        lines.extend(made.map(|statement| format!("/*M!100600 {statement} */;")));
        let name = user.replace('`', "``");
        lines.push(format!(
            "/*M!100600 GRANT EXECUTE ON PROCEDURE {DATABASE}.`{name}` TO {admin} */;"
        ));
    }
    lines.push(
        "-- MySQL has to see a password, and a call of a procedure would show it in its logs. There the\n\
         -- administrator gets CREATE USER, which may take over every account that has no SYSTEM_USER, PROCESS,\n\
         -- which shows the statements of all sessions, and SELECT ON mysql.*, which shows all hashes."
            .to_owned(),
    );
    // USAGE is no right. With it both servers have a whole statement.
    lines.push(format!(
        "GRANT USAGE /*!80018 , CREATE USER, PROCESS */ ON *.* TO {admin};"
    ));
    lines.push(format!(
        "GRANT USAGE /*!80018 , SELECT */ ON mysql.* TO {admin};"
    ));
    lines.push(
        "-- So does a MariaDB before 10.6, or one that judges passwords: run these there, without the dashes. On\n\
         -- MariaDB nothing protects the superuser from CREATE USER: who has it can become root."
            .to_owned(),
    );
    lines.push(format!("-- GRANT CREATE USER, PROCESS ON *.* TO {admin};"));
    lines.push(format!("-- GRANT SELECT ON mysql.* TO {admin};"));
    lines
}

/// A database's name as GRANT has it: there `_` and `%` are wildcards.
fn pattern(database: &str) -> String {
    let mut pattern = String::new();
    for c in database.chars() {
        match c {
            '_' | '%' | '\\' => pattern.push('\\'),
            '`' => pattern.push('`'),
            _ => {}
        }
        pattern.push(c);
    }
    pattern
}

fn account(user: &str) -> Account {
    Account {
        user: user.to_owned(),
        host: "%".to_owned(),
    }
}

/// Makes the account with a password that the server draws, shows to nobody, and judges to be good;
/// then the line that would make it by a hash only finds it.
fn judged(user: &str) -> String {
    let create = format!(
        "CREATE USER IF NOT EXISTS {} IDENTIFIED BY '",
        account(user).sql()
    );
    format!(
        "EXECUTE IMMEDIATE CONCAT({}, HEX(RANDOM_BYTES(32)), '-Aa1'' REQUIRE SSL');",
        *quoted(&create)
    )
}

/// A proposal.
const ADMIN: &str = "keyrota_admin";

/// An account that exists and lets nobody in.
const NOBODYS: &str = "/*M!100400 IDENTIFIED VIA mysql_native_password USING 'invalid' */ /*!80018 IDENTIFIED BY RANDOM PASSWORD */";

/// What an application needs that does not change its own tables.
const RIGHTS: &str =
    "SELECT, INSERT, UPDATE, DELETE, EXECUTE, SHOW VIEW, CREATE TEMPORARY TABLES, LOCK TABLES";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_no_pattern() {
        for (name, expected) in [
            ("shop", "shop"),
            ("shop_app", r"shop\_app"),
            ("a%b", r"a\%b"),
            (r"a`b\", r"a``b\\"),
        ] {
            assert_eq!(pattern(name), expected);
        }
    }
}
