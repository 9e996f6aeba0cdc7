//! Where the state is: a file, or a server's address without a password.

use std::fmt;
use std::path::PathBuf;

use super::StateError;

/// The user, and the database, of a Postgres state whose address names none.
pub const DEFAULT_NAME: &str = "keyrota";

/// Where the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A file on this host.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Server),
}

/// A Postgres server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an IP address, reached over TLS with a verified name (verify-full); or the
    /// absolute path of the directory of a unix socket.
    pub host: String,
    /// The port (5432 unless said); part of a socket's name, too.
    pub port: u16,
    /// Whom to connect as; never taken from the process's own user.
    pub user: String,
    /// Which database.
    pub database: String,
}

impl Location {
    /// Reads `postgres://user@host:port/database`, `postgres://user@/database?host=/socket/dir`,
    /// `sqlite:/path`, or a path.
    ///
    /// A password in it is refused, here and before anything else looks at it: addresses end up in
    /// process lists, logs and configuration files. So is every parameter but `host`: TLS is not
    /// negotiable.
    pub fn parse(text: &str) -> Result<Self, StateError> {
        if let Some(rest) = ["postgres://", "postgresql://"]
            .into_iter()
            .find_map(|s| text.strip_prefix(s))
        {
            return server(rest).map(Self::Postgres);
        }
        let path = match text.strip_prefix("sqlite:") {
            Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
            None if text.contains("://") => {
                return Err(StateError::Refused(
                    "the state is a path, sqlite:PATH or postgres://…",
                ));
            }
            None => text,
        };
        if path.is_empty() || path.contains([':', '?', '\0']) {
            // `:memory:` and SQLite's URI parameters: a state that is gone, or opened otherwise.
            return Err(StateError::Refused(
                "the state's path is empty or holds one of : ?",
            ));
        }
        Ok(Self::Sqlite(path.into()))
    }
}

fn server(rest: &str) -> Result<Server, StateError> {
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    if user.contains([':', '@']) {
        return Err(StateError::Refused(
            "a password does not belong in the state's address; use state_password",
        ));
    }
    let (mut host, port) = host_and_port(place).ok_or(StateError::Refused(
        "the state's host or port is not usable",
    ))?;
    for (key, value) in query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
    {
        match key {
            "host" if host.is_empty() => host = decode(value)?,
            "password" => {
                return Err(StateError::Refused(
                    "a password does not belong in the state's address; use state_password",
                ));
            }
            _ => {
                return Err(StateError::Refused(
                    "the state's address takes no parameter but host=/socket/dir; TLS is always verify-full",
                ));
            }
        }
    }
    if host.is_empty() {
        return Err(StateError::Refused("the state's address names no host"));
    }
    let or_default = |s: String| {
        if s.is_empty() {
            DEFAULT_NAME.to_owned()
        } else {
            s
        }
    };
    Ok(Server {
        host,
        port,
        user: or_default(decode(user)?),
        database: or_default(decode(path)?),
    })
}

fn host_and_port(place: &str) -> Option<(String, u16)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (
                host,
                after
                    .strip_prefix(':')
                    .or(after.is_empty().then_some("5432"))?,
            )
        }
        None => place.split_once(':').unwrap_or((place, "5432")),
    };
    Some((decode(host).ok()?, port.parse().ok()?))
}

/// Percent decoding (RFC 3986, section 2.1).
fn decode(text: &str) -> Result<String, StateError> {
    let bad = StateError::Refused("the state's address is not percent-encoded text");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let byte = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digit = |b: u8| char::from(b).to_digit(16);
                let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                    return Err(bad);
                };
                u8::try_from(high << 4 | low).expect("two hex digits are a byte")
            }
            (b'%', _) | (0, _) => return Err(bad),
            _ => *first,
        };
        if byte == 0 {
            return Err(bad);
        }
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| bad)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(s) => write!(f, "{}@{}:{}/{}", s.user, s.host, s.port, s.database),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, expected) in [
            ("/var/lib/keyrota/state.db", "/var/lib/keyrota/state.db"),
            ("sqlite:state.db", "state.db"),
            ("sqlite:///var/state.db", "/var/state.db"),
            (
                "postgres://keyrota@db.internal/state",
                "keyrota@db.internal:5432/state",
            ),
            (
                "postgresql://db.internal:6432",
                "keyrota@db.internal:6432/keyrota",
            ),
            ("postgres://a%40b@[::1]:5433/x%2Fy", "a@b@::1:5433/x/y"),
            (
                "postgres://ops@/state?host=/run/postgresql",
                "ops@/run/postgresql:5432/state",
            ),
            (
                "postgres://ops@%2Frun%2Fpostgresql/state",
                "ops@/run/postgresql:5432/state",
            ),
        ] {
            assert_eq!(
                Location::parse(text).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn passwords_and_what_weakens_tls_are_refused_without_being_repeated() {
        for text in [
            "postgres://keyrota:hunter2@db/state",
            "postgres://keyrota:hunter2@x@db/state",
            "postgres://key@hunter2:x@db/state",
            "postgres://keyrota@db/state?password=hunter2",
            "postgres://keyrota@db/state?sslmode=disable&x=hunter2",
            "postgres://keyrota@db/state?host=hunter2",
            "postgres://db:hunter2/state",
            "postgres:///state",
            "postgres://db/%zz",
            "postgres://db/%00",
            "postgres://[::1/state",
            "mysql://keyrota:hunter2@db/state",
            "sqlite::memory:",
            "sqlite:state.db?mode=memory",
            "",
        ] {
            let e = Location::parse(text).unwrap_err();
            assert!(matches!(e, StateError::Refused(_)), "{text}");
            assert!(
                !e.to_string().contains("hunter2") && !format!("{e:?}").contains("hunter2"),
                "{text}"
            );
        }
    }
}
