//! A proxy in front of a server of HTTP/1.1: it counts what is called, and spoils one call as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoil {
    /// The connection is reset; the server never hears of it.
    ResetBefore,
    /// The server has done it; the connection is reset.
    ResetAfter,
    /// The server has done it; half of its answer arrives.
    Truncate,
    /// The server never hears of it; it is answered with this status and this error.
    Answer(u16, &'static str),
    /// The server has done it; it is answered with this status and this error.
    AnswerAfter(u16, &'static str),
    /// The server has done it; the answer comes this late.
    Late(Duration),
}

/// Forwards until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    calls: Vec<String>,
    plan: Option<(usize, Spoil)>,
}

impl Proxy {
    /// In front of `server`, on a free port of 127.0.0.1.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner::default()));
        let (server, of_task) = (server.to_owned(), inner.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), of_task.clone()));
            }
        });
        Self {
            address,
            inner,
            task,
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forgets what was called, and spoils the call of this number from now on; the first is 0.
    pub fn spoil(&self, plan: Option<(usize, Spoil)>) {
        let mut inner = self.inner.lock().unwrap();
        inner.calls.clear();
        inner.plan = plan;
    }

    /// What was called since, by the name of AWS' operation.
    pub fn calls(&self) -> Vec<String> {
        self.inner.lock().unwrap().calls.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One call, and the connection is closed: a client opens another.
async fn serve(mut client: TcpStream, server: String, inner: Arc<Mutex<Inner>>) {
    let Some(request) = message(&mut client).await else {
        return;
    };
    let spoil = {
        let mut inner = inner.lock().unwrap();
        let number = inner.calls.len();
        inner.calls.push(operation(&request));
        inner.plan.filter(|(n, _)| *n == number).map(|(_, s)| s)
    };
    let forward = async || {
        let mut server = TcpStream::connect(server).await.unwrap();
        server.write_all(&request).await.unwrap();
        message(&mut server).await.expect("the server answers")
    };
    let reply = match spoil {
        None => forward().await,
        Some(Spoil::ResetBefore) => return reset(client),
        Some(Spoil::ResetAfter) => {
            forward().await;
            return reset(client);
        }
        Some(Spoil::Truncate) => {
            let mut reply = forward().await;
            reply.truncate(reply.len() - 2);
            reply
        }
        Some(Spoil::Answer(status, error)) => error_of(status, error),
        Some(Spoil::AnswerAfter(status, error)) => {
            forward().await;
            error_of(status, error)
        }
        Some(Spoil::Late(by)) => {
            let reply = forward().await;
            tokio::time::sleep(by).await;
            reply
        }
    };
    // The client may be gone by now.
    let _ = client.write_all(&closing(reply)).await;
    let _ = client.shutdown().await;
}

/// One message: its head, and as many bytes as that says.
async fn message(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|l| l.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |l| l.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some(bytes);
            }
        }
        match from.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

/// The last part of `X-Amz-Target: secretsmanager.PutSecretValue`.
fn operation(request: &[u8]) -> String {
    let head = String::from_utf8_lossy(request).into_owned();
    let mut lines = head.lines();
    let target = lines.find(|l| l.to_lowercase().starts_with("x-amz-target:"));
    let name = target.and_then(|l| l.rsplit_once('.'));
    name.map_or("?", |(_, name)| name.trim()).to_owned()
}

fn error_of(status: u16, error: &str) -> Vec<u8> {
    let body = format!("{{\"__type\":\"{error}\",\"message\":\"as told\"}}");
    format!(
        "HTTP/1.1 {status} Error\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A client does not send a second call where the first was answered.
fn closing(reply: Vec<u8>) -> Vec<u8> {
    let end = reply.windows(2).position(|w| w == b"\r\n").unwrap();
    [&reply[..end], b"\r\nConnection: close", &reply[end..]].concat()
}

fn reset(client: TcpStream) {
    client.set_zero_linger().unwrap();
}
