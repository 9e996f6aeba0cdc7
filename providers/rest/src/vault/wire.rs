//! One request, its limits, and what its reply means.
//!
//! vaultrs builds the requests; its own client is not used, for five reasons, all met here: it
//! follows redirects, which would carry the token to a host nobody configured; it reads a reply of
//! any size; it does not say whether a request had been sent when it failed; it keeps a refused
//! reply's text in its errors; and it logs the server's words as errors.

use std::sync::Mutex;

use async_trait::async_trait;
use http::{Request, Response};
use keyrota_contract::{ErrorKind, ProviderError};
use reqwest::{Certificate, redirect::Policy};
use rustify::client::Client;
use rustify::endpoint::Endpoint;
use rustify::errors::ClientError;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use vaultrs::api::EndpointMiddleware;
use zeroize::{Zeroize, Zeroizing};

use super::VaultConfig;
use super::invalid;
use std::time::Duration;

/// More than a version takes, and less than would hurt.
const REPLY_BYTES_MAX: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Shorter than servers and balancers keep a connection: one they just closed is a lost request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// A longer pause is not believed: a slip of a balancer's would hold everything up.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Whether a request changes something: then a lost reply is `Ambiguous`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Change,
}

/// A way to the server.
pub(super) struct Wire {
    client: OnceCell<reqwest::Client>,
    address: String,
    authorities: Option<Vec<u8>>,
    namespace: Option<String>,
    timeout: Duration,
    /// The server asked for a pause until then.
    pause: Mutex<Option<Instant>>,
}

/// What was answered, whatever it was.
pub(super) struct Reply {
    pub status: u16,
    pub body: Zeroizing<Vec<u8>>,
}

impl Wire {
    pub fn new(config: &VaultConfig) -> Self {
        Self {
            client: OnceCell::new(),
            address: config.address.clone(),
            authorities: config.authorities.clone(),
            namespace: config.namespace.clone(),
            timeout: config.timeout,
            pause: Mutex::new(None),
        }
    }

    /// Sends a request once.
    pub async fn exchange(
        &self,
        request: impl Endpoint,
        token: &str,
        effect: Effect,
    ) -> Result<Reply, ProviderError> {
        if locked(&self.pause).is_some_and(|until| Instant::now() < until) {
            return Err(ProviderError::new(
                ErrorKind::Throttled,
                "the server asked for a pause (`Retry-After`) that is not over",
            ));
        }
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let sender = Sender {
            client,
            base: &self.address,
            pause: &self.pause,
        };
        let mut headers = EndpointMiddleware {
            token: token.to_owned(),
            version: "v1".into(),
            wrap: None,
            namespace: self.namespace.clone(),
        };
        let answered = request.with_middleware(&headers).exec(&sender).await;
        headers.token.zeroize();
        match answered {
            Ok(answered) => {
                let (head, body) = answered.response.into_parts();
                Ok(Reply {
                    status: head.status.as_u16(),
                    body: Zeroizing::new(body),
                })
            }
            Err(e) => Err(lost(&e, effect)),
        }
    }

    async fn connect(&self) -> Result<reqwest::Client, ProviderError> {
        let builder = reqwest::Client::builder()
            // A proxy of the environment would see the token of a loopback server.
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(self.timeout)
            .pool_idle_timeout(IDLE_TIMEOUT);
        let builder = match &self.authorities {
            Some(pem) => builder.tls_certs_only(certificates(pem)?),
            None => builder,
        };
        builder
            .build()
            .map_err(|_| invalid("no client for HTTPS can be made on this host"))
    }
}

fn locked<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    held.lock().unwrap_or_else(|held| held.into_inner())
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, ProviderError> {
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(invalid("`ca_file` holds no PEM certificate")),
    }
}

/// How long whoever asks too often is to stay away: seconds. The other form, a date, is not Vault's.
fn pause(answer: &reqwest::Response) -> Option<Duration> {
    let header = answer.headers().get("retry-after")?;
    let seconds: u64 = header.to_str().ok()?.trim().parse().ok()?;
    (answer.status() == 429).then_some(Duration::from_secs(seconds).min(PAUSE_MAX))
}

/// rustify's way to send; every status is an answer, and nothing is logged.
struct Sender<'a> {
    client: &'a reqwest::Client,
    base: &'a str,
    pause: &'a Mutex<Option<Instant>>,
}

#[async_trait]
impl Client for Sender<'_> {
    fn base(&self) -> &str {
        self.base
    }

    async fn execute(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        self.send(request).await
    }

    async fn send(&self, mut request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        if let Some(token) = request.headers_mut().get_mut("x-vault-token") {
            // Whoever prints headers prints `Sensitive` for it.
            token.set_sensitive(true);
        }
        let request = reqwest::Request::try_from(request).map_err(|_| fault(Fault::NotSent))?;
        let sent = self.client.execute(request).await;
        let mut answer = sent.map_err(|e| {
            fault(match e.is_connect() || e.is_builder() {
                true => Fault::NotSent,
                false => Fault::Lost,
            })
        })?;
        let status = answer.status();
        if let Some(pause) = pause(&answer) {
            *locked(self.pause) = Instant::now().checked_add(pause);
        }
        // The final size at once, where it is told: a vector that grows leaves copies behind.
        let told = answer.content_length().unwrap_or(0) as usize;
        let mut body = Zeroizing::new(Vec::with_capacity(told.min(REPLY_BYTES_MAX)));
        while let Some(chunk) = answer.chunk().await.map_err(|_| fault(Fault::Lost))? {
            if body.len().saturating_add(chunk.len()) > REPLY_BYTES_MAX {
                return Err(fault(Fault::TooLong));
            }
            body.extend_from_slice(&chunk);
        }
        Response::builder()
            .status(status)
            .body(std::mem::take(&mut *body))
            .map_err(|_| fault(Fault::Lost))
    }
}

/// How a request can fail without an answer. reqwest's own errors quote addresses.
#[derive(Debug, Clone, Copy)]
enum Fault {
    NotSent,
    Lost,
    TooLong,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Fault {}

fn fault(fault: Fault) -> ClientError {
    ClientError::GenericError {
        source: fault.into(),
    }
}

fn lost(e: &ClientError, effect: Effect) -> ProviderError {
    let fault = match e {
        ClientError::GenericError { source } => source.downcast_ref::<Fault>().copied(),
        _ => None,
    };
    let Some(fault) = fault else {
        return invalid("the request cannot be built: check the address, the mount and the path");
    };
    match (fault, effect) {
        (Fault::NotSent, _) => ProviderError::new(
            ErrorKind::Unavailable,
            "no connection to the server, or its certificate is not trusted: check `address` and `ca_file`",
        ),
        (Fault::TooLong, Effect::None) => invalid("the server's reply is larger than 1 MiB"),
        (Fault::Lost, Effect::None) => {
            ProviderError::new(ErrorKind::Unavailable, "the server did not answer in time")
        }
        (Fault::Lost | Fault::TooLong, Effect::Change) => ambiguous(),
    }
}

const STANDBY: &str = "the server is a standby: set `address` to one that answers";

fn ambiguous() -> ProviderError {
    ProviderError::new(
        ErrorKind::Ambiguous,
        "a change was sent to the server, and its outcome did not come back",
    )
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

impl Reply {
    /// The reply, if it is none of an error.
    pub fn done(self, effect: Effect) -> Result<Self, ProviderError> {
        match self.status {
            200..=299 => Ok(self),
            _ => Err(self.refusal(effect)),
        }
    }

    /// What the reply carries.
    pub fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ProviderError> {
        serde_json::from_slice::<Envelope<T>>(&self.body)
            .map(|envelope| envelope.data)
            .map_err(|_| not_vault())
    }

    /// An engine that was just mounted refuses everything for a moment.
    pub fn is_upgrading(&self) -> bool {
        self.status == 400 && self.says("Upgrading from non-versioned to versioned")
    }

    /// A check-and-set named another version than the newest.
    pub fn is_other_version(&self) -> bool {
        self.status == 400 && self.says("check-and-set parameter did not match")
    }

    /// There is nothing under this path. The same status with words means that there is no mount,
    /// or no namespace.
    pub fn is_absent(&self) -> bool {
        self.status == 404 && self.errors().is_some_and(|errors| errors.is_empty())
    }

    /// What a reply that is not a success means.
    pub fn refusal(&self, effect: Effect) -> ProviderError {
        use ErrorKind::{Denied, Invalid, NotFound, Throttled, Unavailable};
        let (kind, context) = match self.status {
            400 if self.is_upgrading() => (Unavailable, "the mount is still being set up"),
            400 => (Invalid, "the server refuses the request as malformed"),
            403 => (
                Denied,
                "the token lacks a right, or is none any more: check the policy and the login",
            ),
            404 if self.says("namespace not found") => {
                (NotFound, "there is no such namespace: check `namespace`")
            }
            404 if self.says("no handler for route") => (
                NotFound,
                "nothing is mounted there: check `mount` and `namespace`",
            ),
            404 => (NotFound, "the server knows nothing under this path"),
            405 => (Invalid, "the mount is no key/value engine, version 2"),
            412 => (
                Unavailable,
                "the server has not caught up with its cluster yet",
            ),
            413 => (Invalid, "the request is larger than the server takes"),
            429 => (Throttled, "the server limits how often it is asked"),
            // A performance standby, or the standby of another region.
            472 | 473 => (Unavailable, STANDBY),
            300..=399 => (
                Unavailable,
                "the server is a standby that sends its clients elsewhere: set `address` to one that answers",
            ),
            501 => (Unavailable, "the server is not initialized"),
            503 if self.says("sealed") => (Unavailable, "the server is sealed"),
            503 if self.says("standby") => (Unavailable, STANDBY),
            // Of a balancer, or of a server that fails in the middle.
            _ if effect == Effect::Change => return ambiguous(),
            _ => (Unavailable, "the server cannot answer now"),
        };
        ProviderError::new(kind, context)
    }

    fn errors(&self) -> Option<Vec<String>> {
        serde_json::from_slice::<Errors>(&self.body)
            .ok()
            .map(|e| e.errors)
    }

    /// Where the status does not tell two things apart, the server's own sentence must. If it is
    /// ever reworded, the less precise sentence, or `Ambiguous`, takes its place.
    fn says(&self, phrase: &str) -> bool {
        let phrase = phrase.to_lowercase();
        self.errors()
            .is_some_and(|all| all.iter().any(|e| e.to_lowercase().contains(&phrase)))
    }
}

/// The answer of something else.
pub(super) fn not_vault() -> ProviderError {
    invalid(
        "the answer is none of Vault's: check `address`, and that `mount` is a key/value engine, version 2",
    )
}
