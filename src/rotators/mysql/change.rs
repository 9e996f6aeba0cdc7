//! The statements that change what an account accepts.

use zeroize::Zeroizing;

use super::hash;
use super::name::{Account, NATIVE};
use super::server::Dialect;
use super::session::quoted;

type Sql = Zeroizing<String>;

/// MariaDB: the account accepts these passwords, one or two, and no other. Repeating it changes nothing,
/// but a server that sees passwords may remember them, and say no.
pub(super) fn accept_only(account: &Account, passwords: &[&str], plain: bool) -> Sql {
    let methods: Vec<_> = passwords.iter().map(|p| method(p, plain)).collect();
    alter(
        account,
        &methods.iter().map(|m| m.as_str()).collect::<Vec<_>>(),
    )
}

/// MariaDB: the account accepts no password.
pub(super) fn accept_none(account: &Account) -> Sql {
    // A word that no password has as its hash; the server's own installer writes it.
    alter(account, &[&format!("{NATIVE} USING 'invalid'")])
}

/// MariaDB: our own password, without any right to change accounts.
pub(super) fn own(password: &str, plain: bool) -> Sql {
    join(&["SET PASSWORD = ", &secret(password, plain)])
}

/// MySQL: our own first password. The plugin stays what it is.
pub(super) fn own_first(password: &str) -> Sql {
    join(&["ALTER USER USER() IDENTIFIED BY ", &quoted(password)])
}

/// MySQL: the account's first password, kept by this plugin. A second one, if there is one, stays as it is.
pub(super) fn set(account: &Account, plugin: &str, password: &str) -> Sql {
    let account = account.sql();
    let with = [" IDENTIFIED WITH ", plugin, " BY "];
    join(&["ALTER USER ", &account, &with.concat(), &quoted(password)])
}

/// MySQL: the account's first password; the one before becomes the second, in place of any other.
/// Not to be repeated: the second time both are the new one.
pub(super) fn set_and_retain(account: &Account, plugin: &str, password: &str) -> Sql {
    let set = set(account, plugin, password);
    join(&[&set, " RETAIN CURRENT PASSWORD"])
}

/// MySQL: no second password.
pub(super) fn discard(account: &Account) -> Sql {
    join(&["ALTER USER ", &account.sql(), " DISCARD OLD PASSWORD"])
}

/// MySQL: whether the account has a second password.
pub(super) fn has_second(account: &Account) -> String {
    format!(
        "SELECT coalesce(JSON_CONTAINS_PATH(User_attributes, 'one', '$.additional_password'), 0) \
         FROM mysql.user WHERE User = {} AND Host = {}",
        *quoted(&account.user),
        *quoted(&account.host)
    )
}

/// Whether these statements hold a password as it is; then it can stand in a list of the server's
/// sessions while one of them runs.
pub(super) fn shows_passwords(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::MySql | Dialect::MariaDb { plain: true })
}

fn method(password: &str, plain: bool) -> Sql {
    join(&[NATIVE, " USING ", &secret(password, plain)])
}

/// A hash; or, for a server that has to see it, the password.
fn secret(password: &str, plain: bool) -> Sql {
    if plain {
        join(&["PASSWORD(", &quoted(password), ")"])
    } else {
        quoted(&hash::native(password))
    }
}

fn alter(account: &Account, methods: &[&str]) -> Sql {
    let account = account.sql();
    let mut parts = vec!["ALTER USER ", &account, " IDENTIFIED VIA "];
    for (i, method) in methods.iter().enumerate() {
        if i > 0 {
            parts.push(" OR ");
        }
        parts.push(method);
    }
    join(&parts)
}

/// In a buffer of the final size: one that grows leaves copies behind that nothing wipes.
fn join(parts: &[&str]) -> Sql {
    let mut sql = Zeroizing::new(String::with_capacity(parts.iter().map(|p| p.len()).sum()));
    for part in parts {
        sql.push_str(part);
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let account = Account {
            user: "o'hara".to_owned(),
            host: "10.%".to_owned(),
        };
        let hash = "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4";
        let name = "'o\\'hara'@'10.%'";
        for (sql, expected) in [
            (
                accept_only(&account, &["mypass"], false),
                format!("ALTER USER {name} IDENTIFIED VIA mysql_native_password USING '{hash}'"),
            ),
            (
                accept_only(&account, &["a'b", "c"], true),
                format!(
                    "ALTER USER {name} IDENTIFIED VIA mysql_native_password USING PASSWORD('a\\'b') \
                     OR mysql_native_password USING PASSWORD('c')"
                ),
            ),
            (
                accept_none(&account),
                format!("ALTER USER {name} IDENTIFIED VIA mysql_native_password USING 'invalid'"),
            ),
            (own("mypass", false), format!("SET PASSWORD = '{hash}'")),
            (own("p", true), "SET PASSWORD = PASSWORD('p')".to_owned()),
            (
                own_first("p\\"),
                "ALTER USER USER() IDENTIFIED BY 'p\\\\'".to_owned(),
            ),
            (
                set(&account, "sha256_password", "p'"),
                format!("ALTER USER {name} IDENTIFIED WITH sha256_password BY 'p\\''"),
            ),
            (
                set_and_retain(&account, "caching_sha2_password", "p"),
                format!(
                    "ALTER USER {name} IDENTIFIED WITH caching_sha2_password BY 'p' RETAIN CURRENT PASSWORD"
                ),
            ),
            (
                discard(&account),
                format!("ALTER USER {name} DISCARD OLD PASSWORD"),
            ),
        ] {
            assert_eq!(*sql, expected);
        }
    }
}
