//! A JSON object in a file: one member is set or removed, every other byte stays, a byte order mark
//! too. A parser that read and wrote the whole would reorder members and round large numbers.

use std::ops::Range;

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

/// `text` with the member `name` set to the text `value`, or without it. An empty text is an empty
/// object.
pub(super) fn set(
    text: &[u8],
    name: &str,
    value: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, JsonError> {
    let Some(json) = text.strip_prefix(BYTE_ORDER_MARK) else {
        return set_member(text, name, value);
    };
    let json = set_member(json, name, value)?;
    Ok(join(&[BYTE_ORDER_MARK, &json]))
}

fn set_member(
    text: &[u8],
    name: &str,
    value: Option<&str>,
) -> Result<Zeroizing<Vec<u8>>, JsonError> {
    let text = if text.trim_ascii().is_empty() {
        &b"{}\n"[..]
    } else {
        text
    };
    let object = scan(text)?;
    let index = object.members.iter().position(|m| m.name == name);
    let Some(value) = value else {
        let Some(index) = index else {
            return Ok(join(&[text]));
        };
        let member = &object.members[index];
        // With the comma that separates it from a neighbour, if it has one.
        let cut = match (index.checked_sub(1), object.members.get(index + 1)) {
            (Some(before), _) => object.members[before].value.end..member.value.end,
            (None, Some(after)) => member.start..after.start,
            (None, None) => object.open + 1..object.close,
        };
        return Ok(join(&[&text[..cut.start], &text[cut.end..]]));
    };
    let value = quote(value);
    if let Some(index) = index {
        let old = &object.members[index].value;
        return Ok(join(&[&text[..old.start], &value, &text[old.end..]]));
    }
    let name = quote(name);
    Ok(match object.members.last() {
        None => join(&[
            &text[..=object.open],
            b"\n  ",
            &name,
            b": ",
            &value,
            b"\n",
            &text[object.close..],
        ]),
        Some(last) => {
            // Indented as the last member is.
            let blank = text[..last.start]
                .iter()
                .rev()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
            let indent = &text[last.start - blank..last.start];
            let end = last.value.end;
            join(&[
                &text[..end],
                b",",
                indent,
                &name,
                b": ",
                &value,
                &text[end..],
            ])
        }
    })
}

/// Whether the text can be edited at all.
pub(super) fn check(text: &[u8]) -> Result<(), JsonError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if text.trim_ascii().is_empty() {
        Ok(())
    } else {
        scan(text).map(|_| ())
    }
}

/// UTF-8's. JSON has none (RFC 8259 section 8.1), but .NET and many editors write it and their readers skip it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a file is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonError {
    NotAnObject,
    Duplicate,
    Encoding,
}

impl JsonError {
    /// What a person reads.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::NotAnObject => "the file is not one JSON object; repair it first",
            Self::Encoding => "the file is UTF-16 or UTF-32 text; save it as UTF-8 first",
            Self::Duplicate => "the JSON object has two members of one name; remove one first",
        }
    }
}

struct Object {
    open: usize,
    close: usize,
    members: Vec<Member>,
}

struct Member {
    name: String,
    /// Where its name's first quote stands.
    start: usize,
    value: Range<usize>,
}

/// Finds the members. The grammar is `serde_json`'s business; after its yes, only quotes and
/// brackets have to be counted.
fn scan(text: &[u8]) -> Result<Object, JsonError> {
    if keyrota_gate::other_encoding(text).is_some() {
        return Err(JsonError::Encoding);
    }
    serde_json::from_slice::<IgnoredAny>(text).map_err(|_| JsonError::NotAnObject)?;
    let open = skip_blank(text, 0);
    if text[open] != b'{' {
        return Err(JsonError::NotAnObject);
    }
    let mut members: Vec<Member> = Vec::new();
    let mut at = skip_blank(text, open + 1);
    while text[at] != b'}' {
        let start = at;
        let name_end = string_end(text, start);
        let name =
            serde_json::from_slice(&text[start..name_end]).map_err(|_| JsonError::NotAnObject)?;
        let colon = skip_blank(text, name_end);
        let first = skip_blank(text, colon + 1);
        let end = value_end(text, first);
        if members.iter().any(|m| m.name == name) {
            return Err(JsonError::Duplicate);
        }
        members.push(Member {
            name,
            start,
            value: first..end,
        });
        at = skip_blank(text, end);
        if text[at] == b',' {
            at = skip_blank(text, at + 1);
        }
    }
    Ok(Object {
        open,
        close: at,
        members,
    })
}

fn skip_blank(text: &[u8], from: usize) -> usize {
    from + text[from..]
        .iter()
        .take_while(|b| b.is_ascii_whitespace())
        .count()
}

/// The index behind the string that begins at `at`.
fn string_end(text: &[u8], mut at: usize) -> usize {
    at += 1;
    while text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The index behind the value that begins at `at`.
fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match text[at] {
            b'"' => at = string_end(text, at) - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        let ends = matches!(text[at], b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        if depth == 0 && ends {
            return at;
        }
    }
}

/// The JSON form of a text, in a buffer that never grew.
fn quote(text: &str) -> Zeroizing<Vec<u8>> {
    // One byte becomes six at most: \u0000.
    let mut out = Zeroizing::new(Vec::with_capacity(6 * text.len() + 2));
    serde_json::to_writer(&mut *out, text).expect("a text always serialises into memory");
    out
}

fn join(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(parts.concat()) // concat allocates once
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn set_text(text: &str, name: &str, value: Option<&str>) -> String {
        String::from_utf8(set(text.as_bytes(), name, value).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn members_are_set_and_removed_in_place() {
        for (before, name, value, after) in [
            ("", "A", Some("1"), "{\n  \"A\": \"1\"\n}\n"),
            ("{}", "A", Some("1"), "{\n  \"A\": \"1\"\n}"),
            ("{}", "A", None, "{}"),
            (r#"{"A":"0"}"#, "A", Some("1"), r#"{"A":"1"}"#),
            (
                r#"{"A":{"a":["}",1e999]} , "B":2}"#,
                "A",
                Some("1"),
                r#"{"A":"1" , "B":2}"#,
            ),
            (r#"{"A":true,"B":2}"#, "A", None, r#"{"B":2}"#),
            (r#"{"A":1, "B":2}"#, "B", None, r#"{"A":1}"#),
            (r#"{"A":1, "B":2, "C":3}"#, "B", None, r#"{"A":1, "C":3}"#),
            ("{ \"A\": 1 }", "A", None, "{}"),
            (
                "{\n\t\"A\": 1\n}\n",
                "B",
                Some("x"),
                "{\n\t\"A\": 1,\n\t\"B\": \"x\"\n}\n",
            ),
            (r#"{"A":0}"#, "A", Some("1"), r#"{"A":"1"}"#),
            (
                r#"{"n":12345678901234567890123,"A":null}"#,
                "A",
                Some("\n\""),
                r#"{"n":12345678901234567890123,"A":"\n\""}"#,
            ),
        ] {
            assert_eq!(set_text(before, name, value), after, "{before}");
        }
    }

    #[test]
    fn what_is_no_object_stays() {
        for (text, error) in [
            ("[]", JsonError::NotAnObject),
            ("{\"A\": ", JsonError::NotAnObject),
            ("{} {}", JsonError::NotAnObject),
            ("\"text\"", JsonError::NotAnObject),
            ("\u{feff}\u{feff}{}", JsonError::NotAnObject),
            ("{\0\"\0A\0\"\0:\x001\0}\0", JsonError::Encoding),
            (r#"{"A":1,"\u0041":2}"#, JsonError::Duplicate),
        ] {
            assert_eq!(
                set(text.as_bytes(), "A", Some("1")).err(),
                Some(error),
                "{text}"
            );
            assert_eq!(check(text.as_bytes()), Err(error), "{text}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[A-C\"\\\\]{1,3}", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_parser_agrees(document in json(), name in "[A-C]", value in proptest::option::of(".{0,12}"), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
            let Value::Object(mut expected) = document else {
                prop_assert!(set(text.as_bytes(), &name, None).is_err());
                return Ok(());
            };
            match &value {
                Some(v) => expected.insert(name.clone(), Value::from(v.clone())),
                None => expected.remove(&name),
            };
            let edited = set(text.as_bytes(), &name, value.as_deref()).unwrap();
            let marked = set(format!("\u{feff}{text}").as_bytes(), &name, value.as_deref()).unwrap();
            prop_assert_eq!(marked.strip_prefix(BYTE_ORDER_MARK), Some(&edited[..]));
            prop_assert_eq!(serde_json::from_slice::<Value>(&edited).unwrap(), Value::Object(expected));
        }
    }
}
