//! A way to the server that fails when it is told. It sees bytes only: what it counts are turns, in
//! which the client speaks and the server answers; on a warm connection a turn is one request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request does not arrive.
    CutBefore,
    /// The request arrives, its reply does not.
    CutAfter,
    /// The reply comes after the client's patience.
    Slow,
}

/// Longer than the patience of [`Fault::Slow`]'s clients.
pub const DELAY: Duration = Duration::from_secs(4);

/// A proxy on a port of 127.0.0.1; it ends with the test's runtime.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    turns: usize,
    fault: Option<(usize, Fault)>,
}

impl Proxy {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            plan: Arc::default(),
        };
        let shared = proxy.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let proxy = shared.clone();
                tokio::spawn(async move { proxy.carry(client, server).await });
            }
        });
        proxy
    }

    /// From now on: the turn of this number fails so, and it alone.
    pub fn arm(&self, turn: usize, fault: Fault) {
        *self.plan.lock().unwrap() = Plan {
            turns: 0,
            fault: Some((turn, fault)),
        };
    }

    /// How many turns there were since it was armed; nothing fails any more.
    pub fn disarm(&self) -> usize {
        std::mem::take(&mut *self.plan.lock().unwrap()).turns
    }

    fn turn(&self) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap();
        let now = plan.turns;
        plan.turns += 1;
        plan.fault
            .filter(|(at, _)| *at == now)
            .map(|(_, fault)| fault)
    }

    async fn carry(&self, mut client: TcpStream, server: SocketAddr) {
        let mut server = TcpStream::connect(server).await.unwrap();
        let (mut asked, mut told) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let (mut answered, mut fault) = (true, None);
        loop {
            tokio::select! {
                read = client.read(&mut asked) => {
                    let Ok(n @ 1..) = read else { return };
                    if answered {
                        (answered, fault) = (false, self.turn());
                    }
                    if fault == Some(Fault::CutBefore) || server.write_all(&asked[..n]).await.is_err() {
                        return;
                    }
                }
                read = server.read(&mut told) => {
                    let Ok(n @ 1..) = read else { return };
                    answered = true;
                    match fault.take() {
                        Some(Fault::CutAfter) => return,
                        Some(Fault::Slow) => tokio::time::sleep(DELAY).await,
                        Some(Fault::CutBefore) | None => {}
                    }
                    if client.write_all(&told[..n]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
