//! Characters that look like ASCII and are not, and text that is not UTF-8.
//!
//! A page of documentation, a word processor or a keyboard of another script puts them into files. The
//! programs that read those files see a word they do not know, and so does a person who reads it.

use std::fmt;

/// A character that a person takes for an ASCII one, or does not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// The character.
    pub found: char,
    /// The ASCII character it resembles; `None` for one that shows nothing.
    pub meant: Option<char>,
}

impl Unusual {
    /// What `c` is, unless it is an ordinary character.
    pub fn of(c: char) -> Option<Self> {
        let code = u32::from(c);
        let meant = match c {
            ' '..='~' | '\t' | '\n' | '\r' => return None,
            '\u{ad}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => None,
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(code - 0xfee0),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => Some('-'),
            '\u{2018}' | '\u{2019}' | '\u{201b}' => Some('\''),
            '\u{201c}'..='\u{201f}' => Some('"'),
            '\u{2217}' | '\u{204e}' => Some('*'),
            '\u{2044}' | '\u{2215}' => Some('/'),
            '\u{201a}' => Some(','),
            // Python and the JVM take the four separators of ASCII for white space.
            c if c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c) => Some(' '),
            _ => Some(digit(code)?),
        };
        Some(Self { found: c, meant })
    }

    /// The first one in a text, and its byte.
    pub fn first_in(text: &str) -> Option<(usize, Self)> {
        let mut characters = text.char_indices();
        characters.find_map(|(at, c)| Some((at, Self::of(c)?)))
    }

    /// Whether it is white space.
    pub fn is_space(self) -> bool {
        self.meant == Some(' ')
    }
}

impl fmt::Display for Unusual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}, ", u32::from(self.found))?;
        match self.meant {
            None => f.write_str("an invisible character"),
            Some(' ') => f.write_str("a space that is not ASCII"),
            Some(c) if c.is_ascii_digit() => write!(f, "a digit that is not ASCII's {c}"),
            Some(c) => write!(f, "a character that is not ASCII's {c}"),
        }
    }
}

/// The encoding of a text that is not UTF-8, where its first bytes show one.
pub fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    // Of ASCII in UTF-16, every other byte is zero.
    let start = &bytes[..bytes.len().min(256)];
    let zeros = |odd: usize| {
        start
            .iter()
            .skip(odd)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let pairs = start.len() / 2;
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => Some("UTF-32LE"),
        [0, 0, 0xfe, 0xff, ..] => Some("UTF-32BE"),
        [0xff, 0xfe, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] => Some("UTF-16BE"),
        _ if pairs > 1 && zeros(0) == 0 && 2 * zeros(1) > pairs => Some("UTF-16LE"),
        _ if pairs > 1 && zeros(1) == 0 && 2 * zeros(0) > pairs => Some("UTF-16BE"),
        _ => None,
    }
}

/// The ASCII digit of the same value.
fn digit(code: u32) -> Option<char> {
    let zero = ZEROS.iter().rev().find(|zero| **zero <= code)?;
    char::from_digit(code - zero, 10)
}

/// The zero of every script that has decimal digits of its own (Unicode category Nd), ascending; the
/// digits from one to nine follow each.
#[rustfmt::skip] // a table of numbers reads better in lines than in a column
const ZEROS: [u32; 65] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_look_like_ascii_are_named() {
        for (found, meant, name) in [
            ('\u{a0}', Some(' '), "U+00A0, a space that is not ASCII"),
            ('\u{2003}', Some(' '), "U+2003, a space that is not ASCII"),
            ('\u{3000}', Some(' '), "U+3000, a space that is not ASCII"),
            ('\u{b}', Some(' '), "U+000B, a space that is not ASCII"),
            ('\u{feff}', None, "U+FEFF, an invisible character"),
            ('\u{200b}', None, "U+200B, an invisible character"),
            ('٣', Some('3'), "U+0663, a digit that is not ASCII's 3"),
            ('۹', Some('9'), "U+06F9, a digit that is not ASCII's 9"),
            ('५', Some('5'), "U+096B, a digit that is not ASCII's 5"),
            ('０', Some('0'), "U+FF10, a digit that is not ASCII's 0"),
            ('𝟙', Some('1'), "U+1D7D9, a digit that is not ASCII's 1"),
            ('＊', Some('*'), "U+FF0A, a character that is not ASCII's *"),
            ('–', Some('-'), "U+2013, a character that is not ASCII's -"),
            ('’', Some('\''), "U+2019, a character that is not ASCII's '"),
        ] {
            let unusual = Unusual::of(found).expect(name);
            assert_eq!((unusual.meant, unusual.to_string().as_str()), (meant, name));
        }
        for ordinary in "aZ09 \t*,-/'\"äßж中²½Ⅷ".chars() {
            assert_eq!(Unusual::of(ordinary), None, "{ordinary:?}");
        }
    }

    #[test]
    fn every_digit_of_every_script_has_its_value() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for value in 0..10 {
                let digit = char::from_u32(zero + value).expect("a digit");
                assert!(digit.is_numeric(), "{digit:?}");
                let meant = Unusual::of(digit).and_then(|unusual| unusual.meant);
                assert_eq!(meant, char::from_digit(value, 10), "{digit:?}");
            }
        }
    }

    #[test]
    fn encodings_are_told_from_text() {
        let text = "# änd\r\nA=b\r\nÖ=中\n";
        let units = || text.encode_utf16();
        let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
        assert_eq!(other_encoding(&little), Some("UTF-16LE"));
        assert_eq!(other_encoding(&big), Some("UTF-16BE"));
        assert_eq!(other_encoding(b"\xff\xfeA\0"), Some("UTF-16LE"));
        assert_eq!(other_encoding(b"\xfe\xff\0A"), Some("UTF-16BE"));
        assert_eq!(other_encoding(b"\xff\xfe\0\0A\0\0\0"), Some("UTF-32LE"));
        assert_eq!(other_encoding(b"\0\0\xfe\xff\0\0\0A"), Some("UTF-32BE"));
        for text in [text, "", "A", "A=\0", "A=b\0c", "\u{feff}A=b", "\0\0\0\0\0"] {
            assert_eq!(other_encoding(text.as_bytes()), None, "{text:?}");
        }
    }
}
