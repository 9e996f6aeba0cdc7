//! What is asked about an account: by an administrator with rights, or through a procedure that
//! `plan --setup` makes on MariaDB, one for each user of the file. It runs with the rights of whoever made
//! it, so that its caller needs no CREATE USER, by which every account could be taken over.
//!
//! Each is one statement, which needs no DELIMITER. A procedure has its user's name, so nothing that it is
//! given names a user, and it takes hashes only.

use super::hash;
use super::name::{Account, CONDITIONS, NATIVE};
use super::session::{Fault, Session, first, quoted};

/// Their database.
pub(super) const DATABASE: &str = "keyrota_accounts";

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// The hosts of the accounts with the user's name.
    Hosts,
    /// How it logs in.
    Methods,
    /// What it may do.
    Grants,
    /// On what conditions it logs in.
    Conditions,
    /// How many sessions it has.
    Sessions,
}

const QUESTIONS: [Question; 5] = [
    Question::Hosts,
    Question::Methods,
    Question::Grants,
    Question::Conditions,
    Question::Sessions,
];

impl Question {
    fn word(self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Methods => "methods",
            Self::Grants => "grants",
            Self::Conditions => "conditions",
            Self::Sessions => "sessions",
        }
    }

    fn sql(self, account: &Account) -> String {
        let name = account.sql();
        let (user, host) = (quoted(&account.user), quoted(&account.host));
        match self {
            // A role is kept beside the users, with an empty host.
            Self::Hosts => {
                format!(
                    "SELECT Host FROM mysql.user WHERE User = {} AND Host <> ''",
                    *user
                )
            }
            Self::Methods => format!("SHOW CREATE USER {name}"),
            Self::Grants => format!("SHOW GRANTS FOR {name}"),
            // MySQL's grants do not say these.
            Self::Conditions => format!(
                "SELECT {CONDITIONS} FROM mysql.user WHERE User = {} AND Host = {}",
                *user, *host
            ),
            Self::Sessions => format!(
                "SELECT count(*) FROM information_schema.processlist WHERE user = {}",
                *user
            ),
        }
    }

    /// The statement that asks it of a session's server.
    pub(super) fn statement(self, account: &Account, session: &Session) -> String {
        match session.procedures {
            true => call(account, self.word(), &[]),
            false => self.sql(account),
        }
    }
}

/// Whether whoever is logged in may use a procedure for each of these users. One that runs with the rights of
/// such a user is not of `plan --setup`.
pub(super) async fn granted(session: &mut Session, users: &[String]) -> Result<bool, Fault> {
    let names: Vec<_> = users.iter().map(|user| quoted(user).to_string()).collect();
    let ask = format!(
        "SELECT count(*) FROM information_schema.routines WHERE routine_schema = '{DATABASE}' \
         AND routine_type = 'PROCEDURE' AND security_type = 'DEFINER' AND BINARY routine_name IN ({names}) \
         AND BINARY LEFT(definer, CHAR_LENGTH(definer) - LOCATE('@', REVERSE(definer))) NOT IN ({names})",
        names = names.join(", ")
    );
    let rows = session.rows(&ask).await?;
    Ok(first(&rows) == Some(&*users.len().to_string()))
}

/// The account accepts these passwords, one or two, and no other.
pub(super) fn accept(account: &Account, passwords: &[&str]) -> String {
    let hashes: Vec<_> = passwords.iter().map(|p| hash::native(p)).collect();
    call(account, "accept", &hashes)
}

/// The account accepts no password.
pub(super) fn refuse(account: &Account) -> String {
    call(account, "refuse", &[])
}

fn call(account: &Account, word: &str, hashes: &[String]) -> String {
    let hash = |n| {
        let hash: Option<&String> = hashes.get(n);
        hash.map_or("NULL".to_owned(), |hash| format!("'{hash}'"))
    };
    let user = account.user.replace('`', "``");
    format!(
        "CALL {DATABASE}.`{user}`('{word}', {}, {})",
        hash(0),
        hash(1)
    )
}

/// The SQL that makes the procedure of an account. What it does not know is NULL, an error.
///
/// An older one is dropped, and so are the rights on it: a server gives them to whoever makes a procedure, and
/// keeps them when another user replaces it. So it is not replaced either. One that is made between the two
/// statements is an error.
pub(super) fn setup_sql(account: &Account) -> [String; 2] {
    let user = account.user.replace('`', "``");
    let literal = |sql: &str| quoted(sql).to_string();
    let mut cases: Vec<_> = QUESTIONS
        .iter()
        .map(|q| format!("  WHEN '{}' THEN {}", q.word(), literal(&q.sql(account))))
        .collect();
    let alter = format!(
        "ALTER USER {} IDENTIFIED VIA {NATIVE} USING '",
        account.sql()
    );
    let hash = |name| format!("IF({name} REGEXP '^[*][0-9A-F]{{40}}$', {name}, NULL)");
    cases.push(format!(
        "  WHEN 'accept' THEN CONCAT({}, {}, '''', IF(second IS NULL, '', CONCAT({}, {}, '''')))",
        literal(&alter),
        hash("first"),
        literal(&format!(" OR {NATIVE} USING '")),
        hash("second")
    ));
    cases.push(format!(
        "  WHEN 'refuse' THEN {}",
        literal(&format!("{alter}invalid'"))
    ));
    let text = "CHARACTER SET latin1 COLLATE latin1_bin";
    let drop = format!("DROP PROCEDURE IF EXISTS {DATABASE}.`{user}`");
    let create = format!(
        "CREATE PROCEDURE {DATABASE}.`{user}`(what VARCHAR(20) {text},\n\
         \x20 first VARCHAR(41) {text}, second VARCHAR(41) {text})\n\
         MODIFIES SQL DATA SQL SECURITY DEFINER EXECUTE IMMEDIATE CASE what\n{}\nEND",
        cases.join("\n")
    );
    [drop, create]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_holds_hashes_only() {
        let account = Account {
            user: "o`hara".to_owned(),
            host: "%".to_owned(),
        };
        let hash = "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4";
        for (sql, expected) in [
            (
                accept(&account, &["mypass"]),
                format!("'accept', '{hash}', NULL"),
            ),
            (
                accept(&account, &["mypass", "mypass"]),
                format!("'accept', '{hash}', '{hash}'"),
            ),
            (refuse(&account), "'refuse', NULL, NULL".to_owned()),
        ] {
            assert_eq!(sql, format!("CALL keyrota_accounts.`o``hara`({expected})"));
        }
    }
}
