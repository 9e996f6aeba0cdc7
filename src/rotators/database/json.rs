//! Values that are JSON objects as Amazon RDS writes them: `{"username": …, "password": …, "host": …}`.
//!
//! Patched as text: a document read into a map and written again would lose the order of its
//! members and the digits of its numbers, and both belong to somebody else.

use std::ops::Range;

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use keyrota_contract::SecretValue;

use super::settings::{ANOTHER_SERVER, Complaint, EMPTY, Endpoint, Login};

/// The login in an object. Its `host` and `port`, where it has them, must be those of `endpoint`.
pub(super) fn login(text: &str, endpoint: Option<&Endpoint>) -> Result<Login, Complaint> {
    let members = members(text)?;
    let user = string(text, find(&members, "username")?.ok_or(NO_LOGIN)?)?;
    let password = string(text, find(&members, "password")?.ok_or(NO_LOGIN)?)?;
    if let Some(endpoint) = endpoint {
        let host = match find(&members, "host")? {
            Some(at) => Some(string(text, at)?),
            None => None,
        };
        let port = match find(&members, "port")? {
            // Written by hand it is a string as often as a number.
            Some(at) => Some(
                text[at]
                    .trim_matches('"')
                    .parse()
                    .map_err(|_| ANOTHER_SERVER)?,
            ),
            None => None,
        };
        if !endpoint.is(host.as_ref().map(|h| h.as_str()), port) {
            return Err(ANOTHER_SERVER);
        }
    }
    if user.is_empty() || password.is_empty() {
        return Err(EMPTY);
    }
    if user.contains('\0') || password.contains('\0') {
        return Err("the value has a NUL byte");
    }
    Ok(Login { user, password })
}

/// `current` with another login; every other byte stays.
pub(super) fn patch(
    current: &str,
    to: &Login,
    endpoint: &Endpoint,
) -> Result<SecretValue, Complaint> {
    login(current, Some(endpoint))?;
    let members = members(current)?;
    let user = find(&members, "username")?.ok_or(NO_LOGIN)?;
    let password = find(&members, "password")?.ok_or(NO_LOGIN)?;
    let mut changes = [(user, quoted(&to.user)), (password, quoted(&to.password))];
    changes.sort_by_key(|(at, _)| at.start);
    let most = current.len() + changes.iter().map(|(_, new)| new.len()).sum::<usize>();
    let mut value = Vec::with_capacity(most);
    let mut from = 0;
    for (at, new) in &changes {
        value.extend_from_slice(&current.as_bytes()[from..at.start]);
        value.extend_from_slice(new);
        from = at.end;
    }
    value.extend_from_slice(&current.as_bytes()[from..]);
    Ok(SecretValue::new(value))
}

type Members = Vec<(String, Range<usize>)>;

/// The object's own members, in order: their names, and where their values stand.
fn members(text: &str) -> Result<Members, Complaint> {
    const NO_OBJECT: Complaint = "the value is not a JSON object";
    // Below, the text is known to be sound.
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| NO_OBJECT)?;
    let bytes = text.as_bytes();
    let mut at = blank(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return Err(NO_OBJECT);
    }
    let mut members = Vec::new();
    at = blank(bytes, at + 1);
    while bytes.get(at) == Some(&b'"') {
        let end = value_end(bytes, at);
        let name = serde_json::from_str(&text[at..end]).map_err(|_| NO_OBJECT)?;
        let colon = blank(bytes, end);
        let start = blank(bytes, colon + 1);
        let end = value_end(bytes, start);
        members.push((name, start..end));
        at = blank(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = blank(bytes, at + 1);
        }
    }
    Ok(members)
}

/// The first byte at or after `at` that is not a space.
fn blank(bytes: &[u8], at: usize) -> usize {
    let spaces = bytes[at.min(bytes.len())..].iter();
    at + spaces.take_while(|b| b" \t\r\n".contains(b)).count()
}

/// Where the value that begins at `at` ends.
fn value_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (i, b) in bytes.iter().enumerate().skip(at) {
        if quoted {
            match b {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => continue,
            }
            if quoted || depth > 0 {
                continue;
            }
            return i + 1;
        }
        match b {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return i + 1,
            // The end of a number or a word.
            b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return i,
            _ => {}
        }
    }
    bytes.len()
}

/// Where the value of `name` stands. Of two members of one name, programs read different ones.
fn find(members: &Members, name: &str) -> Result<Option<Range<usize>>, Complaint> {
    let mut found = members.iter().filter(|(n, _)| n == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err("the value has a member twice"),
        (first, None) => Ok(first.map(|(_, at)| at.clone())),
    }
}

fn string(text: &str, at: Range<usize>) -> Result<Zeroizing<String>, Complaint> {
    serde_json::from_str(&text[at])
        .map(Zeroizing::new)
        .map_err(|_| "the value's username, password or host is not a string")
}

fn quoted(text: &str) -> Zeroizing<Vec<u8>> {
    // One byte becomes six at most (\u0001): the buffer never grows, so it leaves no copies behind.
    let mut quoted = Zeroizing::new(Vec::with_capacity(6 * text.len() + 2));
    serde_json::to_writer(&mut *quoted, text).expect("a buffer in memory takes everything");
    quoted
}

const NO_LOGIN: Complaint = "the value has no username or no password";
