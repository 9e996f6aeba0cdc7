//! URLs (RFC 3986), read so that the usual mistake is named: a password that was not percent-encoded.
//!
//! A URL parser takes `p@ss/word` apart at the wrong place and then complains about the host or the
//! port, often repeating a piece of the password. Here the place of the character is told instead.

use std::net::Ipv6Addr;

use crate::format::scalar::is_port;
use crate::nearest::nearest;
use crate::problem::Fault;

/// Schemes that are known well enough to tell a slip of the finger when any scheme is allowed.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const SCHEMES: [&str; 14] = [
    "postgres", "postgresql", "mysql", "mysql2", "mysqlx", "mariadb", "redis", "rediss",
    "mongodb", "mongodb+srv", "amqp", "amqps", "http", "https",
];

/// Schemes that one slip would turn into one of those, and that exist: IANA registered them, or
/// drivers and proxies use them.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const NOT_MISSPELLED: [&str; 17] = [
    "mssql", "mysqls", "mysql3", "mysqli", "shttp", "http2", "http3", "httpg", "httpu", "httpx", "httpmu",
    "amqp1", "redis2", "redis3", "redisx", "postgrest", "postgresql2",
];

/// Schemes whose URLs are often written without an authority.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const OPAQUE: [&str; 22] = [
    "about", "cid", "data", "did", "file", "geo", "jdbc", "magnet", "mailto", "news", "oracle", "r2dbc",
    "sip", "sips", "sqlite", "sqlite3", "stun", "tel", "turn", "unix", "urn", "xmpp",
];

/// The authority of these names a server and its user, and their path a database: an `@` after the
/// first `/`, `?` or `#` is then a sign that the authority ended too early.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const SERVERS: [&str; 14] = [
    "postgres", "postgresql", "mysql", "mysql2", "mariadb", "redis", "rediss", "mongodb",
    "mongodb+srv", "amqp", "amqps", "smtp", "smtps", "nats",
];

/// Parameters of libpq and of the usual Postgres clients. Only near misses of these are refused.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const POSTGRES_PARAMETERS: [&str; 30] = [
    "application_name", "channel_binding", "client_encoding", "connect_timeout",
    "connection_limit", "dbname", "fallback_application_name", "gssencmode", "host", "hostaddr",
    "keepalives", "load_balance_hosts", "options", "passfile", "password", "pgbouncer",
    "pool_timeout", "port", "schema", "search_path", "service", "socket_timeout", "sslcert",
    "sslkey", "sslmode", "sslpassword", "sslrootcert", "statement_cache_size",
    "target_session_attrs", "user",
];

pub(crate) fn check(value: &str, schemes: &[String]) -> Result<(), Fault> {
    let allowed = |c: char| !c.is_whitespace() && !c.is_control();
    if let Some(at) = value.chars().position(|c| !allowed(c)) {
        return Err(Fault::format(format!(
            "a URL holds no white space: see character {}",
            at + 1
        )));
    }
    // What the drivers of Java put before a URL or a name of their own.
    let java = ["jdbc:", "r2dbc:", "JDBC:"]
        .into_iter()
        .find(|java| value.starts_with(java));
    if let Some(java) = java.filter(|_| schemes.is_empty()) {
        return match value[java.len()..].contains("://") {
            true => check_authority(value, java.len(), schemes),
            false => Ok(()),
        };
    }
    check_authority(value, 0, schemes)
}

/// Judges what stands behind `before` bytes.
fn check_authority(value: &str, before: usize, schemes: &[String]) -> Result<(), Fault> {
    let Some((scheme, start)) = scheme(&value[before..], schemes)? else {
        return Ok(());
    };
    let start = before + start;
    let rest = &value[start..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let end = properties(scheme, &rest[..end]).unwrap_or(end);
    let (authority, tail) = rest.split_at(end);
    if let Some(offset) = broken_authority(scheme, authority, tail) {
        return Err(unescaped(value, start + offset));
    }
    let host = match authority.rsplit_once('@') {
        Some((user, host)) => {
            if let Some(offset) = user.find(|c| !in_userinfo(c)) {
                return Err(unescaped(value, start + offset));
            }
            host
        }
        None => authority,
    };
    if let Some(at) = stray_percent(value) {
        return Err(unescaped(value, at));
    }
    check_hosts(scheme, host)?;
    check_parameters(scheme, tail)
}

/// Where the properties of a SQL Server's URL begin: `sqlserver://host:1433;database=app`.
fn properties(scheme: &str, authority: &str) -> Option<usize> {
    let microsoft = ["sqlserver", "mssql", "jtds"]
        .iter()
        .any(|s| s.eq_ignore_ascii_case(scheme));
    let first = authority.find(';').filter(|_| microsoft)?;
    // A semicolon before an @ may stand in a password.
    match authority.rfind('@') {
        Some(at) if !authority[..at].contains('=') => Some(at + authority[at..].find(';')?),
        _ => Some(first),
    }
}

/// User, password and host as they stand, to look for placeholders in; empty for what is no URL.
pub(crate) fn parts(value: &str) -> Vec<&str> {
    let Some((_, rest)) = value.split_once("://") else {
        return Vec::new();
    };
    // Not at the first `/` or `?`: a template such as `<db/password>` may hold one.
    let (user, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or(rest);
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    [user, password, host]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect()
}

/// The scheme, and where the authority starts; `None` for a URL that has none.
fn scheme<'v>(value: &'v str, allowed: &[String]) -> Result<Option<(&'v str, usize)>, Fault> {
    let example = allowed.first().map_or("https", String::as_str);
    let not_a_url = || Fault::format(format!("it is not a URL: it must begin like {example}://"));
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let sound = |scheme: &&str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(in_scheme)
    };
    let opaque = value.split_once(':').filter(|(scheme, rest)| {
        let names = |one: &&str| one.eq_ignore_ascii_case(scheme);
        let listed = allowed.is_empty() || allowed.iter().any(|one| names(&one.as_str()));
        !rest.is_empty() && !rest.starts_with("//") && listed && OPAQUE.iter().any(names)
    });
    if opaque.is_some() {
        return Ok(None);
    }
    let (scheme, _) = value.split_once("://").ok_or_else(not_a_url)?;
    let scheme = Some(scheme).filter(sound).ok_or_else(not_a_url)?;
    let start = scheme.len() + "://".len();
    let lower = scheme.to_ascii_lowercase();
    if allowed.is_empty() {
        let known = NOT_MISSPELLED.contains(&lower.as_str());
        return match nearest(&lower, SCHEMES).filter(|_| !known) {
            Some(meant) => Err(Fault::format(format!(
                "its scheme is misspelled: did you mean {meant}://?"
            ))),
            None => Ok(Some((scheme, start))),
        };
    }
    if allowed.iter().any(|one| one.eq_ignore_ascii_case(scheme)) {
        return Ok(Some((scheme, start)));
    }
    let meant = nearest(&lower, allowed.iter().map(String::as_str));
    let listed = allowed.join("://, ");
    Err(Fault::format(match meant {
        Some(meant) => format!("its scheme is misspelled: did you mean {meant}://?"),
        None => format!("its scheme must be one of {listed}://"),
    }))
}

/// Where in the rest after `://` a character of the password ended or split the authority.
fn broken_authority(scheme: &str, authority: &str, tail: &str) -> Option<usize> {
    // The URL of a server has no `@` in its path, only among its parameters.
    let server = SERVERS.contains(&scheme.to_ascii_lowercase().as_str());
    let at_in_tail = tail
        .split_once('@')
        .map(|(before, _)| server && !before.contains('='));
    if let Some(first) = authority.find('@') {
        // Only the last one separates: all before it belong to the password.
        let split = at_in_tail == Some(true) || authority.rfind('@') != Some(first);
        return split.then_some(first);
    }
    // Of any URL, `user:pass` is no host and port.
    let (_, port) = authority.rsplit_once(':')?;
    let no_port = !port.is_empty() && !authority.ends_with(']') && !is_port(port);
    (at_in_tail? || no_port).then_some(authority.len())
}

/// RFC 3986 §3.2.1: unreserved, percent-encoded, sub-delims and the colon.
fn in_userinfo(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:".contains(c)
}

/// The byte position of a `%` that no two hexadecimal digits follow.
fn stray_percent(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let stray = |&(at, byte): &(usize, &u8)| *byte == b'%' && !(digit(at + 1) && digit(at + 2));
    bytes.iter().enumerate().find(stray).map(|(at, _)| at)
}

fn unescaped(value: &str, byte: usize) -> Fault {
    let at = value[..byte].chars().count() + 1;
    // Only punctuation is repeated, and only the one that has a meaning in every URL.
    let found = value[byte..]
        .chars()
        .next()
        .filter(|c| "@#/?%[]".contains(*c));
    let (found, code) = match found {
        Some(c) => (
            format!("the {c} at character {at}"),
            format!(" ({c} is written %{:02X})", u32::from(c)),
        ),
        None => (format!("character {at}"), String::new()),
    };
    Fault::format(format!(
        "{found} is not escaped: percent-encode the password{code}"
    ))
}

/// One host, or several joined by commas as Postgres and MongoDB allow.
fn check_hosts(scheme: &str, hosts: &str) -> Result<(), Fault> {
    if hosts.is_empty() && scheme.starts_with("http") {
        return Err(Fault::format("it names no host"));
    }
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let Some((address, port)) = bracketed.split_once(']') else {
                    return Err(Fault::format("the IPv6 address lacks its closing bracket"));
                };
                if address
                    .split('%')
                    .next()
                    .is_none_or(|bare| bare.parse::<Ipv6Addr>().is_err())
                {
                    return Err(Fault::format("the text in brackets is not an IPv6 address"));
                }
                ("", port)
            }
            None => host
                .find(':')
                .map_or((host, ""), |colon| host.split_at(colon)),
        };
        // An empty port (`host:`) is valid by RFC 3986 §3.2.3.
        let port_fits = port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|digits| digits.is_empty() || is_port(digits));
        if !port_fits {
            return Err(Fault::format(
                "the port after the host must be a number from 1 to 65535",
            ));
        }
        if name.contains(['<', '>', '"', '\\', '^', '`', '{', '|', '}', ']']) {
            return Err(Fault::format(
                "the host holds a character that no host name has",
            ));
        }
    }
    Ok(())
}

fn check_parameters(scheme: &str, tail: &str) -> Result<(), Fault> {
    if !matches!(scheme, "postgres" | "postgresql") {
        return Ok(());
    }
    let query = tail.split_once('?').map_or("", |(_, query)| query);
    let keys = query
        .split(['&', '#'])
        .filter_map(|pair| pair.split('=').next());
    for key in keys {
        // The key is one slip away from a public word, so naming it gives nothing away.
        if let Some(meant) = nearest(key, POSTGRES_PARAMETERS) {
            return Err(Fault::format(format!(
                "its parameter {key} is misspelled: did you mean {meant}?"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
