//! Canonical JSON after RFC 8785, for what an audit entry holds: strings, integers, booleans,
//! nulls, arrays and objects. Other numbers are refused, so their rules need not be implemented.

use std::fmt;

use serde_json::Value;

/// Integers beyond this are not exact in every JSON reader (RFC 7493, section 2.2).
const EXACT: u64 = (1 << 53) - 1;

/// Why a value has no canonical form here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCanonical {
    /// A number that is not an integer within ±(2^53 - 1).
    Number,
    /// Bytes that are not exactly what [`write`] makes of their content.
    Form,
    /// Not JSON.
    Syntax,
}

impl fmt::Display for NotCanonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "a number that is not an integer within 2^53",
            Self::Form => "JSON, but not in its canonical form",
            Self::Syntax => "not JSON",
        })
    }
}

impl std::error::Error for NotCanonical {}

/// The canonical bytes of `value`.
pub fn write(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    let mut out = Vec::with_capacity(512);
    append(value, &mut out)?;
    Ok(out)
}

/// Reads bytes that must be canonical: there is one way to write an entry, so a second one is a
/// change even when it means the same.
pub fn read(bytes: &[u8]) -> Result<Value, NotCanonical> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| NotCanonical::Syntax)?;
    if write(&value)? == bytes {
        Ok(value)
    } else {
        Err(NotCanonical::Form)
    }
}

fn append(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(n) => {
            let exact = n.as_i64().is_some_and(|i| i.unsigned_abs() <= EXACT);
            if !exact {
                return Err(NotCanonical::Number);
            }
            out.extend_from_slice(n.to_string().as_bytes());
        }
        Value::String(s) => append_text(s, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                append(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            // RFC 8785 sorts by UTF-16 code units, which differs from UTF-8 beyond U+FFFF.
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                append_text(key, out);
                out.push(b':');
                append(&map[key], out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Only what JSON demands is escaped, in the shortest form (RFC 8785, section 3.2.2.2).
fn append_text(s: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in s.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '\r' => out.extend_from_slice(b"\\r"),
            c if c < ' ' => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_by_utf16_and_text_is_escaped_as_little_as_possible() {
        // The order of RFC 8785, section 3.2.3: the emoji sorts before U+FB33 in UTF-16 only.
        let v = json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let text = String::from_utf8(write(&v).unwrap()).unwrap();
        assert_eq!(
            text,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}"
        );
        let v = json!("\u{20ac}$\u{f}\nA'B\"\\\\\"/");
        assert_eq!(
            write(&v).unwrap(),
            "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"".as_bytes()
        );
        assert_eq!(
            write(&json!([null, true, false, -1, {}])).unwrap(),
            b"[null,true,false,-1,{}]"
        );
    }

    #[test]
    fn numbers_that_readers_would_round_are_refused() {
        for v in [
            json!(1.5),
            json!(1u64 << 54),
            json!(u64::MAX),
            json!(-(1i64 << 54)),
        ] {
            assert_eq!(write(&v), Err(NotCanonical::Number), "{v}");
        }
    }

    #[test]
    fn a_second_way_to_write_the_same_is_refused() {
        assert!(read(br#"{"a":1,"b":"x"}"#).is_ok());
        for other in [
            r#"{"b":"x","a":1}"#,
            r#"{"a": 1,"b":"x"}"#,
            r#"{"a":1,"a":1,"b":"x"}"#,
            r#"{"a":1,"b":"\u0078"}"#,
        ] {
            assert_eq!(read(other.as_bytes()), Err(NotCanonical::Form), "{other}");
        }
        assert_eq!(read(b"{"), Err(NotCanonical::Syntax));
    }
}
