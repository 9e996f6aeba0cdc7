//! Values that are URLs: `postgres://user:password@host:port/database?query` (RFC 3986).
//!
//! Strict on purpose: programs disagree about a URL whose password has a bare `@` or `/`, and a
//! password that is sent in part to a host made from its other part is the worst of the readings.

use keyrota_contract::SecretValue;
use zeroize::Zeroizing;

use super::settings::{ANOTHER_SERVER, Complaint, EMPTY, Endpoint, Login};

/// A part of a URL, for templates: `scheme`, `username`, `password`, `host`, `port` (the scheme's
/// own where the URL has none), `path` (without its first slash; a database's name). Percent-decoded.
/// `None` if the value is not a URL, or has no such part.
pub fn url_member(bytes: &[u8], name: &str) -> Option<SecretValue> {
    let parts = Parts::of(std::str::from_utf8(bytes).ok()?).ok()?;
    let plain = |text: &str| Some(SecretValue::copy_of(text.as_bytes()));
    let decoded = |text: &str| {
        decode(text)
            .ok()
            .map(|mut t| SecretValue::new(std::mem::take(&mut *t)))
    };
    match name {
        "scheme" => plain(parts.scheme),
        "username" => decoded(parts.user?),
        "password" => decoded(parts.password?),
        "host" => decoded(parts.host),
        "port" => plain(&parts.port()?.to_string()),
        "path" => decoded(parts.path?),
        _ => None,
    }
}

/// The login in a URL, which must lead to `endpoint` if one is given. Scheme and query may differ.
pub(super) fn login(text: &str, endpoint: Option<&Endpoint>) -> Result<Login, Complaint> {
    let parts = Parts::of(text)?;
    if let Some(endpoint) = endpoint {
        let host = decoded_text(parts.host)?;
        let database = decoded_text(parts.path.unwrap_or(""))?;
        let port = parts.port().ok_or("the value's url has no port")?;
        if !endpoint.is(Some(&host), Some(port)) || *database != endpoint.database {
            return Err(ANOTHER_SERVER);
        }
    }
    let (Some(user), Some(password)) = (parts.user, parts.password) else {
        return Err("the value is a url without user and password");
    };
    let (user, password) = (decoded_text(user)?, decoded_text(password)?);
    if user.is_empty() || password.is_empty() {
        return Err(EMPTY);
    }
    Ok(Login { user, password })
}

/// `template` with the login in it, percent-encoded.
pub(super) fn compose(template: &str, login: &Login) -> Result<SecretValue, Complaint> {
    const TEMPLATE: Complaint = "url must hold {user} and {password}, in this order";
    let (before, rest) = template.split_once("{user}").ok_or(TEMPLATE)?;
    let (between, after) = rest.split_once("{password}").ok_or(TEMPLATE)?;
    // Three times what is not yet encoded: the buffer never grows, so it leaves no copies behind.
    let most = template.len() + 3 * (login.user.len() + login.password.len());
    let mut value = Vec::with_capacity(most);
    value.extend_from_slice(before.as_bytes());
    encode(&login.user, &mut value);
    value.extend_from_slice(between.as_bytes());
    encode(&login.password, &mut value);
    value.extend_from_slice(after.as_bytes());
    Ok(SecretValue::new(value))
}

/// A URL's parts as they are written, still percent-encoded.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: &'a str,
    port: Option<u16>,
    path: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, Complaint> {
        const NO_URL: Complaint = "the value is not a url with a host";
        let (scheme, rest) = text.split_once("://").ok_or(NO_URL)?;
        let mut letters = scheme.bytes();
        if !letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            || !letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        {
            return Err(NO_URL);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (login, place) = match authority.split_once('@') {
            Some((login, place)) => (Some(login), place),
            // `user:pass/word@host`: what was taken for the host is the head of the login.
            None if rest.contains('@') => return Err(UNENCODED),
            None => (None, authority),
        };
        if place.contains('@') || login.is_some_and(|l| !l.bytes().all(is_userinfo)) {
            return Err(UNENCODED);
        }
        let (user, password) = match login.map(|l| l.split_once(':').unwrap_or((l, ""))) {
            Some((_, password)) if password.contains(':') => return Err(UNENCODED),
            Some((user, password)) => (Some(user), Some(password)),
            None => (None, None),
        };
        // `user:p@ss:word@host`: what was taken for the host is the tail of the password.
        let otherwise = if rest.contains('@') {
            UNENCODED
        } else {
            NO_URL
        };
        let (host, port) = split_port(place).ok_or(otherwise)?;
        let path = rest.strip_prefix('/').map(|path| {
            let end = path.find(['?', '#']).unwrap_or(path.len());
            &path[..end]
        });
        Ok(Self {
            scheme,
            user,
            password,
            host,
            port,
            path,
        })
    }

    /// The port, or the one that programs use for this scheme.
    fn port(&self) -> Option<u16> {
        let family = self.scheme.split('+').next().unwrap_or_default();
        self.port.or(match family {
            "postgres" | "postgresql" => Some(5432),
            "mysql" | "mariadb" => Some(3306),
            "http" => Some(80),
            "https" => Some(443),
            "redis" | "rediss" => Some(6379),
            _ => None,
        })
    }
}

/// `host`, `host:port`, `[::1]:port`; an IPv6 host comes without its brackets.
fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        (
            host,
            if after.is_empty() {
                None
            } else {
                Some(after.strip_prefix(':')?)
            },
        )
    } else {
        match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let port = match port {
        // `+5432` would parse as well.
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    (!host.is_empty()).then_some((host, port))
}

/// RFC 3986, userinfo: unreserved, sub-delims, `:`, and `%` of an encoded byte.
fn is_userinfo(b: u8) -> bool {
    is_unreserved(b) || b"!$&'()*+,;=:%".contains(&b)
}

fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

fn encode(text: &str, into: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in text.bytes() {
        if is_unreserved(b) {
            into.push(b);
        } else {
            into.extend_from_slice(&[b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
    }
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, Complaint> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [b, more @ ..] = rest {
        rest = more;
        if *b != b'%' {
            bytes.push(*b);
            continue;
        }
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        let [high, low, more @ ..] = rest else {
            return Err(UNENCODED);
        };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(UNENCODED);
        };
        rest = more;
        // Servers and C libraries end a text here.
        if high | low == 0 {
            return Err("the value has a NUL byte");
        }
        bytes.push(high << 4 | low);
    }
    Ok(bytes)
}

fn decoded_text(text: &str) -> Result<Zeroizing<String>, Complaint> {
    let bytes = decode(text)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err("the value's user, password or database is not UTF-8"),
    }
}

const UNENCODED: Complaint = "the value is a url with a character that has to be percent-encoded (in a password: @ : / % # ?)";
