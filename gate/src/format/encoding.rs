//! Bytes written as text: hex, base64, base64url (RFC 4648).

use std::sync::LazyLock;

use data_encoding::{Encoding, HEXLOWER_PERMISSIVE, Specification};

use crate::problem::Fault;

pub(crate) fn hex(value: &str) -> Result<Vec<u8>, Fault> {
    HEXLOWER_PERMISSIVE.decode(value.as_bytes()).map_err(|_| {
        let wrong = value.chars().position(|c| !c.is_ascii_hexdigit());
        Fault::format(match wrong.map(|index| index + 1) {
            Some(at) => format!("character {at} is not a hexadecimal digit"),
            None => {
                "it has an odd number of hexadecimal digits: one is missing, or one too many".into()
            }
        })
    })
}

pub(crate) fn base64(value: &str) -> Result<Vec<u8>, Fault> {
    decode(value, &BASE64, &BASE64URL)
}

pub(crate) fn base64url(value: &str) -> Result<Vec<u8>, Fault> {
    decode(value, &BASE64URL, &BASE64)
}

fn decode(value: &str, form: &Form, other: &Form) -> Result<Vec<u8>, Fault> {
    let name = form.name;
    let bare = value.trim_end_matches('=');
    let padding = value.len() - bare.len();
    // What is wrong is looked for only where something is: a long key is read in one go.
    let bytes = form.encoding.decode(bare.as_bytes()).map_err(|_| {
        let Some((index, found)) = bare
            .chars()
            .enumerate()
            .find(|(_, c)| !form.symbols.contains(*c))
        else {
            return Fault::format(format!("this {name} has an impossible length: it was cut"));
        };
        let at = index + 1;
        Fault::format(match found {
            '\n' => format!(
                "it is {name} wrapped into lines: remove the line break after character {index}"
            ),
            c if other.symbols.contains(c) => {
                format!("it is {}, not {name}: character {at} shows it", other.name)
            }
            _ => format!("character {at} does not belong to {name}"),
        })
    })?;
    if padding > 0 && (padding > 2 || !value.len().is_multiple_of(4)) {
        return Err(Fault::format(format!(
            "the padding (=) at the end of this {name} is wrong: it was cut or joined"
        )));
    }
    Ok(bytes)
}

/// One of the two forms of base64.
struct Form {
    name: &'static str,
    symbols: &'static str,
    encoding: Encoding,
}

static BASE64: LazyLock<Form> = LazyLock::new(|| {
    form(
        "base64",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    )
});

static BASE64URL: LazyLock<Form> = LazyLock::new(|| {
    form(
        "base64url",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    )
});

/// Without padding, and without refusing stray bits in the last character: the decoders programs
/// use ignore them, and a token cut to length by `head -c` has them.
fn form(name: &'static str, symbols: &'static str) -> Form {
    let mut specification = Specification::new();
    specification.symbols.push_str(symbols);
    specification.check_trailing_bits = false;
    let encoding = specification.encoding();
    let encoding = encoding.expect("64 different ASCII symbols are a base64 alphabet");
    Form {
        name,
        symbols,
        encoding,
    }
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
