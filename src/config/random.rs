//! How many characters of which alphabet a drawn value has.

use super::model::Random;
use super::read::{Reader, Section, join};

/// Reads what a value is drawn from; too little to draw from is a problem.
pub fn random(reader: &mut Reader<'_>, s: &Section<'_>) -> Random {
    let length = s.count("length").unwrap_or(32);
    let alphabet = match alphabet(s.text("alphabet").unwrap_or("A-Za-z0-9")) {
        Ok(alphabet) => alphabet,
        Err(what) => {
            reader.error(
                s.spot_of("alphabet"),
                &join(&s.at, "alphabet"),
                what,
                "write characters and ranges: A-Za-z0-9_-",
            );
            return Random {
                length,
                alphabet: (b'a'..=b'z').collect(),
            };
        }
    };
    let per_character = f64::from(u32::try_from(alphabet.len()).unwrap_or(u32::MAX)).log2();
    if f64::from(length) * per_character < 128.0 {
        let enough = (1..=128_u32)
            .find(|n| f64::from(*n) * per_character >= 128.0)
            .unwrap_or(128);
        let at = if s.get("length").is_some() {
            "length"
        } else {
            "alphabet"
        };
        let what = format!(
            "{length} characters of {} are less than 128 bit",
            alphabet.len()
        );
        reader.error(
            s.spot_of(at),
            &join(&s.at, at),
            what,
            format!("write length = {enough} or more"),
        );
    }
    Random { length, alphabet }
}

/// Expands `A-Za-z0-9_-`: ranges within one class; a `-` at the end is itself.
fn alphabet(text: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = text.as_bytes();
    let mut set = Vec::new();
    let mut at = 0;
    while let Some(&first) = bytes.get(at) {
        let last = match (bytes.get(at + 1), bytes.get(at + 2)) {
            (Some(b'-'), Some(&last)) => {
                at += 3;
                last
            }
            _ => {
                at += 1;
                first
            }
        };
        let class = |b: u8| {
            (
                b.is_ascii_uppercase(),
                b.is_ascii_lowercase(),
                b.is_ascii_digit(),
            )
        };
        if last < first
            || (last != first
                && (class(first) != class(last) || class(first) == (false, false, false)))
        {
            return Err("has a range that is not A-Z, a-z or 0-9, or runs backwards");
        }
        set.extend(first..=last);
    }
    if set
        .iter()
        .any(|b| !b.is_ascii_graphic() || b"'\"\\`$".contains(b))
    {
        return Err("has a character that breaks in shells and environment files");
    }
    let all = set.len();
    set.sort_unstable();
    set.dedup();
    match set.len() {
        n if n < all => Err("names a character twice"),
        0 | 1 => Err("has fewer than two characters"),
        _ => Ok(set),
    }
}
