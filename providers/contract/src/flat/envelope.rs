//! One version on one line: `keyrota1:ID:PUBLIC:VALUE`, text if the value is text.

use uuid::Uuid;

use crate::{Native, Public, SecretValue};

/// What an envelope adds to a value at most.
pub(super) const OVERHEAD_BYTES_MAX: usize = MAGIC.len() + UUID_BYTES + 1 + PUBLIC_BYTES_MAX + 1;

const MAGIC: &[u8] = b"keyrota1:";
const UUID_BYTES: usize = 36;
/// A public RSA key of 4,096 bits as JWK takes about half of it.
const PUBLIC_BYTES_MAX: usize = 2048;

pub(super) struct Envelope {
    /// `None`: keyrota did not write it.
    pub id: Option<Uuid>,
    pub public: Public,
    pub value: SecretValue,
}

impl Envelope {
    pub fn of(id: Option<Uuid>, public: &Public, value: &SecretValue) -> Self {
        Self {
            id,
            public: public.clone(),
            value: value.expose_to(SecretValue::copy_of),
        }
    }

    pub fn copy(&self) -> Self {
        Self::of(self.id, &self.public, &self.value)
    }

    pub fn native(&self) -> Native {
        Native(self.id.map_or("foreign".to_string(), |id| id.to_string()))
    }

    pub fn seal(&self) -> SecretValue {
        let id = self.id.map_or("-".to_string(), |id| id.to_string());
        let public = encode(&self.public);
        self.value.expose_to(|value| {
            // The final size at once: see SecretValue::new.
            let mut bytes =
                Vec::with_capacity(MAGIC.len() + id.len() + public.len() + 2 + value.len());
            bytes.extend_from_slice(MAGIC);
            bytes.extend_from_slice(id.as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(public.as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(value);
            SecretValue::new(bytes)
        })
    }

    /// `None` for anything that [`Envelope::seal`] does not make.
    pub fn open(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.strip_prefix(MAGIC)?.splitn(3, |b| *b == b':');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let id = match text()? {
            "-" => None,
            id => Some(Uuid::try_parse(id).ok()?),
        };
        let public = decode(text()?)?;
        Some(Self {
            id,
            public,
            value: SecretValue::copy_of(parts.next()?),
        })
    }
}

pub(super) fn public_fits(public: &Public) -> bool {
    encode(public).len() <= PUBLIC_BYTES_MAX
}

/// `key=value&key=value`, everything but letters, digits, `-`, `.` and `_` as `%XX` (RFC 3986).
pub fn encode(public: &Public) -> String {
    let escape = |text: &str, out: &mut String| {
        for b in text.bytes() {
            match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                    out.push(char::from(b))
                }
                _ => out.push_str(&format!("%{b:02X}")),
            }
        }
    };
    let mut out = String::new();
    for (key, value) in public {
        if !out.is_empty() {
            out.push('&');
        }
        escape(key, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

/// What [`encode`] made; `None` for anything else.
pub fn decode(text: &str) -> Option<Public> {
    if text.is_empty() {
        return Some(Public::new());
    }
    text.split('&')
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((unescape(key)?, unescape(value)?))
        })
        .collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn what_was_sealed_opens_again() {
        let public = Public::from([
            ("jwk".into(), "{\"a\":\"ü&=%:\"}\n".into()),
            (String::new(), String::new()),
        ]);
        for id in [None, Some(Uuid::from_u128(7))] {
            for value in [&b""[..], b"a:b\n", b"\xff\0", b"keyrota1:-::"] {
                let sealed = Envelope::of(id, &public, &SecretValue::copy_of(value)).seal();
                let opened = sealed.expose_to(Envelope::open).unwrap();
                assert_eq!((opened.id, &opened.public), (id, &public));
                opened.value.expose_to(|v| assert_eq!(v, value));
            }
        }
    }

    #[test]
    fn the_overhead_is_as_large_as_stated() {
        let with = |n: usize| Public::from([("k".to_string(), "v".repeat(n))]);
        assert!(public_fits(&with(PUBLIC_BYTES_MAX - 2)));
        assert!(!public_fits(&with(PUBLIC_BYTES_MAX - 1)));
        let sealed = Envelope::of(
            Some(Uuid::nil()),
            &with(PUBLIC_BYTES_MAX - 2),
            &SecretValue::copy_of(b""),
        )
        .seal();
        assert!(sealed.fits(OVERHEAD_BYTES_MAX) && !sealed.fits(OVERHEAD_BYTES_MAX - 1));
    }

    #[test]
    fn what_was_not_sealed_does_not_open() {
        for other in [
            "",
            "hunter2",
            "keyrota1:",
            "keyrota1:-",
            "keyrota1:-:",
            "keyrota1:x::v",
            "keyrota1:-:a:v",
            "keyrota1:-:a=%4:v",
            "keyrota1:-:a=%é:v",
            "keyrota1:-:a=%FF:v",
            "keyrota2:-::v",
        ] {
            assert!(Envelope::open(other.as_bytes()).is_none(), "{other}");
        }
    }
}
