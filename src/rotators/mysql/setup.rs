//! What an administrator runs once.

use super::session::quoted;
use crate::rotators::database::{Settings, Users};

/// The SQL that makes the accounts, as a person would run it: comments included, no password in it.
/// What exists is left as it is, and it may be run again.
pub fn setup_sql(settings: &Settings) -> Vec<String> {
    let database = settings.direct().database.replace('`', "``");
    let mut lines = vec![
        "-- '%' admits logins from every host: narrow it, for all users alike.".to_owned(),
        "-- A new account accepts no password until keyrota, or you, set one. (What stands in /*M! */".to_owned(),
        "-- is for MariaDB; in /*!80018 */ for MySQL, which shows a password that nobody needs.)".to_owned(),
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
    for user in settings.users() {
        let account = account(user);
        lines.push(format!(
            "CREATE USER IF NOT EXISTS {account} {NOBODYS} REQUIRE SSL;"
        ));
        lines.push(format!(
            "GRANT ALL PRIVILEGES ON `{database}`.* TO {account};"
        ));
    }
    if let Users::Two(_) = settings.users {
        lines.push(
            "-- The two users take turns: whatever is granted to one must be granted to the other."
                .to_owned(),
        );
    }
    if let Some(admin) = admin {
        let admin = account(admin);
        lines.push("-- The administrator: changes accounts, reads them, sees sessions.".to_owned());
        lines.push(format!(
            "CREATE USER IF NOT EXISTS {admin} {NOBODYS} REQUIRE SSL;"
        ));
        lines.push(format!("GRANT CREATE USER, PROCESS ON *.* TO {admin};"));
        lines.push(format!("GRANT SELECT ON mysql.* TO {admin};"));
    }
    lines.push(
        "-- Then give the user in use (and the administrator) a password, and `keyrota import` it."
            .to_owned(),
    );
    lines
}

fn account(user: &str) -> String {
    format!("{}@'%'", *quoted(user))
}

/// Makes the account with a password that the server draws, shows to nobody, and judges to be good;
/// then the line that would make it by a hash only finds it.
fn judged(user: &str) -> String {
    let create = format!(
        "CREATE USER IF NOT EXISTS {} IDENTIFIED BY '",
        account(user)
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
