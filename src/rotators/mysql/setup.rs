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
    ];
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
    if settings.admin.is_some() {
        let admin = account("keyrota_admin");
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

/// An account that exists and lets nobody in.
const NOBODYS: &str = "/*M!100400 IDENTIFIED VIA mysql_native_password USING 'invalid' */ /*!80018 IDENTIFIED BY RANDOM PASSWORD */";
