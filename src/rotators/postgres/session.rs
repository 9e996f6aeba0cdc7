//! Reaching the server: what a login shows, and what an error means.
//!
//! Judged by SQLSTATE and by the name of the server's own function that raised the error, which are
//! the same in every language. Postgres checks the password first: what `InitializeSessionUserId`,
//! `CheckMyDatabase` and the end of `InitPostgres` object to, they object to after it was right. An
//! error without such a name (a pooler's) shows less.

use std::path::Path;
use std::time::Duration;

use keyrota_contract::{Probe, RotatorError};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgSeverity, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, Row};

use super::super::database::{Endpoint, Login};

/// For a login, and for an answer to one question.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a change: longer than `lock_timeout` below.
const CHANGE: Duration = Duration::from_secs(15);

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// The password is wrong, or there is no such user, or its `VALID UNTIL` is past: the server
    /// says the same for all three.
    Rejected,
    /// The password was right.
    Blocked,
    /// The password was not judged; a fixed sentence.
    Unknown(&'static str),
}

impl Shut {
    pub(super) fn probe(self) -> Probe {
        match self {
            Self::Rejected => Probe::Rejected,
            Self::Blocked => Probe::Blocked,
            Self::Unknown(_) => Probe::Unknown,
        }
    }
}

/// Logs in, over verified TLS only.
pub(super) async fn open(
    at: &Endpoint,
    ca_file: Option<&Path>,
    login: &Login,
    name: &str,
) -> Result<PgConnection, Shut> {
    // Every field is set here: what is not would come from PGHOST, PGUSER, PGPASSWORD, ~/.pgpass.
    let options = PgConnectOptions::new_without_pgpass();
    if options.get_options().is_some() {
        return Err(Shut::Unknown(
            "PGOPTIONS is set where keyrota runs, and would change its sessions: unset it",
        ));
    }
    let pem = match ca_file {
        Some(file) => crate::trust::authority(file)
            .map_err(|_| Shut::Unknown("ca_file cannot be read, or others can change it"))?,
        None => Vec::new(), // instead of PGSSLROOTCERT
    };
    let options = options
        .host(&at.host)
        .port(at.port)
        .database(&at.database)
        .username(&login.user)
        .password(&login.password)
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert_from_pem(pem)
        .application_name(name)
        .statement_cache_capacity(0)
        .extra_float_digits(None) // a startup parameter that poolers refuse
        .disable_statement_logging();
    match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(shut(&error)),
        Err(_) => Err(Shut::Unknown(UNREACHABLE)),
    }
}

/// Logs in, asks who it is, and leaves.
pub(super) async fn probe(at: &Endpoint, ca_file: Option<&Path>, login: &Login) -> Probe {
    let mut session = match open(at, ca_file, login, NAME).await {
        Ok(session) => session,
        Err(shut) => return shut.probe(),
    };
    // By the simple protocol: a pooler needs no support for anything. With `ALTER ROLE … SET role`,
    // current_user is the owner; session_user is who logged in.
    let who = ask(sqlx::raw_sql("SELECT session_user::text").fetch_one(&mut session)).await;
    leave(session).await;
    match who.and_then(|row| row.try_get::<String, _>(0).map_err(|_| SILENT)) {
        Ok(who) if *who == **login.user => Probe::Accepted,
        // A pooler that logs in as somebody else says nothing about this login.
        _ => Probe::Unknown,
    }
}

/// Ends a session politely; one that does not answer is dropped.
pub(super) async fn leave(session: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), session.close()).await;
}

/// An answer in time, or `Retry`: questions change nothing.
pub(super) async fn ask<T>(
    question: impl Future<Output = Result<T, Error>>,
) -> Result<T, RotatorError> {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) | Err(_) => Err(SILENT),
    }
}

/// Makes a session fit for a change. Our own role, not the owner's, may change our password; a
/// commit that is acknowledged must also survive a crash; a lock is not waited for longer than
/// [`CHANGE`].
pub(super) async fn prepare(
    session: &mut PgConnection,
    as_itself: bool,
) -> Result<(), RotatorError> {
    const SETTINGS: &str = "SET search_path = pg_catalog; SET default_transaction_read_only = off; \
         SET statement_timeout = 0; SET lock_timeout = '5s'; \
         SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
         WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";
    if as_itself {
        ask(sqlx::raw_sql("SET ROLE NONE").execute(&mut *session)).await?;
    }
    ask(sqlx::raw_sql(SETTINGS).execute(session)).await?;
    Ok(())
}

/// Sets a user's verifier, or takes its password away.
pub(super) async fn change(
    session: &mut PgConnection,
    user: &str,
    verifier: Option<&str>,
) -> Result<(), RotatorError> {
    let user = quoted(user);
    let statement = match verifier {
        // Base64 and punctuation: nothing in it ends the literal.
        Some(verifier) => format!("ALTER ROLE {user} PASSWORD '{verifier}'"),
        None => format!("ALTER ROLE {user} PASSWORD NULL"),
    };
    let sent = sqlx::raw_sql(AssertSqlSafe(statement)).execute(session);
    match tokio::time::timeout(CHANGE, sent).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(changed(&error)),
        Err(_) => Err(RotatorError::Ambiguous(
            "the server did not answer the change in time",
        )),
    }
}

/// A name as SQL wants it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a failed login shows.
fn shut(error: &Error) -> Shut {
    let error = match error {
        Error::Database(error) => error.try_downcast_ref::<PgDatabaseError>(),
        Error::Tls(_) => return Shut::Unknown(UNTRUSTED),
        Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            return Shut::Unknown(UNTRUSTED);
        }
        Error::Configuration(_) => {
            return Shut::Unknown(
                "the user or the password has characters that SASLprep refuses: set another one by hand",
            );
        }
        Error::Protocol(_) => {
            return Shut::Unknown("the server wants a login that is not by password");
        }
        _ => None,
    };
    let Some(error) = error else {
        return Shut::Unknown(UNREACHABLE);
    };
    match (error.code(), error.routine()) {
        ("28P01", _) => Shut::Rejected,
        // pgbouncer (seen with 1.18) calls everything a protocol violation. It has one language.
        ("08P01", None) if POOLER_REFUSALS.contains(&error.message()) => Shut::Rejected,
        (_, Some("InitializeSessionUserId" | "CheckMyDatabase")) => Shut::Blocked,
        // The slots that are left are for superusers; there is no such database.
        ("53300" | "3D000", Some("InitPostgres")) => Shut::Blocked,
        ("28000", _) => Shut::Unknown(
            "the server lets this user not in from here (pg_hba.conf), whatever the password",
        ),
        ("53300", _) => Shut::Unknown("the server has no connection left"),
        ("57P03", _) => Shut::Unknown("the server is starting or stopping"),
        _ => Shut::Unknown("the server broke off the login"),
    }
}

/// What a failed change leaves behind.
fn changed(error: &Error) -> RotatorError {
    use RotatorError::{Ambiguous, Refused, Retry};

    let error = match error {
        Error::Database(error) => error.try_downcast_ref::<PgDatabaseError>(),
        _ => None,
    };
    // FATAL ends the session, and does not say what had been done before. One that is ended while it
    // waits for a standby has committed, and says nothing at all.
    let Some(error) = error.filter(|e| e.severity() == PgSeverity::Error) else {
        return Ambiguous("the connection was lost after the change was sent");
    };
    match error.code() {
        "XX000" => Retry("somebody else changes this user now"),
        "55P03" | "57014" | "40001" | "40P01" => Retry("a lock stood in the way"),
        "25006" => Retry("the server is read-only: a replica, or a failover is under way"),
        "40003" => Ambiguous("the server does not know whether the change took effect"),
        code if ["53", "57", "58"].contains(&&code[..2.min(code.len())]) => {
            Retry("the server is out of something it needs")
        }
        "42501" => Refused(
            "the server does not permit the change of this password: `keyrota plan --setup` shows the grants",
        ),
        "42704" => Refused("the user does not exist on the server"),
        _ => Refused(
            "the server refuses the password; a policy there may not take what it cannot read (SCRAM)",
        ),
    }
}

/// What keyrota's sessions are called; those that change something have the attempt's id as well.
pub(super) const NAME: &str = "keyrota";
const POOLER_REFUSALS: [&str; 2] = [
    "SASL authentication failed",
    "password authentication failed",
];
const UNREACHABLE: &str = "the server cannot be reached";
const UNTRUSTED: &str = "no trusted TLS to the server: its certificate has to be for url's host, by a CA in ca_file or a public one";
const SILENT: RotatorError = RotatorError::Retry("the server did not answer a question");
