//! What the values of all kinds have in common.

use keyrota_contract::SecretValue;

/// Why a text cannot be a key or a token; a fixed sentence.
type Complaint = &'static str;

/// Whether `bytes` survive every way to a program: a variable, a line of a file, a header.
pub(super) fn check_text(bytes: &[u8]) -> Result<&str, Complaint> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the value is not UTF-8 text")?;
    if text.is_empty() {
        return Err("the value is empty");
    }
    // The newline that `echo` and editors add is the most common damage, so it has its own sentence.
    if text.trim() != text {
        return Err("the value begins or ends with a space or a line break; remove it");
    }
    if text.chars().any(char::is_control) {
        return Err("the value contains a control character");
    }
    Ok(text)
}

/// [`check_text`], no key of a pair, and nothing a person or a keyboard walk would make: see
/// [`bits_at_most`].
pub(super) fn check_unguessable(body: &str) -> Result<(), Complaint> {
    keyrota_gate::drawn(body).map_err(|unfit| unfit.why)?;
    if bits_at_most(body.as_bytes()) < UNGUESSABLE_BITS {
        return Err("the value is too short or too regular to be a key");
    }
    Ok(())
}

/// The most randomness a text can have, judged by how often each byte occurs (Shannon). It can only
/// say no: a sentence from a book passes, sixty-four equal letters do not.
pub(super) fn bits_at_most(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for b in bytes {
        counts[usize::from(*b)] += 1;
    }
    let n = bytes.len() as f64;
    counts
        .iter()
        .filter(|c| **c > 0)
        .map(|c| f64::from(*c) * (n / f64::from(*c)).log2())
        .sum()
}

/// Whether the text form of `value` passes `check`; the sentence if not.
pub(super) fn judge(
    value: &SecretValue,
    check: impl FnOnce(&str) -> Result<(), Complaint>,
) -> Result<(), Complaint> {
    value.expose_to(|bytes| check_text(bytes).and_then(check))
}

/// Below this a value can be tried out. Generated values have at least 128 bits; issuers' short
/// keys (22 base64 characters estimate to about 90) still pass.
const UNGUESSABLE_BITS: f64 = 64.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_texts_have_few_bits() {
        for (text, enough) in [
            ("", false),
            (
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                false,
            ),
            ("passwordpassword", false),
            ("abababababababababababababababab", false),
            ("9f86d081884c7d659a2feaa0c55ad015", true),
            ("Zm9vYmFyYmF6cXV4eHl6enk", true),
        ] {
            assert_eq!(check_unguessable(text).is_ok(), enough, "{text}");
        }
    }

    #[test]
    fn damaged_texts_are_named() {
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"value\n", "line break"),
            (b" value", "space"),
            (b"va\0lue", "control"),
            (b"\xff\xfe", "UTF-8"),
        ] {
            assert!(check_text(bytes).is_err_and(|c| c.contains(word)), "{word}");
        }
    }
}
