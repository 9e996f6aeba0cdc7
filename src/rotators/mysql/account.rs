//! What the server says of an account.

use std::collections::BTreeSet;

use keyrota_contract::RotatorError;

pub(super) use super::name::Account;
use super::name::NATIVE;
use super::procedures::Question;
use super::session::{Fault, Rows, Session, first, quoted};

impl Account {
    /// The only account of a user; the administrator asks.
    pub(super) async fn of(user: &str, session: &mut Session) -> Result<Self, RotatorError> {
        let named = Self {
            user: user.to_owned(),
            host: String::new(),
        };
        let rows = named.ask(Question::Hosts, session).await;
        let rows = rows.map_err(|f| f.asking(CANNOT_READ))?;
        let mut hosts = rows.into_iter().filter_map(|row| row.into_iter().next()?);
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => Ok(Self { host, ..named }),
            (None, _) => Err(RotatorError::Refused(
                "a user of the file does not exist on the server: `keyrota plan --setup`",
            )),
            (Some(_), Some(_)) => Err(RotatorError::Refused(
                "several accounts have this user's name and different hosts: which one answers depends on where a login comes from; keep one",
            )),
        }
    }

    /// The account that answered the session's login.
    pub(super) async fn asking(session: &mut Session) -> Result<Self, RotatorError> {
        let answered = session.answered_as().await;
        let (user, host) = answered.map_err(|f| f.asking(CANNOT_READ))?;
        Ok(Self { user, host })
    }

    /// Asks a question about it.
    pub(super) async fn ask(
        &self,
        question: Question,
        session: &mut Session,
    ) -> Result<Rows, Fault> {
        let sql = question.statement(self, session);
        session.rows(&sql).await
    }

    /// The methods by which MariaDB lets it log in.
    pub(super) async fn methods(&self, session: &mut Session) -> Result<Vec<Method>, RotatorError> {
        let rows = self.ask(Question::Methods, session).await;
        let rows = rows.map_err(|f| f.asking(CANNOT_READ))?;
        let line = first(&rows).ok_or(NOT_UNDERSTOOD)?;
        let line = line.replace(&self.printed(), "");
        split(&line).map(|(methods, _)| methods)
    }

    /// MariaDB: nothing but `mysql_native_password` lets it log in. Another plugin is neither put aside
    /// for that one, which is weaker than most, nor tried: our client cannot log in by it.
    pub(super) async fn only_native(&self, session: &mut Session) -> Result<(), RotatorError> {
        let methods = self.methods(session).await?;
        match methods.iter().all(|method| method.plugin == NATIVE) {
            true => Ok(()),
            false => Err(RotatorError::Refused(
                "an account of the file has another way to log in than mysql_native_password (ed25519, unix_socket, …), and a change would take it away: keyrota does not change such an account",
            )),
        }
    }

    /// MySQL: the plugin by which it logs in, if our client has it. It stays what it is.
    pub(super) async fn plugin(&self, session: &mut Session) -> Result<&'static str, RotatorError> {
        let sql = format!(
            "SELECT plugin FROM mysql.user WHERE User = {} AND Host = {}",
            *quoted(&self.user),
            *quoted(&self.host)
        );
        let rows = session.rows(&sql).await;
        let rows = rows.map_err(|f| f.asking(CANNOT_READ))?;
        let kept = first(&rows).ok_or(NOT_UNDERSTOOD)?;
        let ours = OF_PASSWORDS.into_iter().find(|ours| *ours == kept);
        ours.ok_or(RotatorError::Refused(
            "an account of the file logs in by another plugin than caching_sha2_password, sha256_password or mysql_native_password: keyrota does not change such an account",
        ))
    }

    /// Whether MySQL refuses it passwords that it has had; `last` and `days` are the server's defaults.
    /// Without an administrator it is who asks.
    pub(super) async fn remembers(
        account: Option<&Self>,
        last: bool,
        days: bool,
        session: &mut Session,
    ) -> Result<bool, RotatorError> {
        let account = account.map_or_else(|| "CURRENT_USER()".to_owned(), Self::sql);
        let rows = session.rows(&format!("SHOW CREATE USER {account}")).await;
        let rows = rows.map_err(|f| f.asking(CANNOT_READ))?;
        let line = first(&rows).ok_or(NOT_UNDERSTOOD)?;
        Ok(remembers(line, last, days))
    }

    /// What it may do, and on what conditions, but for its name and its passwords.
    pub(super) async fn rights(
        &self,
        session: &mut Session,
    ) -> Result<BTreeSet<String>, RotatorError> {
        let denied = |f: Fault| f.asking(CANNOT_READ);
        let mut rights = BTreeSet::new();
        let grants = self.ask(Question::Grants, session).await;
        for row in grants.map_err(denied)? {
            let line = row.into_iter().next().flatten().ok_or(NOT_UNDERSTOOD)?;
            let (_, rest) = split(&line.replace(&self.printed(), "``@``"))?;
            rights.insert(rest);
        }
        let conditions = self.ask(Question::Conditions, session).await;
        for row in conditions.map_err(denied)? {
            rights.insert(format!("{row:?}"));
        }
        Ok(rights)
    }
}

/// One way to log in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) plugin: String,
    /// Empty if it keeps none.
    pub(super) hash: String,
}

/// The `IDENTIFIED …` of a line, and the line without it.
fn split(line: &str) -> Result<(Vec<Method>, String), RotatorError> {
    let Some((before, clause)) = line.split_once(" IDENTIFIED ") else {
        return Ok((Vec::new(), line.to_owned()));
    };
    let mut methods = Vec::new();
    let mut rest;
    if let Some(text) = clause.strip_prefix("BY PASSWORD ") {
        let (hash, after) = literal(text)?;
        // What the server calls a hash here may be that of the oldest plugin.
        let old = hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let plugin = if old { OLDEST } else { NATIVE };
        methods.push(Method {
            plugin: plugin.to_owned(),
            hash,
        });
        rest = after;
    } else {
        rest = clause.strip_prefix("VIA ").ok_or(NOT_UNDERSTOOD)?;
        loop {
            let (plugin, after) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            let (hash, after) = match after.strip_prefix(" USING ") {
                Some(text) => literal(text)?,
                None => (String::new(), after),
            };
            let plugin = plugin.to_owned();
            methods.push(Method { plugin, hash });
            rest = after;
            match after.strip_prefix(" OR ") {
                Some(more) => rest = more,
                None => break,
            }
        }
    }
    Ok((methods, format!("{before}{rest}")))
}

/// Whether a line of MySQL's, or what it leaves to the defaults, keeps passwords from being used again.
fn remembers(line: &str, last: bool, days: bool) -> bool {
    let says = |clause, default| match line.split_once(clause).map(|(_, rest)| rest) {
        Some(rest) if !rest.starts_with("DEFAULT") => rest.split(' ').next() != Some("0"),
        _ => default,
    };
    says(" PASSWORD HISTORY ", last) || says(" PASSWORD REUSE INTERVAL ", days)
}

/// What stands in quotes at the beginning of `text`, and what follows. No hash has a quote in it.
fn literal(text: &str) -> Result<(String, &str), RotatorError> {
    let (inside, after) = text
        .strip_prefix('\'')
        .and_then(|text| text.split_once('\''))
        .ok_or(NOT_UNDERSTOOD)?;
    Ok((inside.to_owned(), after))
}

/// MySQL's plugins that keep a password, and that our client has.
const OF_PASSWORDS: [&str; 3] = ["caching_sha2_password", "sha256_password", NATIVE];
const OLDEST: &str = "mysql_old_password";
pub(super) const CANNOT_READ: &str =
    "the administrator cannot read the accounts: GRANT SELECT ON mysql.* (`keyrota plan --setup`)";
const NOT_UNDERSTOOD: RotatorError =
    RotatorError::Refused("the server describes an account in a way that is not understood");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn passwords_are_told_from_rights() {
        for (line, methods, rest) in [
            (
                "GRANT ALL ON `a`.* TO ``@``",
                vec![],
                "GRANT ALL ON `a`.* TO ``@``",
            ),
            (
                "GRANT USAGE ON *.* TO ``@`` IDENTIFIED BY PASSWORD '*AB' REQUIRE SSL",
                vec![(NATIVE, "*AB")],
                "GRANT USAGE ON *.* TO ``@`` REQUIRE SSL",
            ),
            (
                "CREATE USER  IDENTIFIED BY PASSWORD '0123456789abcdef'",
                vec![(OLDEST, "0123456789abcdef")],
                "CREATE USER ",
            ),
            (
                "CREATE USER  IDENTIFIED BY PASSWORD 'invalid'",
                vec![(NATIVE, "invalid")],
                "CREATE USER ",
            ),
            (
                "CREATE USER  IDENTIFIED VIA mysql_native_password USING '*A' OR unix_socket OR ed25519 USING 'x/y' ACCOUNT LOCK",
                vec![(NATIVE, "*A"), ("unix_socket", ""), ("ed25519", "x/y")],
                "CREATE USER  ACCOUNT LOCK",
            ),
        ] {
            let found = split(line).unwrap();
            let found_methods: Vec<_> = found.0.iter().map(|m| (&*m.plugin, &*m.hash)).collect();
            assert_eq!((found_methods, &*found.1), (methods, rest));
        }
        for line in ["x IDENTIFIED AS y", "x IDENTIFIED BY PASSWORD 'open"] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    /// Lines as the manual shows them.
    #[test]
    fn a_history_is_told_from_its_defaults() {
        for (history, interval, last, days, expected) in [
            ("DEFAULT", "DEFAULT", false, false, false),
            ("DEFAULT", "DEFAULT", true, false, true),
            ("DEFAULT", "DEFAULT", false, true, true),
            ("0", "0 DAY", true, true, false),
            ("0", "DEFAULT", true, false, false),
            ("0", "DEFAULT", true, true, true),
            ("5", "DEFAULT", false, false, true),
            ("DEFAULT", "365 DAY", false, false, true),
            ("10", "0 DAY", false, false, true),
        ] {
            let line = format!(
                "CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x' REQUIRE SSL \
                 PASSWORD EXPIRE DEFAULT ACCOUNT UNLOCK PASSWORD HISTORY {history} \
                 PASSWORD REUSE INTERVAL {interval} PASSWORD REQUIRE CURRENT DEFAULT"
            );
            assert_eq!(remembers(&line, last, days), expected, "{line}");
        }
        // A server that says nothing of it.
        assert!(!remembers("CREATE USER `a`@`%` REQUIRE SSL", false, false));
    }
}
