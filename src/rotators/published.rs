//! Whether the public key set that verifiers really read shows a key.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Certificate, Client, StatusCode, Url, redirect::Policy};
use serde::Deserialize;

use crate::config::reach::{self, Reach};
pub use error::PublishedError;
use error::cause;

mod error;

/// A key set at its public address.
#[derive(Debug)]
pub struct Published {
    url: Url,
    ca_file: Option<PathBuf>,
    private: bool,
}

impl Published {
    /// `url` is https; http is for a server on this host. `private`: it may lead to this host or a
    /// private network. Proxies of the environment are not asked: they are not what verifiers use,
    /// and they would learn the address.
    ///
    /// # Errors
    /// [`PublishedError::Url`], [`PublishedError::Never`], [`PublishedError::Private`].
    pub fn new(url: &str, ca_file: Option<PathBuf>, private: bool) -> Result<Self, PublishedError> {
        let url = Url::parse(url).map_err(|_| PublishedError::Url)?;
        let clean =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        if !clean || !safe {
            return Err(PublishedError::Url);
        }
        let published = Self {
            url,
            ca_file,
            private,
        };
        let known = published.url.host_str().and_then(reach::of_host);
        published.may_reach(known.unwrap_or(Reach::Public))?;
        Ok(published)
    }

    /// Whether the set shows a key of this id now. Changes nothing.
    ///
    /// # Errors
    /// All but [`PublishedError::Url`]: ask again later.
    pub async fn shows(&self, kid: &str) -> Result<bool, PublishedError> {
        let asked = tokio::time::timeout(TIMEOUT, self.ask(kid)).await;
        asked.unwrap_or(Err(PublishedError::Timeout))
    }

    async fn ask(&self, kid: &str) -> Result<bool, PublishedError> {
        let client = self.client(&self.addresses().await?)?;
        // reqwest's errors quote the address, and a body may be anything: none of it goes on.
        let request = client
            .get(self.url.clone())
            .header("accept", "application/json");
        let mut response = request.send().await.map_err(|e| cause(&e))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(PublishedError::Redirect),
            StatusCode::NOT_FOUND => return Err(PublishedError::NotFound),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(PublishedError::Denied),
            _ => return Err(PublishedError::Status),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| cause(&e))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(PublishedError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        // Lenient, unlike our own sets: a foreign one may have keys we have no use for.
        let set: Set = serde_json::from_slice(&body).map_err(|e| match e.is_data() {
            true => PublishedError::NotASet,
            false => PublishedError::NotJson,
        })?;
        Ok(set.keys.iter().any(|key| key.kid.as_deref() == Some(kid)))
    }

    /// Where the host is now. Each of these may be connected to; no other one is.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, PublishedError> {
        let host = self.url.host_str().ok_or(PublishedError::Url)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = self
            .url
            .port_or_known_default()
            .ok_or(PublishedError::Url)?;
        let found = tokio::net::lookup_host((bare, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|_| PublishedError::Name)?.collect();
        let furthest = found.iter().map(|address| reach::of(address.ip())).max();
        self.may_reach(furthest.ok_or(PublishedError::Name)?)?;
        Ok(found)
    }

    fn may_reach(&self, reach: Reach) -> Result<(), PublishedError> {
        match reach {
            Reach::Never => Err(PublishedError::Never),
            Reach::Private if !self.private => Err(PublishedError::Private),
            Reach::Private | Reach::Public => Ok(()),
        }
    }

    /// A client that connects to these addresses only: who answers for the name can change its mind
    /// between a look and a connection.
    fn client(&self, addresses: &[SocketAddr]) -> Result<Client, PublishedError> {
        let builder = Client::builder()
            .no_proxy()
            // A redirect could lead to a host that nobody configured; verifiers often refuse them.
            .redirect(Policy::none())
            .resolve_to_addrs(self.url.host_str().unwrap_or_default(), addresses);
        let builder = match &self.ca_file {
            None => builder,
            Some(file) => {
                let pem = crate::trust::authority(file).map_err(|_| PublishedError::CaFile)?;
                let certificates = Certificate::from_pem_bundle(&pem);
                let certificates = certificates.map_err(|_| PublishedError::CaFile)?;
                if certificates.is_empty() {
                    return Err(PublishedError::CaFile);
                }
                builder.tls_certs_only(certificates)
            }
        };
        builder.build().map_err(|_| PublishedError::Client)
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    kid: Option<String>,
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

const TIMEOUT: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests;
