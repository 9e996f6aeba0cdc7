//! A proxy in front of a server of HTTP/1.1, AWS' or Vault's: it counts what is called, and spoils calls as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is done to a call. An error is told as the protocol has it: a code of AWS' (of STS' in
/// XML), with a message after a colon, or the words of Vault.
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
    /// It waits, and goes on when nothing is to be spoilt any more.
    Hold,
}

/// Forwards until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Inner {
    calls: Vec<(String, Instant)>,
    plan: Option<Plan>,
    spoilt: usize,
}

/// Which calls are spoilt: from one on, so many.
#[derive(Clone, Copy)]
struct Plan {
    from: From,
    times: usize,
    spoil: Spoil,
}

#[derive(Clone, Copy)]
enum From {
    Number(usize),
    /// What its name has in it, and how many such calls pass before.
    Call(&'static str, usize),
}

impl Inner {
    /// Notes a call, and says what becomes of it.
    fn call(&mut self, name: String) -> Option<Spoil> {
        self.calls.push((name, Instant::now()));
        let reached = |from| match from {
            From::Number(number) => self.calls.len() > number,
            From::Call(call, pass) => {
                let such = self.calls.iter().filter(|(name, _)| name.contains(call));
                such.count() > pass
            }
        };
        let plan = self.plan.filter(|plan| reached(plan.from))?;
        let spoil = self.spoilt < plan.times;
        self.spoilt += usize::from(spoil);
        spoil.then_some(plan.spoil)
    }
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

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Forgets what was called, and spoils the call of this number from now on; the first is 0.
    pub fn spoil(&self, plan: Option<(usize, Spoil)>) {
        *self.inner() = Inner {
            plan: plan.map(|(number, spoil)| Plan {
                from: From::Number(number),
                times: 1,
                spoil,
            }),
            ..Inner::default()
        };
    }

    /// Forgets what was called. Of the calls with `call` in their names the first ones `pass`; from the
    /// next on all calls are spoilt, so many `times`.
    pub fn fail(&self, (call, pass): (&'static str, usize), times: usize, spoil: Spoil) {
        *self.inner() = Inner {
            plan: Some(Plan {
                from: From::Call(call, pass),
                times,
                spoil,
            }),
            ..Inner::default()
        };
    }

    /// Nothing is spoilt any more.
    pub fn lift(&self) {
        self.inner().plan = None;
    }

    /// What was called since, by the name of AWS' operation, or as `POST kv/data/app/x`.
    pub fn calls(&self) -> Vec<String> {
        let inner = self.inner();
        inner.calls.iter().map(|(name, _)| name.clone()).collect()
    }

    /// When it was called since.
    pub fn moments(&self) -> Vec<Instant> {
        self.inner().calls.iter().map(|(_, at)| *at).collect()
    }

    /// How many calls were spoilt since.
    pub fn spoilt(&self) -> usize {
        self.inner().spoilt
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
    let spoil = inner.lock().unwrap().call(name_of(&request));
    let forward = async || answer_of(&server, &request).await;
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
        Some(Spoil::Answer(status, error)) => error_of(&request, status, error),
        Some(Spoil::AnswerAfter(status, error)) => {
            forward().await;
            error_of(&request, status, error)
        }
        Some(Spoil::Late(by)) => {
            let reply = forward().await;
            tokio::time::sleep(by).await;
            reply
        }
        Some(Spoil::Hold) => {
            while inner.lock().unwrap().plan.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            forward().await
        }
    };
    say(client, &reply).await;
}

/// What a server answers to a request.
pub(super) async fn answer_of(server: &str, request: &[u8]) -> Vec<u8> {
    let mut server = TcpStream::connect(server).await.unwrap();
    server.write_all(&closing(request)).await.unwrap();
    let mut reply = Vec::new();
    server.read_to_end(&mut reply).await.unwrap();
    reply
}

/// Answers a client, which may be gone by now.
pub(super) async fn say(mut client: TcpStream, reply: &[u8]) {
    let _ = client.write_all(reply).await;
    let _ = client.shutdown().await;
}

/// One message: its head, and as many bytes as that says.
pub(super) async fn message(from: &mut TcpStream) -> Option<Vec<u8>> {
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

/// The last part of `X-Amz-Target: secretsmanager.PutSecretValue`, or method and path.
pub(super) fn name_of(request: &[u8]) -> String {
    let head = String::from_utf8_lossy(request).into_owned();
    if let Some((_, target)) = amz_target(&head).and_then(|t| t.rsplit_once('.')) {
        return target.trim().to_owned();
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default());
    format!("{method} {}", path.trim_start_matches("/v1/"))
}

fn amz_target(head: &str) -> Option<&str> {
    let mut lines = head.lines();
    lines.find(|l| l.to_lowercase().starts_with("x-amz-target:"))
}

/// An error as the protocol of the request has it; with what a proxy or a server says beside it.
fn error_of(request: &[u8], status: u16, error: &str) -> Vec<u8> {
    let head = String::from_utf8_lossy(request);
    let (code, message) = error.split_once(": ").unwrap_or((error, "as told"));
    let body = if amz_target(&head).is_some() {
        serde_json::json!({"__type": code, "message": message}).to_string()
    } else if head.contains(" /v1/") {
        serde_json::json!({"errors": [error]}).to_string()
    } else {
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    let beside = match status {
        429 => "Retry-After: 2\r\n",
        300..=399 => "Location: /v1/elsewhere\r\n",
        _ => "",
    };
    let head = format!("HTTP/1.1 {status} Error\r\nContent-Type: application/x-amz-json-1.1");
    let reply = format!(
        "{head}\r\n{beside}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    closing(reply.as_bytes())
}

/// Nothing is sent or answered after it on the same connection.
fn closing(message: &[u8]) -> Vec<u8> {
    let end = message.windows(2).position(|w| w == b"\r\n").unwrap();
    [&message[..end], b"\r\nConnection: close", &message[end..]].concat()
}

fn reset(client: TcpStream) {
    client.set_zero_linger().unwrap();
}
