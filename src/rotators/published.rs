//! Whether the public key set that verifiers really read shows a key.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url, redirect::Policy};
use serde::Deserialize;

/// A key set at its public address.
#[derive(Debug)]
pub struct Published {
    client: Client,
    url: Url,
}

impl Published {
    /// `url` is https; http is for a server on this host. Proxies of the environment are not
    /// asked: they are not what verifiers use, and they would learn the address.
    ///
    /// # Errors
    /// [`PublishedError::Url`], [`PublishedError::Client`].
    pub fn new(url: &str) -> Result<Self, PublishedError> {
        let url = Url::parse(url).map_err(|_| PublishedError::Url)?;
        let clean =
            url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
        if !clean || !safe {
            return Err(PublishedError::Url);
        }
        let client = Client::builder()
            .no_proxy()
            // A redirect could lead to a host that nobody configured; verifiers often refuse them.
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|_| PublishedError::Client)?;
        Ok(Self { client, url })
    }

    /// Whether the set shows a key of this id now. Changes nothing.
    ///
    /// # Errors
    /// All but [`PublishedError::Url`] and [`PublishedError::Client`]: ask again later.
    pub async fn shows(&self, kid: &str) -> Result<bool, PublishedError> {
        // reqwest's errors quote the address, and a body may be anything: none of it goes on.
        let unreachable = |_| PublishedError::Unreachable;
        let request = self
            .client
            .get(self.url.clone())
            .header("accept", "application/json");
        let mut response = request.send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(PublishedError::Redirect),
            _ => return Err(PublishedError::Status),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(PublishedError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        // Lenient, unlike our own sets: a foreign one may have keys we have no use for.
        let set: Set = serde_json::from_slice(&body).map_err(|_| PublishedError::NotASet)?;
        Ok(set.keys.iter().any(|key| key.kid.as_deref() == Some(kid)))
    }
}

/// Why nothing was learnt about a public key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedError {
    /// Not an https address, or http to another host than this one, or with a password in it.
    Url,
    /// The system's certificates could not be loaded.
    Client,
    /// No answer in ten seconds, or a broken one: name, connection, certificate.
    Unreachable,
    /// Another status than 200.
    Status,
    /// A redirect, which is not followed.
    Redirect,
    /// More than one mebibyte.
    TooLarge,
    /// Not `{"keys": […]}`.
    NotASet,
}

impl fmt::Display for PublishedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "jwks_url must be https without a user, or http to this host",
            Self::Client => {
                "no HTTPS client could be made; are the system's certificates installed?"
            }
            Self::Unreachable => "the public key set cannot be fetched",
            Self::Status => "the public key set's server answered with another status than 200",
            Self::Redirect => {
                "the public key set's address redirects; state the address it leads to"
            }
            Self::TooLarge => "the answer at jwks_url is larger than 1 MiB",
            Self::NotASet => "the answer at jwks_url is not a JSON Web Key Set",
        })
    }
}

impl std::error::Error for PublishedError {}

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
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

const TIMEOUT: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with exactly these bytes; gives the address.
    async fn serve(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(&answer).await;
        });
        url
    }

    fn ok(body: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    #[tokio::test]
    async fn what_servers_answer() {
        let set = r#"{"keys":[{"kid":"one","kty":"oct?"},{"kty":"EC"}],"extra":1}"#;
        let long = format!("{{\"keys\":[]}}{}", " ".repeat(BODY_BYTES_MAX));
        let status =
            |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n").into_bytes();
        for (answer, expected) in [
            (ok(set), Ok(true)),
            (ok(&set.replace("one", "two")), Ok(false)),
            (ok(r#"{"keys":[]}"#), Ok(false)),
            (
                ok("<html>captive portal</html>"),
                Err(PublishedError::NotASet),
            ),
            (ok(&long), Err(PublishedError::TooLarge)),
            (
                status("302 Found\r\nlocation: http://127.0.0.1:1/"),
                Err(PublishedError::Redirect),
            ),
            (status("304 Not Modified"), Err(PublishedError::Redirect)),
            (status("404 Not Found"), Err(PublishedError::Status)),
            (status("500 Oops"), Err(PublishedError::Status)),
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec(),
                Err(PublishedError::Unreachable),
            ),
            (b"hello".to_vec(), Err(PublishedError::Unreachable)),
        ] {
            let published = Published::new(&serve(answer.clone()).await).unwrap();
            let text = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
            assert_eq!(published.shows("one").await, expected, "{text}");
        }
    }

    #[test]
    fn addresses() {
        for (url, taken) in [
            ("https://id.example.com/.well-known/jwks.json", true),
            ("http://127.0.0.1:8080/jwks", true),
            ("http://[::1]:8080/jwks", true),
            ("http://localhost/jwks", true),
            ("http://id.example.com/jwks", false),
            ("http://127.0.0.1.example.com/jwks", false),
            ("http://10.0.0.1/jwks", false),
            ("https://user:password@id.example.com/jwks", false),
            ("file:///etc/passwd", false),
            ("id.example.com/jwks", false),
        ] {
            assert_eq!(Published::new(url).is_ok(), taken, "{url}");
        }
    }
}
