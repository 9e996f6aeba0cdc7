//! Sessions with a Postgres server that keeps the state: a few, used again and again.
//!
//! sqlx has a pool of its own. It puts a connection back after a panic of the driver, and runs the driver in tasks
//! where such a panic cannot be caught.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::{kept_from, not_connected, unanswered};
use super::{Server, StateError};
use crate::wire::{Session, Unanswered, Wire};

/// How long a server may take to answer one statement. The server ends it first (see [`BEGIN`]).
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// How long it may take to reach a server.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// At a time.
const SESSIONS: usize = 4;
/// A session that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(600);

type Pg = Session<sqlx::Postgres>;

/// The sessions of one state.
pub(super) struct Pool {
    way: Wire,
    options: PgConnectOptions,
    server: Server,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<(Pg, Instant)>>,
}

/// A transaction in one of them; rolled back when dropped.
pub(super) struct Transaction {
    pool: Arc<Pool>,
    /// Until it is committed.
    session: Option<Pg>,
    place: Option<OwnedSemaphorePermit>,
}

impl Pool {
    /// After a first login has shown that nothing stands in the way.
    pub(super) async fn open(
        way: Wire,
        options: PgConnectOptions,
        server: &Server,
    ) -> Result<Arc<Self>, StateError> {
        let pool = Self {
            way,
            options,
            server: server.clone(),
            places: Arc::new(Semaphore::new(SESSIONS)),
            idle: Mutex::default(),
        };
        let first = pool.connect().await?;
        pool.put(first);
        Ok(Arc::new(pool))
    }

    /// A transaction that these statements begin.
    pub(super) async fn begin(
        self: &Arc<Self>,
        statements: &'static str,
    ) -> Result<Transaction, StateError> {
        let place = self.places.clone().acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(CONNECT, place).await else {
            return Err(StateError::Unavailable);
        };
        let session = match self.again(statements).await {
            Some(session) => session,
            None => {
                let mut session = self.connect().await?;
                let begun = session.run(ANSWER, sqlx::raw_sql(statements)).await;
                begun.map_err(|why| unanswered(&why))?;
                session
            }
        };
        Ok(Transaction {
            pool: self.clone(),
            session: Some(session),
            place: Some(place),
        })
    }

    /// The session that was used last, with a transaction that was begun in it. If the server has ended that
    /// one, it has ended the others.
    async fn again(&self, statements: &'static str) -> Option<Pg> {
        let mut session = self.pop()?;
        match session.run(CONNECT, sqlx::raw_sql(statements)).await {
            Ok(_) => Some(session),
            Err(_) => {
                self.idle().clear();
                None
            }
        }
    }

    /// A server that starts, or has no connection left for a moment, is asked again.
    async fn connect(&self) -> Result<Pg, StateError> {
        const PAUSE: Duration = Duration::from_millis(200);
        let begun = Instant::now();
        loop {
            let why = match Pg::connect(&self.way, &self.options, CONNECT).await {
                Ok(session) => return Ok(session),
                Err(Unanswered::Failed(e)) => match self.way.fault() {
                    Some(fault) => return Err(kept_from(fault)),
                    None => not_connected(&e, &self.server),
                },
                Err(why) => return Err(unanswered(&why)),
            };
            if why != StateError::Unavailable || begun.elapsed() > CONNECT {
                return Err(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends all sessions, those in use when they are given back.
    pub(super) async fn close(&self) {
        let all = u32::try_from(SESSIONS).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(CONNECT, self.places.acquire_many(all)).await;
        self.places.close();
        while let Some(session) = self.pop() {
            session.close(CONNECT).await;
        }
    }

    fn pop(&self) -> Option<Pg> {
        let mut idle = self.idle();
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(session, _)| session)
    }

    fn put(&self, session: Pg) {
        self.idle().push((session, Instant::now()));
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Pg, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transaction {
    /// Where its statements run.
    pub(super) fn session(&mut self) -> Result<&mut Pg, StateError> {
        self.session.as_mut().ok_or(StateError::Unavailable)
    }

    pub(super) async fn commit(mut self) -> Result<(), StateError> {
        let mut session = self.session.take().ok_or(StateError::Unavailable)?;
        let done = session.run(ANSWER, sqlx::raw_sql("COMMIT")).await;
        done.map_err(|why| unanswered(&why))?;
        self.pool.put(session);
        Ok(())
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let (pool, place) = (self.pool.clone(), self.place.take());
        // Where nothing runs any more, the server sees the end of the connection.
        let runtime = tokio::runtime::Handle::try_current();
        if let (Some(mut session), Ok(runtime)) = (self.session.take(), runtime) {
            runtime.spawn(async move {
                let ended = session.run(ANSWER, sqlx::raw_sql("ROLLBACK")).await;
                if ended.is_ok() {
                    pool.put(session);
                }
                drop(place);
            });
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
