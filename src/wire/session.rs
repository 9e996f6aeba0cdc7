//! Sessions with a database server: the only place where its driver (sqlx) runs.
//!
//! A server can make the driver panic with a few bytes: a greeting that ends early, a row with fewer fields
//! than columns. A panic that is caught here becomes [`Unanswered::Unreadable`] and ends the session. Its
//! message is not printed, since it may quote what the server sent.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use sqlx::mysql::MySql;
use sqlx::postgres::{PgSslMode, Postgres};
use sqlx::{
    ColumnIndex, ConnectOptions, Connection, Database, Decode, Error, Execute, Executor, Row as _,
    Type,
};

use super::{PORT, Wire};

/// What is said of such a server.
pub const UNREADABLE: &str = "the database server answered with a message that the driver cannot read; look whether a database server listens at that address, and which version it has";

thread_local! {
    static DRIVING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread runs the driver. The panic hook prints nothing then.
pub fn driving() -> bool {
    DRIVING.get()
}

/// Why there is no answer.
pub enum Unanswered {
    /// The server or the driver says so. The error's own text may quote values.
    Failed(Error),
    /// The server did not answer in time, or the session was over before.
    Lost,
    /// The driver cannot read the answer; see [`UNREADABLE`].
    Unreadable,
}

/// A session. It is over after anything but an answer or the server's own error: what follows in the
/// connection may belong to the question before. So it is also over when a caller stops waiting.
pub struct Session<D: Database> {
    connection: Option<D::Connection>,
}

/// A database whose driver connects to a socket in this process.
pub trait Driver: Database {
    /// The same options, by way of a socket.
    fn through(options: Options<Self>, socket: &str) -> Options<Self>;
}

/// What its driver is told of a login.
pub type Options<D> = <<D as Database>::Connection as Connection>::Options;

impl Driver for Postgres {
    fn through(options: Options<Self>, socket: &str) -> Options<Self> {
        let options = options.socket(socket).port(PORT);
        options.ssl_mode(PgSslMode::Disable) // the wire encrypts
    }
}

impl Driver for MySql {
    fn through(options: Options<Self>, socket: &str) -> Options<Self> {
        options.socket(socket)
    }
}

/// A row of an answer.
pub struct Row<D: Database>(D::Row);

impl<D: Driver> Session<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    /// Logs in. `way` knows more of an error: see [`Wire::fault`].
    pub async fn connect(
        way: &Wire,
        options: &Options<D>,
        limit: Duration,
    ) -> Result<Self, Unanswered> {
        let socket = way.listen();
        let socket = socket.map_err(|e| Unanswered::Failed(Error::Io(e)))?;
        let options = D::through(options.clone(), &socket.name);
        let connection = Some(answer(limit, options.connect()).await?);
        Ok(Self { connection })
    }

    /// The rows of an answer.
    pub async fn rows<'q>(
        &mut self,
        limit: Duration,
        question: impl Execute<'q, D> + 'q,
    ) -> Result<Vec<Row<D>>, Unanswered> {
        let mut connection = self.connection.take().ok_or(Unanswered::Lost)?;
        let rows = answer(limit, connection.fetch_all(question)).await;
        self.keep(connection, &rows);
        Ok(rows?.into_iter().map(Row).collect())
    }

    /// Runs statements whose answer is what they did.
    pub async fn run<'q>(
        &mut self,
        limit: Duration,
        statements: impl Execute<'q, D> + 'q,
    ) -> Result<D::QueryResult, Unanswered> {
        let mut connection = self.connection.take().ok_or(Unanswered::Lost)?;
        let done = answer(limit, connection.execute(statements)).await;
        self.keep(connection, &done);
        done
    }

    /// Says goodbye, if the server still listens.
    pub async fn close(self, limit: Duration) {
        if let Some(connection) = self.connection {
            let _ = answer(limit, connection.close()).await;
        }
    }

    fn keep<T>(&mut self, connection: D::Connection, answer: &Result<T, Unanswered>) {
        if let Ok(_) | Err(Unanswered::Failed(Error::Database(_))) = answer {
            self.connection = Some(connection);
        }
    }
}

impl<D: Database> Row<D> {
    /// A column's value.
    pub fn get<'r, T, I>(&'r self, column: I) -> Result<T, Unanswered>
    where
        T: Decode<'r, D> + Type<D>,
        I: ColumnIndex<D::Row>,
    {
        let read = catching(|| self.0.try_get(column)).ok_or(Unanswered::Unreadable)?;
        read.map_err(Unanswered::Failed)
    }

    /// All columns, whatever their types, as text.
    pub fn texts<'r>(&'r self) -> Result<Vec<Option<String>>, Unanswered>
    where
        Option<String>: Decode<'r, D>,
        usize: ColumnIndex<D::Row>,
    {
        let read = || {
            let columns = 0..self.0.len();
            columns
                .map(|column| self.0.try_get_unchecked(column))
                .collect()
        };
        let read: Result<_, Error> = catching(read).ok_or(Unanswered::Unreadable)?;
        read.map_err(Unanswered::Failed)
    }
}

/// What the driver answers in time.
async fn answer<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Result<T, Unanswered> {
    let mut asked = pin!(asked);
    let caught = std::future::poll_fn(|context| {
        match catching(|| asked.as_mut().poll(context)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(answer)) => Poll::Ready(Some(answer)),
            // It is not polled again.
            None => Poll::Ready(None),
        }
    });
    match tokio::time::timeout(limit, caught).await {
        Ok(Some(answer)) => answer.map_err(Unanswered::Failed),
        Ok(None) => {
            tracing::warn!("{UNREADABLE}");
            Err(Unanswered::Unreadable)
        }
        Err(_) => Err(Unanswered::Lost),
    }
}

/// What `run` returns, unless it panics.
fn catching<T>(run: impl FnOnce() -> T) -> Option<T> {
    let before = DRIVING.replace(true);
    let ran = catch_unwind(AssertUnwindSafe(run));
    DRIVING.set(before);
    ran.ok()
}
