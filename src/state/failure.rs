//! What the errors of the drivers and of the wire mean. Their own text is dropped: it quotes rows and addresses.

use sqlx::error::DatabaseError;

use super::{Running, Server, StateError};
use crate::wire::{Fault, Method, Unanswered};

/// Why a server has not answered.
pub(super) fn unanswered(why: &Unanswered) -> StateError {
    match why {
        Unanswered::Failed(e) => failure(e),
        Unanswered::Lost | Unanswered::Unreadable => StateError::Unavailable,
    }
}

/// What a failure means. The error's own text is dropped: it quotes rows and addresses.
pub(super) fn failure(e: &sqlx::Error) -> StateError {
    match e {
        sqlx::Error::Database(e) => database_failure(&**e),
        sqlx::Error::Configuration(_) => {
            StateError::Refused("the address of the state database is not usable")
        }
        sqlx::Error::Tls(_) => StateError::Untrusted,
        sqlx::Error::Io(e) => match e.kind() {
            std::io::ErrorKind::InvalidData => StateError::Untrusted, // how rustls says so
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StateError::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => StateError::ReadOnly,
            _ => StateError::Unavailable,
        },
        sqlx::Error::PoolTimedOut => StateError::Busy,
        sqlx::Error::WorkerCrashed => StateError::Io,
        sqlx::Error::RowNotFound
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => StateError::Corrupt,
        _ => StateError::Unavailable,
    }
}

fn database_failure(e: &dyn DatabaseError) -> StateError {
    if e.is_unique_violation() {
        // Postgres names the index, SQLite its columns.
        let name = e.constraint().unwrap_or_else(|| e.message());
        if name == "rotation_open_account" || name.ends_with("rotation.account") {
            return StateError::Running(Running::Account);
        }
        if name == "rotation_open_secret" || name.ends_with("rotation.env, rotation.secret") {
            return StateError::Running(Running::Secret);
        }
        return StateError::Corrupt;
    }
    let code = e.code().unwrap_or_default();
    match e.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        Some(_) => postgres_failure(&code),
        None => sqlite_failure(code.parse().unwrap_or_default()),
    }
}

/// By primary result code (<https://www.sqlite.org/rescode.html>).
fn sqlite_failure(code: i64) -> StateError {
    match code & 0xff {
        5 | 6 => StateError::Busy,     // BUSY, LOCKED
        3 | 8 => StateError::ReadOnly, // PERM, READONLY
        10 | 14 => StateError::Io,     // IOERR, CANTOPEN
        13 => StateError::Full,
        _ => StateError::Corrupt, // CORRUPT, NOTADB, CONSTRAINT, and statements that its schema does not know
    }
}

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn postgres_failure(code: &str) -> StateError {
    match code {
        // A transaction that only reads; one that writes, on a server that follows another.
        "25006" | "0A000" => StateError::ReadOnly,
        "53100" => StateError::Full,
        "3D000" => StateError::Refused("the database named in the state's address does not exist"),
        "42501" => StateError::Forbidden,
        "55P03" | "57014" => StateError::Busy, // lock not available, statement timeout
        _ => match code.get(..2).unwrap_or_default() {
            "28" => StateError::Denied,
            "40" => StateError::Busy, // serialization failure, deadlock
            "58" => StateError::Io,
            "08" | "53" | "57" => StateError::Unavailable, // connection, resources, shutdown
            _ => StateError::Corrupt,
        },
    }
}

/// Why there is no connection. A right that is missing here is the one to connect.
pub(super) fn not_connected(e: &sqlx::Error, server: &Server) -> StateError {
    let name = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    match failure(e) {
        StateError::Forbidden => StateError::Lacks(format!(
            "GRANT CONNECT ON DATABASE {} TO {}",
            name(&server.database),
            name(&server.user)
        )),
        other => other,
    }
}

/// What the wire did not let through.
pub(super) fn kept_from(fault: Fault) -> StateError {
    match fault {
        Fault::Unreachable => StateError::Unavailable,
        Fault::Untrusted => StateError::Untrusted,
        Fault::Endless => StateError::Refused(
            "the state's server sent more than any answer to keyrota holds, and keyrota stopped reading",
        ),
        Fault::Method(Some(Method::Nothing)) => StateError::Refused(
            "the state's server lets its user in without a password, though there is one: use scram-sha-256 in pg_hba.conf",
        ),
        Fault::Method(_) => StateError::Refused(
            "the state's server asks for the password in clear text or by md5, and none was sent: use scram-sha-256 in pg_hba.conf, and set the user's password with password_encryption = 'scram-sha-256'",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_the_network_and_the_schema_are_told_apart() {
        assert_eq!(sqlite_failure(13), StateError::Full);
        assert_eq!(sqlite_failure(8 | (4 << 8)), StateError::ReadOnly); // READONLY_DBMOVED
        assert_eq!(sqlite_failure(10 | (4 << 8)), StateError::Io); // IOERR_FSYNC
        assert_eq!(sqlite_failure(5 | (2 << 8)), StateError::Busy); // BUSY_SNAPSHOT
        assert_eq!(sqlite_failure(26), StateError::Corrupt);
        assert_eq!(postgres_failure("53100"), StateError::Full);
        assert_eq!(postgres_failure("53300"), StateError::Unavailable);
        assert_eq!(postgres_failure("25006"), StateError::ReadOnly);
        assert_eq!(postgres_failure("57P01"), StateError::Unavailable);
        assert_eq!(postgres_failure("28P01"), StateError::Denied);
        assert_eq!(postgres_failure("42501"), StateError::Forbidden);
        assert_eq!(postgres_failure("40P01"), StateError::Busy);
        assert_eq!(postgres_failure("42P01"), StateError::Corrupt);
    }
}
