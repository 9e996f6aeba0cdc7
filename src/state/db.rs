//! One way to talk to both databases: transactions, statements, rows, errors.
//!
//! Statements are `&'static str` with `$1`-style parameters, which both understand, so each is
//! written once. Everything, reading too, happens inside a transaction: behind a pooler that hands
//! out servers per transaction, an unnamed statement prepared outside of one may be executed on a
//! server that never saw it.

use std::sync::Arc;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite, Transaction};

use super::StateError;
use super::failure::{failure, unanswered};
use super::pool::{ANSWER, Pool, Transaction as PgTransaction};
use crate::wire;

/// What `ALTER ROLE … SET` and `ALTER DATABASE … SET` may say otherwise: with `synchronous_commit`
/// off an acknowledged commit can be lost; transactions may be read-only; time limits end them.
/// `search_path`: the tables live in a schema of their own.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL statement_timeout = '20s'; \
     SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL client_min_messages = error; \
     SET LOCAL search_path = keyrota, pg_temp; \
     SELECT pg_catalog.set_config('transaction_timeout', '0', true) \
     WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL";

/// As [`BEGIN`], with one view of the data from the first statement to the last.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY NOT DEFERRABLE; \
     SET LOCAL statement_timeout = '20s'; SET LOCAL lock_timeout = '10s'; \
     SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL client_min_messages = error; \
     SET LOCAL search_path = keyrota, pg_temp; \
     SELECT pg_catalog.set_config('transaction_timeout', '0', true) \
     WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL";

/// Connections to one of the databases.
#[derive(Debug, Clone)]
pub(super) enum Db {
    /// One connection that writes; absent when opened for reading only.
    Sqlite {
        writer: Option<SqlitePool>,
        readers: SqlitePool,
    },
    Postgres {
        pool: Arc<Pool>,
        writable: bool,
    },
}

/// A transaction; rolled back when dropped.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(PgTransaction),
}

/// A parameter.
#[derive(Clone, Copy)]
pub(super) enum Arg<'a> {
    Text(&'a str),
    MaybeText(Option<&'a str>),
    Int(i64),
    MaybeInt(Option<i64>),
    Bytes(&'a [u8]),
}

/// A row; columns are read by position.
pub(super) enum DbRow {
    Sqlite(SqliteRow),
    Postgres(wire::Row<Postgres>),
}

impl Db {
    /// Begins a transaction that writes. On SQLite it holds the write lock from the start: a read
    /// that is upgraded later would fail with SQLITE_BUSY at once, whatever the timeout.
    pub(super) async fn write(&self) -> Result<Tx, StateError> {
        match self {
            Self::Sqlite {
                writer: Some(pool), ..
            } => pool
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Tx::Sqlite)
                .map_err(|e| failure(&e)),
            Self::Postgres {
                pool,
                writable: true,
            } => pool.begin(BEGIN).await.map(Tx::Postgres),
            Self::Sqlite { writer: None, .. }
            | Self::Postgres {
                writable: false, ..
            } => Err(StateError::ReadOnly),
        }
    }

    /// Begins a transaction that only reads, and sees nothing that is committed meanwhile.
    pub(super) async fn read(&self) -> Result<Tx, StateError> {
        match self {
            Self::Sqlite { readers, .. } => readers
                .begin()
                .await
                .map(Tx::Sqlite)
                .map_err(|e| failure(&e)),
            Self::Postgres { pool, .. } => pool.begin(BEGIN_SNAPSHOT).await.map(Tx::Postgres),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                if let Some(writer) = writer {
                    // Last, so that it is the one to fold the write-ahead log into the file.
                    writer.close().await;
                }
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

impl Tx {
    /// The one of two statements that this database understands.
    pub(super) fn pick(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// Runs a statement; how many rows it touched.
    pub(super) async fn run(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<u64, StateError> {
        match self {
            Self::Sqlite(tx) => {
                let done = sqlite_query(sql, args)
                    .execute(&mut **tx)
                    .await
                    .map_err(|e| failure(&e))?;
                Ok(done.rows_affected())
            }
            Self::Postgres(tx) => {
                let query = postgres_query(sql, args);
                let done = tx.session()?.run(ANSWER, query).await;
                Ok(done.map_err(|why| unanswered(&why))?.rows_affected())
            }
        }
    }

    /// Runs a statement that answers with rows.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Vec<DbRow>, StateError> {
        match self {
            Self::Sqlite(tx) => {
                let rows = sqlite_query(sql, args)
                    .fetch_all(&mut **tx)
                    .await
                    .map_err(|e| failure(&e))?;
                Ok(rows.into_iter().map(DbRow::Sqlite).collect())
            }
            Self::Postgres(tx) => {
                let query = postgres_query(sql, args);
                let rows = tx.session()?.rows(ANSWER, query).await;
                let rows = rows.map_err(|why| unanswered(&why))?;
                Ok(rows.into_iter().map(DbRow::Postgres).collect())
            }
        }
    }

    /// Runs a statement that answers with at most one row.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Option<DbRow>, StateError> {
        Ok(self.rows(sql, args).await?.pop())
    }

    /// Runs a script of several statements.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), StateError> {
        match self {
            Self::Sqlite(tx) => {
                sqlx::raw_sql(sql)
                    .execute(&mut **tx)
                    .await
                    .map_err(|e| failure(&e))?;
            }
            Self::Postgres(tx) => {
                let done = tx.session()?.run(ANSWER, sqlx::raw_sql(sql)).await;
                done.map_err(|why| unanswered(&why))?;
            }
        }
        Ok(())
    }

    /// Makes it stand. [`StateError::Unavailable`] here means that it may stand.
    pub(super) async fn commit(self) -> Result<(), StateError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await.map_err(|e| failure(&e)),
            Self::Postgres(tx) => tx.commit().await,
        }
    }
}

impl DbRow {
    pub(super) fn text(&self, i: usize) -> Result<String, StateError> {
        self.maybe_text(i)?.ok_or(StateError::Corrupt)
    }

    pub(super) fn maybe_text(&self, i: usize) -> Result<Option<String>, StateError> {
        match self {
            Self::Sqlite(r) => r.try_get(i).map_err(|_| StateError::Corrupt),
            Self::Postgres(r) => r.get(i).map_err(|why| unanswered(&why)),
        }
    }

    pub(super) fn int(&self, i: usize) -> Result<i64, StateError> {
        self.maybe_int(i)?.ok_or(StateError::Corrupt)
    }

    pub(super) fn maybe_int(&self, i: usize) -> Result<Option<i64>, StateError> {
        match self {
            Self::Sqlite(r) => r.try_get(i).map_err(|_| StateError::Corrupt),
            Self::Postgres(r) => r.get(i).map_err(|why| unanswered(&why)),
        }
    }

    pub(super) fn bytes(&self, i: usize) -> Result<Vec<u8>, StateError> {
        self.maybe_bytes(i)?.ok_or(StateError::Corrupt)
    }

    pub(super) fn maybe_bytes(&self, i: usize) -> Result<Option<Vec<u8>>, StateError> {
        match self {
            Self::Sqlite(r) => r.try_get(i).map_err(|_| StateError::Corrupt),
            Self::Postgres(r) => r.get(i).map_err(|why| unanswered(&why)),
        }
    }
}

fn sqlite_query<'q>(
    sql: &'static str,
    args: &'q [Arg<'q>],
) -> sqlx::query::Query<'q, Sqlite, sqlx::sqlite::SqliteArguments> {
    args.iter().fold(sqlx::query(sql), |query, arg| match *arg {
        Arg::Text(v) => query.bind(v.to_owned()),
        Arg::MaybeText(v) => query.bind(v.map(str::to_owned)),
        Arg::Int(v) => query.bind(v),
        Arg::MaybeInt(v) => query.bind(v),
        Arg::Bytes(v) => query.bind(v.to_vec()),
    })
}

fn postgres_query<'q>(
    sql: &'static str,
    args: &'q [Arg<'q>],
) -> sqlx::query::Query<'q, Postgres, PgArguments> {
    // Not persistent: a named statement stays on a server that the next transaction may not get.
    args.iter().fold(
        sqlx::query(sql).persistent(false),
        |query, arg| match *arg {
            Arg::Text(v) => query.bind(v),
            Arg::MaybeText(v) => query.bind(v),
            Arg::Int(v) => query.bind(v),
            Arg::MaybeInt(v) => query.bind(v),
            Arg::Bytes(v) => query.bind(v),
        },
    )
}
