//! The way to a database server. Our driver speaks over it and holds the password; the server is at
//! its other end, and can neither ask for that password nor send without end.
//!
//! The driver (sqlx) answers whatever a Postgres server asks for: the password itself, or its md5. It
//! also reads messages of any length. It has no setting for either, and takes no connection that is
//! already open. So it is given a socket in this process, and this module does the rest: it connects,
//! encrypts, verifies the server's name, reads every message's head, and passes on what is allowed.
//! What the driver never sees it does not answer: a second connection, on which a server says
//! something else, is watched in the same way.
//!
//! MySQL's encryption begins inside its own login, and its driver has to know of it. There the
//! encryption stays the driver's, and only the first message and the number of bytes are watched.
//!
//! The socket has an abstract name (unix(7)) of 128 random bits, and only while the driver connects: each
//! login has its own, which takes one connection. Whoever is not this process is turned away by its process
//! id. A socket in a directory of mode 0700 would need a file system that can be written to, which a container
//! may not have, and a kill would leave it behind.

mod postgres;
mod reach;
mod session;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use keyrota_contract::Entropy;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::world::SystemEntropy;

pub use reach::{At, Fault, Method};
use reach::{Bytes, reach, tls};
pub use session::{Row, Session, UNREADABLE, Unanswered, driving};

/// A part of the name of a Postgres socket.
const PORT: u16 = 5432;
/// For reaching a server, until it is ready to hear of a login.
const CONNECT: Duration = Duration::from_secs(30);

/// A way to a server.
#[derive(Debug)]
pub struct Wire {
    watched: Watched,
    fault: Arc<Mutex<Option<Fault>>>,
}

/// A socket that takes one connection of this process. It is gone when this is dropped, or has taken one; the
/// connection stays.
#[derive(Debug)]
struct Socket {
    name: String,
    task: JoinHandle<()>,
}

/// What is watched.
#[derive(Debug, Clone)]
struct Watched {
    at: At,
    /// Postgres: who may vouch for the server, and what it may ask for. MySQL encrypts by itself.
    postgres: Option<(Arc<ClientConfig>, Vec<Method>)>,
    answer_bytes_max: usize,
}

impl Wire {
    /// To a Postgres server. Its certificate has to be by an authority in `pem` or a public one.
    pub fn postgres(
        at: At,
        pem: &[u8],
        methods: &[Method],
        answer_bytes_max: usize,
    ) -> Result<Self, Fault> {
        Ok(Self::of(Watched {
            at,
            postgres: Some((tls(pem)?, methods.to_vec())),
            answer_bytes_max,
        }))
    }

    /// To a MySQL or MariaDB server.
    pub fn mysql(host: &str, port: u16, answer_bytes_max: usize) -> Self {
        Self::of(Watched {
            at: At::Host(host.to_owned(), port),
            postgres: None,
            answer_bytes_max,
        })
    }

    fn of(watched: Watched) -> Self {
        let fault = Arc::default();
        Self { watched, fault }
    }

    fn listen(&self) -> io::Result<Socket> {
        let mut random = [0; 16];
        SystemEntropy.fill(&mut random);
        let name = format!("\0keyrota/{}", HEXLOWER.encode(&random));
        let bound = match self.watched.postgres {
            Some(_) => format!("{name}/.s.PGSQL.{PORT}"),
            None => name.clone(),
        };
        let listener = UnixListener::bind(&bound)?;
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let task = tokio::spawn(serve(listener, self.watched.clone(), self.fault.clone()));
        Ok(Socket { name, task })
    }

    /// Why the last connection over it failed, if that was not the server's own word.
    pub fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Before the next connection is asked for, after one that the system could not give.
const AGAIN: Duration = Duration::from_millis(100);

async fn serve(listener: UnixListener, watched: Watched, fault: Arc<Mutex<Option<Fault>>>) {
    let us = i32::try_from(std::process::id()).ok();
    let mut driver = loop {
        // Out of descriptors, say. The name stays ours: another process could take it, and be given
        // what the driver tells the server.
        let Ok((driver, _)) = listener.accept().await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        if us.is_some() && driver.peer_cred().ok().and_then(|peer| peer.pid()) == us {
            break driver;
        }
    };
    drop(listener);
    tokio::spawn(async move {
        let ended = carry(&mut driver, &watched).await;
        *fault.lock().unwrap_or_else(PoisonError::into_inner) = ended.err();
        // Only now does the driver see the end, and whoever asks for its cause finds it.
        drop(driver);
    });
}

async fn carry(driver: &mut UnixStream, watched: &Watched) -> Result<(), Fault> {
    let Some((tls, methods)) = &watched.postgres else {
        let server = tokio::time::timeout(CONNECT, reach(&watched.at)).await;
        let server = server.map_err(|_| Fault::Unreachable)??;
        return mysql(driver, server, watched.answer_bytes_max).await;
    };
    let server = tokio::time::timeout(CONNECT, postgres::reach(&watched.at, tls)).await;
    let server = server.map_err(|_| Fault::Unreachable)??;
    postgres::carry(driver, server, methods, watched.answer_bytes_max).await
}

/// Carries bytes; the first message of the server is not encrypted and names the login's method.
async fn mysql(
    driver: &mut UnixStream,
    mut server: Box<dyn Bytes>,
    answer_bytes_max: usize,
) -> Result<(), Fault> {
    const GREETING_BYTES_MAX: usize = 4096;
    let gone = |_| Fault::Unreachable;
    let mut head = [0; 4];
    server.read_exact(&mut head).await.map_err(gone)?;
    let [a, b, c, _] = head;
    let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
    if length > GREETING_BYTES_MAX {
        return Err(Fault::Endless);
    }
    let mut greeting = vec![0; length];
    server.read_exact(&mut greeting).await.map_err(gone)?;
    // In the greeting the driver would believe it; later it refuses it by itself.
    const CLEAR: &[u8] = b"mysql_clear_password";
    if greeting.windows(CLEAR.len()).any(|text| text == CLEAR) {
        return Err(Fault::Method(Some(Method::Password)));
    }
    driver.write_all(&head).await.map_err(gone)?;
    driver.write_all(&greeting).await.map_err(gone)?;
    let (mut from_driver, mut to_driver) = driver.split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut answered: usize = 0;
    loop {
        tokio::select! {
            read = from_driver.read(&mut up) => match read {
                Ok(0) | Err(_) => {
                    let _ = to_server.shutdown().await;
                    return Ok(());
                }
                Ok(n) => {
                    answered = 0;
                    to_server.write_all(&up[..n]).await.map_err(gone)?;
                }
            },
            read = from_server.read(&mut down) => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(n) => {
                    answered = answered.saturating_add(n);
                    if answered > answer_bytes_max {
                        return Err(Fault::Endless);
                    }
                    to_driver.write_all(&down[..n]).await.map_err(gone)?;
                }
            },
        }
    }
}
