//! What a child says, without the values it was given.
//!
//! A program that was handed a value may print it, as it stands or encoded. Its words go to the log
//! only after every known form of every known value was replaced.

use std::collections::BTreeMap;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use keyrota_contract::SecretValue;
use serde_json::Value;
use zeroize::Zeroizing;

/// All forms of the values that a program was given.
pub(crate) struct Scrubber(Vec<Zeroizing<Vec<u8>>>);

impl Scrubber {
    /// Knows these values.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a SecretValue>) -> Self {
        let mut forms = Vec::new();
        for value in values {
            value.expose_to(|bytes| {
                add_forms(&mut forms, bytes);
                // Shells and loggers split text at line breaks; a line of a PEM key is most of it.
                for line in bytes
                    .split(|b| *b == b'\n')
                    .filter(|l| l.len() >= LINE_BYTES_MIN)
                {
                    add_forms(&mut forms, line);
                }
                for text in texts_of_json(bytes) {
                    add_forms(&mut forms, text.as_bytes());
                }
            });
        }
        // The longest first: a short form must not cut a hole into a longer one.
        forms.sort_by_key(|f| std::cmp::Reverse(f.len()));
        forms.dedup();
        Self(forms)
    }

    /// `said` as printable text. If it was `cut`, its end goes too, as far as a value could be
    /// lying across it.
    pub(crate) fn clean(&self, said: &[u8], cut: bool) -> String {
        let longest = self.0.first().map_or(0, |f| f.len());
        let certain = if cut {
            said.len().saturating_sub(longest)
        } else {
            said.len()
        };
        let mut out = Vec::with_capacity(said.len());
        let mut at = 0;
        while at < said.len() {
            match self.0.iter().find(|form| said[at..].starts_with(form)) {
                Some(form) => {
                    out.extend_from_slice(MASK);
                    at += form.len();
                }
                None if at >= certain => break,
                None => {
                    out.push(said[at]);
                    at += 1;
                }
            }
        }
        if cut {
            out.extend_from_slice(b" [cut]");
        }
        String::from_utf8_lossy(&out).escape_debug().collect()
    }
}

/// The texts that a value consists of or is handed over as: the members of a JWK, of which some are
/// the key, and the value as the child gets it, inside a JSON document.
fn texts_of_json(bytes: &[u8]) -> Vec<Zeroizing<String>> {
    let members = serde_json::from_slice::<BTreeMap<String, Value>>(bytes).unwrap_or_default();
    let mut texts: Vec<_> = members
        .into_values()
        .filter_map(|member| match member {
            Value::String(text) if text.len() >= LINE_BYTES_MIN => Some(Zeroizing::new(text)),
            _ => None,
        })
        .collect();
    if let Some(quoted) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| serde_json::to_string(text).ok().map(Zeroizing::new))
    {
        texts.push(Zeroizing::new(quoted[1..quoted.len() - 1].to_owned()));
    }
    texts
}

fn add_forms(forms: &mut Vec<Zeroizing<Vec<u8>>>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let mut add = |form: Vec<u8>| forms.push(Zeroizing::new(form));
    add(bytes.to_vec());
    for encoding in [
        BASE64,
        BASE64_NOPAD,
        BASE64URL,
        BASE64URL_NOPAD,
        HEXLOWER,
        HEXUPPER,
    ] {
        add(encoding.encode(bytes).into_bytes());
    }
    // Encoded together with what stands around it, a value keeps one of three middles.
    for offset in 0..3 {
        let padded = Zeroizing::new([&[0; 2][..offset], bytes].concat());
        let whole = padded.len() / 3 * 3;
        let mixed = (offset * 8).div_ceil(6);
        for encoding in [BASE64, BASE64URL] {
            let encoded = Zeroizing::new(encoding.encode(&padded[..whole]));
            let middle = encoded.as_bytes().get(mixed..).unwrap_or_default();
            if middle.len() >= LINE_BYTES_MIN {
                add(middle.to_vec());
            }
        }
    }
    for hex in [b"0123456789ABCDEF", b"0123456789abcdef"] {
        add(percent(bytes, hex));
    }
    if let Some(json) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|t| serde_json::to_vec(t).ok())
    {
        add(json[1..json.len() - 1].to_vec());
    }
}

/// RFC 3986: everything but unreserved characters.
fn percent(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 * bytes.len());
    for b in bytes {
        if b.is_ascii_alphanumeric() || b"-._~".contains(b) {
            out.push(*b);
        } else {
            out.extend([
                b'%',
                digits[usize::from(b >> 4)],
                digits[usize::from(b & 15)],
            ]);
        }
    }
    out
}

const MASK: &[u8] = b"[redacted]";
/// Shorter lines are armour, braces and blanks, whose loss would make the text unreadable.
const LINE_BYTES_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn knowing(values: &[&str]) -> Scrubber {
        let values: Vec<_> = values
            .iter()
            .map(|v| SecretValue::copy_of(v.as_bytes()))
            .collect();
        Scrubber::new(&values)
    }

    #[test]
    fn a_value_encoded_with_its_surroundings_is_replaced() {
        let value = "hunter2-and-more-of-it/+?";
        let scrubber = knowing(&[value]);
        for before in ["", "x", "xy", "xyz", "A="] {
            let text = format!("{before}{value} and so on");
            for encoding in [BASE64, BASE64URL] {
                let said = encoding.encode(text.as_bytes());
                let clean = scrubber.clean(said.as_bytes(), false);
                let left = clean.replace("[redacted]", "").len();
                // What goes with the surroundings in one group of three bytes may stay.
                assert!(left <= said.len() - value.len() + 2, "{clean}");
            }
        }
    }

    #[test]
    fn every_form_of_a_value_is_replaced() {
        let value = "p@ss/w\"örd+?>";
        let scrubber = knowing(&[value]);
        for form in [
            value.to_owned(),
            BASE64.encode(value.as_bytes()),
            BASE64URL_NOPAD.encode(value.as_bytes()),
            HEXLOWER.encode(value.as_bytes()),
            HEXUPPER.encode(value.as_bytes()),
            "p%40ss%2Fw%22%C3%B6rd%2B%3F%3E".to_owned(),
            "p%40ss%2fw%22%c3%b6rd%2b%3f%3e".to_owned(),
            "p@ss/w\\\"örd+?>".to_owned(),
        ] {
            let said = format!("before {form} and {form} after");
            let clean = scrubber.clean(said.as_bytes(), false);
            assert_eq!(clean, "before [redacted] and [redacted] after", "{form}");
        }
    }

    #[test]
    fn single_lines_of_a_long_value_are_replaced() {
        let scrubber = knowing(&["-----BEGIN\nMC4CAQAwBQYDK2Vw\n\n-----END"]);
        assert_eq!(
            scrubber.clean(b"+ echo MC4CAQAwBQYDK2Vw", false),
            "+ echo [redacted]"
        );
    }

    #[test]
    fn a_value_that_contains_another_goes_whole() {
        let scrubber = knowing(&["abc", "xxabcxx"]);
        assert_eq!(
            scrubber.clean(b"xxabcxx abc", false),
            "[redacted] [redacted]"
        );
    }

    #[test]
    fn half_a_value_at_the_cut_goes_too() {
        let scrubber = knowing(&["CANARY-0123456789"]);
        let said = b"a long line of words, then some more of them, and then CANARY-0123";
        let clean = scrubber.clean(said, true);
        assert!(
            !clean.contains("CANARY") && clean.starts_with("a long line"),
            "{clean}"
        );
        // A whole one across the certain end is a whole one.
        let said = b"a long line of words, then some more of them, and then CANARY-0123456789";
        assert!(!scrubber.clean(said, true).contains("CANARY"));
    }

    #[test]
    fn control_characters_cannot_forge_log_lines() {
        assert_eq!(
            knowing(&[]).clean(b"a\n\x1b[2Jb\xff", false),
            "a\\n\\u{1b}[2Jb\u{fffd}"
        );
    }
}
