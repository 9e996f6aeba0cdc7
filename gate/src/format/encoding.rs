//! Bytes written as text: hex, base64, base64url (RFC 4648).

use std::sync::LazyLock;

use data_encoding::{Encoding, HEXLOWER_PERMISSIVE, Specification};

use crate::problem::Fault;

const BASE64_SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL_SYMBOLS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static LENIENT_BASE64: LazyLock<Encoding> = LazyLock::new(|| lenient(BASE64_SYMBOLS));
static LENIENT_BASE64URL: LazyLock<Encoding> = LazyLock::new(|| lenient(BASE64URL_SYMBOLS));

pub(crate) fn hex(value: &str) -> Result<Vec<u8>, Fault> {
    let digit = |c: char| c.is_ascii_hexdigit();
    if let Some(at) = position(value, |c| !digit(c)) {
        return Err(Fault::format(format!(
            "character {at} is not a hexadecimal digit"
        )));
    }
    let odd = || {
        Fault::format("it has an odd number of hexadecimal digits: one is missing, or one too many")
    };
    HEXLOWER_PERMISSIVE
        .decode(value.as_bytes())
        .map_err(|_| odd())
}

pub(crate) fn base64(value: &str) -> Result<Vec<u8>, Fault> {
    decode(
        value,
        &LENIENT_BASE64,
        BASE64_SYMBOLS,
        "base64",
        "-_",
        "base64url",
    )
}

pub(crate) fn base64url(value: &str) -> Result<Vec<u8>, Fault> {
    decode(
        value,
        &LENIENT_BASE64URL,
        BASE64URL_SYMBOLS,
        "base64url",
        "+/",
        "base64",
    )
}

fn decode(
    value: &str,
    encoding: &Encoding,
    symbols: &str,
    name: &str,
    siblings_symbols: &str,
    sibling: &str,
) -> Result<Vec<u8>, Fault> {
    let bare = value.trim_end_matches('=');
    let padding = value.len() - bare.len();
    if let Some(at) = position(bare, |c| !symbols.contains(c)) {
        let found = bare.chars().nth(at - 1);
        return Err(Fault::format(match found {
            Some(c) if siblings_symbols.contains(c) => {
                format!("it is {sibling}, not {name}: character {at} shows it")
            }
            Some('\n') => format!(
                "it is {name} wrapped into lines: remove the line break after character {}",
                at - 1
            ),
            _ => format!("character {at} does not belong to {name}"),
        }));
    }
    if padding > 0 && (padding > 2 || !value.len().is_multiple_of(4)) {
        return Err(Fault::format(format!(
            "the padding (=) at the end of this {name} is wrong: it was cut or joined"
        )));
    }
    let cut = || Fault::format(format!("this {name} has an impossible length: it was cut"));
    encoding.decode(bare.as_bytes()).map_err(|_| cut())
}

/// The 1-based position of the first character that `is` true of.
fn position(value: &str, is: impl Fn(char) -> bool) -> Option<usize> {
    value.chars().position(is).map(|index| index + 1)
}

/// Without padding, and without refusing stray bits in the last character: the decoders programs
/// use ignore them, and a token cut to length by `head -c` has them.
fn lenient(symbols: &str) -> Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str(symbols);
    specification.check_trailing_bits = false;
    specification
        .encoding()
        .expect("64 different ASCII symbols are a base64 alphabet")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Decoder = fn(&str) -> Result<Vec<u8>, Fault>;

    #[test]
    fn sound_text_is_decoded() {
        let cases: [(Decoder, &str, &[u8]); 9] = [
            (hex, "00ff", &[0, 255]),
            (hex, "00FF", &[0, 255]),
            (base64, "+/8=", &[251, 255]),
            (base64, "+/8", &[251, 255]),
            (base64, "+/9", &[251, 255]),
            (base64, "AAAA", &[0, 0, 0]),
            (base64url, "-_8", &[251, 255]),
            (base64url, "-_8=", &[251, 255]),
            (base64url, "", &[]),
        ];
        for (decode, text, bytes) in cases {
            assert_eq!(decode(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn faults_are_told_by_position() {
        let cases: [(Decoder, &str, &str); 9] = [
            (hex, "00fg", "character 4 is not a hexadecimal digit"),
            (hex, "0x00", "character 2 is not a hexadecimal digit"),
            (
                hex,
                "00f",
                "it has an odd number of hexadecimal digits: one is missing, or one too many",
            ),
            (
                base64,
                "ab-d",
                "it is base64url, not base64: character 3 shows it",
            ),
            (
                base64url,
                "ab/d",
                "it is base64, not base64url: character 3 shows it",
            ),
            (
                base64,
                "abcd\nabcd",
                "it is base64 wrapped into lines: remove the line break after character 4",
            ),
            (base64, "ab!d", "character 3 does not belong to base64"),
            (
                base64,
                "abc==",
                "the padding (=) at the end of this base64 is wrong: it was cut or joined",
            ),
            (
                base64,
                "abcde",
                "this base64 has an impossible length: it was cut",
            ),
        ];
        for (decode, text, remedy) in cases {
            assert_eq!(decode(text), Err(Fault::format(remedy)), "{text}");
        }
    }
}
