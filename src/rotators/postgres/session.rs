//! Reaching the server: what a login shows, and what an error means.
//!
//! Judged by SQLSTATE and by the name of the server's own function that raised the error, which are
//! the same in every language. Postgres checks the password first: what `InitializeSessionUserId`,
//! `CheckMyDatabase` and the end of `InitPostgres` object to, they object to after it was right. An
//! error without such a name (a pooler's) shows less.

use std::time::Duration;

use keyrota_contract::{Probe, RotatorError};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity};
use sqlx::{AssertSqlSafe, ConnectOptions, Error, Execute};

use super::super::database::{Endpoint, Login, Settings};
use crate::wire::{self, At, Fault, Method, UNREADABLE, Unanswered, Wire};

pub(super) type Session = wire::Session<sqlx::Postgres>;
pub(super) type Row = wire::Row<sqlx::Postgres>;

/// For a login, and for an answer to one question.
const PATIENCE: Duration = Duration::from_secs(10);
/// For a change: longer than `lock_timeout` below.
pub(super) const CHANGE: Duration = Duration::from_secs(15);
/// For a message that a time limit of the server's may end before it takes that limit away.
const TRIES: u32 = 50;

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// The password is wrong, or there is no such user, or its `VALID UNTIL` is past: the server
    /// says the same for all three.
    Rejected,
    /// The password was right.
    Blocked,
    /// The password was right, and the user, its database or the server has as many connections as
    /// it may have: this passes by itself.
    Full,
    /// The server has no connection left, and has not judged the password.
    NoPlace,
    /// The server asks for no password at all.
    Open,
    /// The server asks for a password in a way that the file does not allow, so it got none; a fixed
    /// sentence.
    Barred(&'static str),
    /// The password was not judged; a fixed sentence.
    Unknown(&'static str),
}

impl Shut {
    pub(super) fn probe(self) -> Probe {
        match self {
            Self::Rejected => Probe::Rejected,
            Self::Blocked | Self::Full => Probe::Blocked,
            Self::NoPlace | Self::Open | Self::Barred(_) | Self::Unknown(_) => Probe::Unknown,
        }
    }
}

/// Logs in, over verified TLS only. A session of ours that just ended may still count against a
/// limit, so a full server is asked a few times.
pub(super) async fn open(
    settings: &Settings,
    at: &Endpoint,
    login: &Login,
    name: &str,
) -> Result<Session, Shut> {
    const TRIES: u32 = 5;
    let mut tries = 1;
    loop {
        match open_once(settings, at, login, name).await {
            Err(Shut::Full | Shut::NoPlace) if tries < TRIES => {
                tokio::time::sleep(Duration::from_millis(200)).await
            }
            opened => return opened,
        }
        tries += 1;
    }
}

async fn open_once(
    settings: &Settings,
    at: &Endpoint,
    login: &Login,
    name: &str,
) -> Result<Session, Shut> {
    // Every field is set here: what is not would come from PGHOST, PGUSER, PGPASSWORD, ~/.pgpass.
    let options = PgConnectOptions::new_without_pgpass();
    if options.get_options().is_some() {
        return Err(Shut::Unknown(
            "PGOPTIONS is set where keyrota runs, and would change its sessions: unset it",
        ));
    }
    let pem = match &settings.ca_file {
        Some(file) => crate::trust::authority(file)
            .map_err(|_| Shut::Unknown("ca_file cannot be read, or others can change it"))?,
        None => Vec::new(), // instead of PGSSLROOTCERT
    };
    let server = At::Host(at.host.clone(), at.port);
    let way = Wire::postgres(server, &pem, &settings.methods, ANSWER_BYTES_MAX);
    let way = way.map_err(kept_from)?;
    let options = options
        .host(&at.host)
        .database(&at.database)
        .username(&login.user)
        .password(&login.password)
        .application_name(name)
        .statement_cache_capacity(0)
        .extra_float_digits(None) // a startup parameter that poolers refuse
        .disable_statement_logging();
    let shut = match Session::connect(&way, &options, PATIENCE).await {
        Ok(session) => return Ok(session),
        Err(Unanswered::Failed(error)) => way.fault().map_or_else(|| shut(&error), kept_from),
        Err(Unanswered::Lost) => Shut::Unknown(UNREACHABLE),
        Err(Unanswered::Unreadable) => Shut::Unknown(UNREADABLE),
    };
    if let Shut::Barred(why) = shut {
        tracing::warn!(host = at.host, port = at.port, "{why}");
    }
    Err(shut)
}

/// What the wire did not let through.
fn kept_from(fault: Fault) -> Shut {
    match fault {
        Fault::Unreachable => Shut::Unknown(UNREACHABLE),
        Fault::Untrusted => Shut::Unknown(UNTRUSTED),
        Fault::Endless => Shut::Unknown(
            "the server sent more than any answer to keyrota holds, and keyrota stopped reading",
        ),
        Fault::Method(Some(Method::Nothing)) => Shut::Open,
        Fault::Method(Some(Method::Password)) => Shut::Barred(
            "the server asks for the password in clear text, which `require_auth` does not allow; none was sent: use scram-sha-256 in pg_hba.conf",
        ),
        Fault::Method(Some(Method::Md5)) => Shut::Barred(
            "the server asks for an md5 login, which `require_auth` does not allow; none was sent: set the user's password with password_encryption = 'scram-sha-256', or add \"md5\" to `require_auth`",
        ),
        Fault::Method(Some(Method::Scram)) => Shut::Barred(
            "the server asks for a SCRAM login, which `require_auth` does not allow: add \"scram-sha-256\"",
        ),
        Fault::Method(None) => Shut::Unknown("the server wants a login that is not by password"),
    }
}

/// Logs in, asks who it is, and leaves.
pub(super) async fn probe(settings: &Settings, at: &Endpoint, login: &Login) -> Result<(), Shut> {
    let mut session = open(settings, at, login, NAME).await?;
    // By the simple protocol: a pooler needs no support for anything. With `ALTER ROLE … SET role`,
    // current_user is the owner; session_user is who logged in.
    let who = alone(&mut session, "SELECT session_user::text").await;
    leave(session).await;
    let who = who.map_err(|why| match why {
        RotatorError::Retry(why) => Shut::Unknown(why),
        _ => Shut::Unknown(UNREACHABLE),
    })?;
    match who.first().map(|row| row.get::<String, _>(0)) {
        Some(Ok(who)) if who == *login.user => Ok(()),
        Some(Err(Unanswered::Unreadable)) => Err(Shut::Unknown(UNREADABLE)),
        // A pooler that logs in as somebody else says nothing about this login.
        _ => Err(Shut::Unknown(
            "the login of the current value becomes another user's on the way (a pooler's?)",
        )),
    }
}

/// A question in one message, which is one transaction without BEGIN, and nothing of it stays: a pooler may give the
/// next message to another session, and this one's connection to another client. No setting of the user or
/// its database decides how the question is read or how soon it is broken off.
pub(super) async fn alone(session: &mut Session, question: &str) -> Result<Vec<Row>, RotatorError> {
    let message = format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL search_path = pg_catalog; \
         SET LOCAL client_min_messages = error; SET LOCAL ROLE NONE; {question}"
    );
    for _ in 0..TRIES {
        let asked = sqlx::raw_sql(AssertSqlSafe(message.clone()));
        match session.rows(PATIENCE, asked).await {
            Ok(rows) => return Ok(rows),
            Err(Unanswered::Failed(error)) if broken_off(&error) => {}
            Err(why) => return Err(unanswered(&why)),
        }
    }
    Err(SILENT)
}

/// Ends a session politely; one that does not answer is dropped.
pub(super) async fn leave(session: Session) {
    session.close(Duration::from_secs(1)).await;
}

/// An answer in time, or `Retry`: questions change nothing.
pub(super) async fn ask<'q>(
    session: &mut Session,
    question: impl Execute<'q, sqlx::Postgres> + 'q,
) -> Result<Vec<Row>, RotatorError> {
    let rows = session.rows(PATIENCE, question).await;
    rows.map_err(|why| unanswered(&why))
}

/// The row of an answer that has one.
pub(super) async fn ask_one<'q>(
    session: &mut Session,
    question: impl Execute<'q, sqlx::Postgres> + 'q,
) -> Result<Row, RotatorError> {
    let rows = ask(session, question).await?;
    rows.into_iter().next().ok_or(SILENT)
}

fn unanswered(why: &Unanswered) -> RotatorError {
    match why {
        Unanswered::Failed(_) | Unanswered::Lost => SILENT,
        Unanswered::Unreadable => RotatorError::Retry(UNREADABLE),
    }
}

/// Makes a session of the server's own, not a pooler's, independent of what `ALTER ROLE … SET` and
/// `ALTER DATABASE … SET` say:
/// - names and operators are the server's own; a literal means what it says
/// - no time limit of others ends the session or a statement; a lock is not waited for longer than
///   [`CHANGE`]; an error ends its statement and not the session
/// - transactions write, and see each other's work; an acknowledged commit survives a crash
/// - our own role, not the owner's, may change our password (`as_itself`). An administrator keeps the
///   role that it is given at login: its rights may be that role's
///
/// What only a superuser may set (`log_statement`, `session_preload_libraries`) stays as it is.
pub(super) async fn prepare(session: &mut Session, as_itself: bool) -> Result<(), RotatorError> {
    // First and alone, since what is to be ended may end it: a statement_timeout of 1 ms.
    const FIRST: &str = "SET statement_timeout = 0";
    const SETTINGS: &str = "SET search_path = pg_catalog; SET standard_conforming_strings = on; \
         SET client_min_messages = error; SET exit_on_error = off; SET lock_timeout = '5s'; \
         SET idle_in_transaction_session_timeout = 0; \
         SET default_transaction_isolation = 'read committed'; \
         SET default_transaction_deferrable = off; SET default_transaction_read_only = off; \
         SELECT set_config('idle_session_timeout', '0', false) \
         WHERE current_setting('idle_session_timeout', true) IS NOT NULL; \
         SELECT set_config('transaction_timeout', '0', false) \
         WHERE current_setting('transaction_timeout', true) IS NOT NULL; \
         SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
         WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)";
    for tries in 1..=TRIES {
        match session.rows(PATIENCE, sqlx::raw_sql(FIRST)).await {
            Ok(_) => break,
            Err(Unanswered::Failed(error)) if tries < TRIES && broken_off(&error) => {}
            Err(why) => return Err(unanswered(&why)),
        }
    }
    ask(session, sqlx::raw_sql(SETTINGS)).await?;
    if as_itself {
        ask(session, sqlx::raw_sql("SET ROLE NONE")).await?;
    }
    Ok(())
}

/// Whether a time limit of the server's ended a statement.
fn broken_off(error: &Error) -> bool {
    let Error::Database(error) = error else {
        return false;
    };
    error.code().is_some_and(|code| code == "57014")
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
        // The user's limit, its database's; or the slots that are left are for superusers.
        ("53300", Some("InitializeSessionUserId" | "CheckMyDatabase" | "InitPostgres")) => {
            Shut::Full
        }
        (_, Some("InitializeSessionUserId" | "CheckMyDatabase")) => Shut::Blocked,
        // There is no such database.
        ("3D000", Some("InitPostgres")) => Shut::Blocked,
        ("28000", _) => Shut::Unknown(
            "the server lets this user not in from here (pg_hba.conf), whatever the password",
        ),
        ("53300", _) => Shut::NoPlace,
        ("57P03", _) => Shut::Unknown("the server is starting or stopping"),
        _ => Shut::Unknown("the server broke off the login"),
    }
}

/// What a failed change leaves behind.
pub(super) fn changed(error: &Error) -> RotatorError {
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
        "XX000" => Retry("another session is changing this user now"),
        "55P03" | "57014" | "40001" | "40P01" => Retry("a lock is in the way"),
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
/// In answer to one message: what a role was granted, in a large database.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A server that asks for nothing proves nothing.
pub(super) const OPEN: &str = "the server lets a user in without a password, so nothing it accepts is proven: look for trust or peer authentication (pg_hba.conf)";
const UNREACHABLE: &str = "the server cannot be reached";
const UNTRUSTED: &str = "no trusted TLS to the server: its certificate has to be for url's host, by a CA in ca_file or a public one";
pub(super) const NO_PLACE: &str = "the connection limit of the server is reached (max_connections): keyrota waits until it has a place";
const SILENT: RotatorError = RotatorError::Retry("the server did not answer a question");
