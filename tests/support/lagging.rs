//! A store whose reads lag: a proxy before two servers that hold the same. Writes go to the first, and are
//! done on the second a while later, in their order; reads of values and versions come from the second.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::http_proxy::{answer_of, message, name_of};

/// Forwards until it is dropped.
pub struct Lagging {
    address: SocketAddr,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

struct Inner {
    first: String,
    second: String,
    /// What the second server takes for the token of the first.
    token: Option<(String, String)>,
    queue: Mutex<Queue>,
    /// Answers that came from before a write.
    stale: AtomicUsize,
}

struct Queue {
    /// How far reads are behind.
    lag: Duration,
    /// Reads are not behind for now, and the second server still is.
    fresh: bool,
    /// Writes that the second server does not have yet.
    waiting: VecDeque<Waiting>,
    /// Reads so far.
    reads: usize,
    /// Two servers behind a balancer: every other read is answered by the second, which gets a write after so
    /// many reads.
    uneven: Option<usize>,
}

struct Waiting {
    since: Instant,
    reads: usize,
    write: Vec<u8>,
}

impl Lagging {
    /// Before two servers that are equal now. `token`: of the first and of the second.
    pub async fn before(
        first: &str,
        second: &str,
        token: Option<(&str, &str)>,
        lag: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            first: first.to_owned(),
            second: second.to_owned(),
            token: token.map(|(a, b)| (a.to_owned(), b.to_owned())),
            queue: Mutex::new(Queue {
                lag,
                fresh: false,
                waiting: VecDeque::new(),
                reads: 0,
                uneven: None,
            }),
            stale: AtomicUsize::new(0),
        });
        let of_task = inner.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, of_task.clone()));
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

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many reads were answered from before a write.
    pub fn stale(&self) -> usize {
        self.inner.stale.load(Ordering::SeqCst)
    }

    /// From now on every other read is older than the last so many reads.
    pub async fn uneven(&self, reads: usize) {
        self.inner.queue.lock().await.uneven = Some(reads);
    }

    /// From now on.
    pub async fn lag(&self, lag: Duration) {
        self.inner.queue.lock().await.lag = lag;
    }

    /// From now on, reads come from the first server, or from the second one again.
    pub async fn fresh(&self, fresh: bool) {
        self.inner.queue.lock().await.fresh = fresh;
    }
}

impl Drop for Lagging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, inner: Arc<Inner>) {
    let Some(request) = message(&mut client).await else {
        return;
    };
    let name = name_of(&request);
    let reply = match what(&name) {
        What::Other => answer_of(&inner.first, &request).await,
        What::Write => {
            let mut queue = inner.queue.lock().await;
            let reply = answer_of(&inner.first, &request).await;
            let (since, reads, write) = (Instant::now(), queue.reads, request);
            queue.waiting.push_back(Waiting {
                since,
                reads,
                write,
            });
            reply
        }
        What::Read => read(&inner, &request).await,
    };
    super::http_proxy::say(client, &reply).await;
}

async fn read(inner: &Inner, request: &[u8]) -> Vec<u8> {
    let mut queue = inner.queue.lock().await;
    if queue.fresh {
        return answer_of(&inner.first, request).await;
    }
    queue.reads += 1;
    let (lag, reads, uneven) = (queue.lag, queue.reads, queue.uneven);
    let is_over = |waiting: &mut Waiting| match uneven {
        Some(behind) => reads - waiting.reads > behind,
        None => waiting.since.elapsed() >= lag,
    };
    while let Some(Waiting { write, .. }) = queue.waiting.pop_front_if(is_over) {
        answer_of(&inner.second, &inner.translated(&write)).await;
    }
    if uneven.is_some() && reads.is_multiple_of(2) {
        return answer_of(&inner.first, request).await;
    }
    if !queue.waiting.is_empty() {
        inner.stale.fetch_add(1, Ordering::SeqCst);
    }
    answer_of(&inner.second, &inner.translated(request)).await
}

impl Inner {
    fn translated(&self, request: &[u8]) -> Vec<u8> {
        let Some((first, second)) = &self.token else {
            return request.to_vec();
        };
        let end = request.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&request[..end]).replace(first.as_str(), second);
        [head.as_bytes(), &request[end..]].concat()
    }
}

enum What {
    Read,
    Write,
    /// Not about what is kept: who asks, what they may do.
    Other,
}

fn what(name: &str) -> What {
    match name.split_once(' ') {
        Some(("GET", path)) if path.starts_with("kv/data/") || path.starts_with("kv/metadata/") => {
            What::Read
        }
        Some((_, path)) if path.starts_with("kv/") && path != "kv/config" => What::Write,
        Some(_) => What::Other,
        None if name.starts_with("Get") || name.starts_with("Describe") => What::Read,
        None => What::Write,
    }
}
