//! What a provider is made from.

use std::net::IpAddr;
use std::time::Duration;

use keyrota_contract::{ProviderError, SecretValue};
use reqwest::Url;

/// Where a sensitive input comes from. Asked at each login, so that a renewed file is seen.
pub type Input = Box<dyn Fn() -> Result<SecretValue, ProviderError> + Send + Sync>;

/// Where the server is, and as whom it is asked.
pub struct VaultConfig {
    /// `https://host:port`; `http` only for this host itself. No path.
    pub address: String,
    /// The mount of a key/value engine, version 2.
    pub mount: String,
    /// The namespace that mount and login stand in.
    pub namespace: Option<String>,
    /// The authorities that may have signed the server's certificate, as PEM; `None`: the system's.
    pub authorities: Option<Vec<u8>>,
    /// As whom.
    pub auth: Auth,
    /// The longest that one request may take, from the connection to the last byte.
    pub timeout: Duration,
}

/// How a token is got.
pub enum Auth {
    /// There is one already.
    Token(Input),
    /// The method `approle`.
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// Which role.
        role_id: String,
        /// Its secret half.
        secret_id: Input,
    },
    /// The methods `jwt` and `kubernetes`: a token that somebody else signed.
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// Which role.
        role: String,
        /// The signed token.
        jwt: Input,
    },
}

/// Why an address is none that keyrota talks to.
pub fn address_is_wrong(address: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(address) else {
        return Some("the address is not a URL: write https://HOST:PORT");
    };
    let local = match url.host_str().unwrap_or_default() {
        "localhost" => true,
        host => host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|ip: IpAddr| ip.is_loopback()),
    };
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => {
            return Some(
                "values would cross the network in the clear: write https (http is for this host only)",
            );
        }
        _ => return Some("the address is not a URL: write https://HOST:PORT"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("the address contains a user or a password: remove it");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Some("the address has a path: write https://HOST:PORT");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_host_is_asked_in_the_clear() {
        for good in [
            "https://vault.internal:8200",
            "https://vault.internal/",
            "http://127.0.0.1:8200",
            "http://[::1]:8200",
            "http://localhost:8200",
        ] {
            assert_eq!(address_is_wrong(good), None, "{good}");
        }
        for bad in [
            "http://vault.internal:8200",
            "http://127.0.0.1.example.com",
            "http://10.0.0.1",
            "ftp://vault",
            "vault.internal:8200",
            "https://user:word@vault",
            "https://vault/v1",
            "https://vault?x=1",
            "",
        ] {
            assert!(address_is_wrong(bad).is_some(), "{bad}");
        }
    }
}
