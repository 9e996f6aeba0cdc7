//! One connection: how it is made, what is asked over it, and what its failures are.

use std::time::Duration;

use keyrota_contract::{Probe, RotatorError};
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, MySql};
use zeroize::Zeroizing;

use crate::rotators::database::{Endpoint, Login, Settings};
use crate::wire::{self, UNREADABLE, Unanswered, Wire};

/// In answer to one message: a list of all sessions, of a large server.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(10);
/// Longer than the server itself waits: its answer says more than none.
const STATEMENT: Duration = Duration::from_secs(20);
const WAIT_SECONDS: u32 = 10;

/// What went wrong. The server's words are not kept: they may quote a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The server said this number.
    Server(u16),
    /// There was no encrypted connection to the server that the file means.
    Tls,
    /// The server asks this user for a login by a plugin that our client does not have; no password
    /// was judged.
    Method,
    /// No connection, or no answer: network, time limit, a protocol that is not ours.
    Lost,
    /// The driver cannot read the answer.
    Unreadable,
}

/// An open connection.
pub(super) struct Session {
    connection: wire::Session<MySql>,
    /// Accounts are asked about, and changed, through procedures.
    pub(super) procedures: bool,
}

impl Session {
    /// Logs in; always encrypted, the server's name verified.
    pub(super) async fn open(
        settings: &Settings,
        at: &Endpoint,
        database: bool,
        login: &Login,
    ) -> Result<Self, Fault> {
        // Nothing is sent after the login, so that a failure here is a failure to log in.
        let way = Wire::mysql(&at.host, at.port, ANSWER_BYTES_MAX);
        let mut options = MySqlConnectOptions::new()
            .host(&at.host) // the name in its certificate
            .port(at.port)
            .username(&login.user)
            .password(&login.password)
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .statement_cache_capacity(0)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .set_names(false)
            .disable_statement_logging();
        if database {
            options = options.database(&at.database);
        }
        if let Some(file) = &settings.ca_file {
            let pem = crate::trust::authority(file).map_err(|_| Fault::Tls)?;
            options = options.ssl_ca_from_pem(pem);
        }
        // A session of ours that just ended may still count against a limit.
        const TRIES: u32 = 5;
        let mut tries = 1;
        loop {
            let fault = match wire::Session::connect(&way, &options, CONNECT).await {
                Ok(connection) => {
                    return Ok(Self {
                        connection,
                        procedures: false,
                    });
                }
                Err(Unanswered::Failed(_))
                    if matches!(way.fault(), Some(wire::Fault::Method(_))) =>
                {
                    Fault::Method
                }
                Err(why) => Fault::of(&why),
            };
            if tries == TRIES || !fault.is_full() {
                return Err(fault);
            }
            tries += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The account row that answered the login, as its user and its host. The first statement of a
    /// session: an expired password shows here. It changes nothing of the session, which may be a
    /// pooler's.
    pub(super) async fn answered_as(&mut self) -> Result<(String, String), Fault> {
        // The LIMIT stands above sql_select_limit.
        let rows = self.persistent("SELECT CURRENT_USER() LIMIT 1").await?;
        let account = first(&rows).ok_or(Fault::Lost)?;
        // A host never holds an @, a user may.
        let (user, host) = account.rsplit_once('@').ok_or(Fault::Lost)?;
        Ok((user.to_owned(), host.to_owned()))
    }

    /// Makes the session independent of `init_connect`, of the server's defaults and of limits of the
    /// account (`MAX_STATEMENT_TIME`): statements are read as they are meant, answers come whole,
    /// transactions write and end with their statement, and locks are not waited for long.
    pub(super) async fn prepare(&mut self) -> Result<(), Fault> {
        // MariaDB waits for the locks of its tables of accounts as long as it takes, a whole backup,
        // also when its client is gone. This ends it. First, for a shorter limit would end the rest.
        let sql = format!("SET SESSION max_statement_time = {WAIT_SECONDS}");
        unless_unknown(self.persistent(&sql).await.map(drop))?;
        // MySQL's, in milliseconds, and for SELECT only.
        unless_unknown(self.run("SET SESSION max_execution_time = 0").await)?;
        self.run("SET NAMES utf8mb4").await?;
        let sql = format!(
            "SET SESSION sql_mode = '', lock_wait_timeout = {WAIT_SECONDS}, autocommit = 1, \
             sql_select_limit = DEFAULT, sql_big_selects = 1, sql_quote_show_create = 1, \
             wait_timeout = 60"
        );
        self.run(&sql).await?;
        self.run("SET SESSION TRANSACTION READ WRITE").await
    }

    /// The rows of an answer, asked again while a limit of the account's ends the statement.
    async fn persistent(&mut self, sql: &str) -> Result<Rows, Fault> {
        const TRIES: u32 = 50;
        let mut tries = 1;
        loop {
            match self.rows(sql).await {
                Err(Fault::Server(1969 | 3024)) if tries < TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// The rows of an answer; every column as text.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Rows, Fault> {
        // The text protocol: what we send is not all preparable.
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let rows = self.connection.rows(STATEMENT, query).await;
        let rows = rows.map_err(|why| Fault::of(&why))?;
        let texts = rows.iter().map(wire::Row::texts);
        texts
            .map(|texts| texts.map_err(|why| Fault::of(&why)))
            .collect()
    }

    /// Runs a statement whose answer is that it was done.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), Fault> {
        let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        let done = self.connection.run(STATEMENT, query).await;
        done.map(drop).map_err(|why| Fault::of(&why))
    }

    /// Runs a statement that changes an account.
    pub(super) async fn change(&mut self, sql: &str) -> Result<(), RotatorError> {
        self.changed(sql).await.map_err(Fault::changing)
    }

    /// The same, for who asks further.
    pub(super) async fn changed(&mut self, sql: &str) -> Result<(), Fault> {
        match self.run(sql).await {
            // MariaDB says of which account it failed, and the reason only if it is asked.
            Err(Fault::Server(1396)) => {
                let said = self.rows("SHOW ERRORS").await.unwrap_or_default();
                let codes = said
                    .iter()
                    .filter_map(|row| row.get(1)?.as_deref()?.parse().ok());
                let mut reasons = codes.filter(|code| *code != 1396);
                Err(Fault::Server(reasons.next().unwrap_or(1396)))
            }
            done => done,
        }
    }

    /// Says goodbye, if the server still listens.
    pub(super) async fn close(self) {
        self.connection.close(CONNECT).await;
    }
}

/// A variable that only one of the two servers has (1193).
fn unless_unknown(set: Result<(), Fault>) -> Result<(), Fault> {
    match set {
        Err(Fault::Server(1193)) => Ok(()),
        set => set,
    }
}

/// Rows of columns.
pub(super) type Rows = Vec<Vec<Option<String>>>;

/// The first column of the first row.
pub(super) fn first(rows: &[Vec<Option<String>>]) -> Option<&str> {
    rows.first()?.first()?.as_deref()
}

/// A text in SQL. `sql_mode` is empty in our sessions, so a backslash escapes.
pub(super) fn quoted(text: &str) -> Zeroizing<String> {
    let mut sql = Zeroizing::new(String::with_capacity(2 * text.len() + 2));
    sql.push('\'');
    for c in text.chars() {
        match c {
            '\0' => sql.push_str("\\0"),
            '\'' | '\\' => {
                sql.push('\\');
                sql.push(c);
            }
            c => sql.push(c),
        }
    }
    sql.push('\'');
    sql
}

impl Fault {
    fn of(why: &Unanswered) -> Self {
        let e = match why {
            Unanswered::Failed(e) => e,
            Unanswered::Lost => return Self::Lost,
            Unanswered::Unreadable => return Self::Unreadable,
        };
        match e {
            sqlx::Error::Database(e) => {
                e.try_downcast_ref::<MySqlDatabaseError>()
                    .map_or(Self::Lost, |e| match e.number() {
                        // A password in the oldest form.
                        1251 | 1275 => Self::Method,
                        number => Self::Server(number),
                    })
            }
            sqlx::Error::Tls(_) => Self::Tls,
            // How rustls reports a certificate through a socket.
            sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => Self::Tls,
            sqlx::Error::Protocol(why) if NO_PLUGIN.iter().any(|no| why.starts_with(no)) => {
                Self::Method
            }
            _ => Self::Lost,
        }
    }

    /// Whether the server or the account has all the connections that it may have, or has asked enough in this
    /// hour.
    pub(super) fn is_full(self) -> bool {
        matches!(self, Self::Server(1040 | 1203 | 1226))
    }

    /// What a failed login says about the password.
    pub(super) fn login(self) -> Probe {
        match self {
            // Access denied, with a password and by a method without one.
            Self::Server(1045 | 1698) => Probe::Rejected,
            // All of these come after a right password: no right to the database (1044), no such
            // database (1049), limits of the account (1203, 1226), an expired password (1820, 1862),
            // a locked account (MySQL 3118, MariaDB 4151).
            Self::Server(1044 | 1049 | 1203 | 1226 | 1820 | 1862 | 3118 | 4151) => Probe::Blocked,
            // Among them: too many connections (1040), the host (1129, 1130) or the account (MySQL
            // 3955, MariaDB 4150) blocked for wrong passwords, which is said before a right one is seen.
            Self::Server(_) | Self::Tls | Self::Method | Self::Lost | Self::Unreadable => {
                Probe::Unknown
            }
        }
    }

    /// What a failed question means: nothing was changed.
    pub(super) fn asking(self, denied: &'static str) -> RotatorError {
        match self {
            _ if self.is_full() => FULL,
            // The procedure is gone, or whoever made it.
            Self::Server(1305 | 1449) => RotatorError::Refused(NO_PROCEDURE),
            // Access to a database, a privilege, a table, a column, a routine.
            Self::Server(1044 | 1227 | 1142 | 1143 | 1370) => RotatorError::Refused(denied),
            Self::Server(_) => RotatorError::Retry("the server could not answer a question"),
            Self::Tls | Self::Method | Self::Lost => {
                RotatorError::Retry("the connection to the server was lost")
            }
            Self::Unreadable => RotatorError::Retry(UNREADABLE),
        }
    }

    /// Whether the password itself is what a change was refused for: by a policy (1819; MariaDB's
    /// `password_reuse_check` too), or by MySQL's history (3638).
    pub(super) fn judged(self) -> bool {
        matches!(self, Self::Server(1819 | 3638))
    }

    /// What a failed change means. An answer with a number that is not known to come before any
    /// effect is an unknown outcome: looking costs little.
    pub(super) fn changing(self) -> RotatorError {
        use RotatorError::{Ambiguous, Refused, Retry};
        match self {
            Self::Server(1205 | 1213) => {
                Retry("another session holds a lock on the server's tables of accounts (a backup?)")
            }
            // The option that 1290 names may also be the one that wants to see passwords, just set.
            Self::Server(1223 | 1290 | 1792 | 1836) => Retry("the server has become read-only"),
            Self::Server(1819) => Refused(
                "the server's password policy does not take this password: loosen it for 32 random characters of A-Z a-z 0-9 - _, and for one that the account has had (password_reuse_check)",
            ),
            Self::Server(3638) => Refused(
                "the server's password history does not take a password that the account has had: ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY",
            ),
            Self::Server(1044 | 1142 | 1227 | 1699) => Refused(
                "no right to change the account: GRANT CREATE USER (`keyrota plan --setup`)",
            ),
            Self::Server(1305 | 1370 | 1449) => Refused(NO_PROCEDURE),
            Self::Server(1133 | 1396 | 1410) => Refused("the account does not exist any more"),
            Self::Server(1064 | 1149) => Refused(
                "the server does not know this form of ALTER USER: MariaDB 10.4 or MySQL 8.0.14 is needed",
            ),
            Self::Server(1524) => Refused("the server has no mysql_native_password"),
            // 1969, too long, among them: another session's lock, a backup.
            Self::Server(_) => Ambiguous("the server broke off the change"),
            Self::Tls | Self::Method | Self::Lost => {
                Ambiguous("the connection was lost during the change")
            }
            Self::Unreadable => Ambiguous(UNREADABLE),
        }
    }
}

pub(super) const FULL: RotatorError = RotatorError::Held(
    "a limit of the server or of the account is reached (max_connections, max_user_connections, or one by the hour): keyrota waits until it has a place",
);
const NO_PROCEDURE: &str = "a procedure that changes the account is gone, or its maker is, or no longer given to the administrator: run the SQL of `keyrota plan --setup` again";
/// How the driver says that it has no code for a plugin, or none that is switched on.
const NO_PLUGIN: [&str; 2] = [
    "unknown authentication plugin",
    "mysql_cleartext_plugin disabled",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes() {
        for (text, sql) in [
            ("plain", "'plain'"),
            ("it's", "'it\\'s'"),
            ("back\\slash\\", "'back\\\\slash\\\\'"),
            ("nul\0", "'nul\\0'"),
            ("", "''"),
        ] {
            assert_eq!(*quoted(text), sql);
        }
    }
}
