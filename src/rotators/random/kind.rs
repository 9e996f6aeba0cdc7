//! `kind = "random"` in a schedule.

use std::sync::Arc;

use keyrota_contract::Rotator;
use keyrota_gate::Rule;

use super::Random;
use crate::config::keys::{ORIGIN, TURNS, WHEN_ABSENT};
use crate::config::read::{Count, Reader, Section};
use crate::config::registry::{
    BuildingSecret, NOT_TAKEN, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
};
use crate::table;

/// A random token.
pub static KIND: SecretKind = SecretKind {
    word: "random",
    keys: &[Keys::KEYS, TURNS, ORIGIN, WHEN_ABSENT],
    read,
};

table! {
    /// What a value is drawn from.
    pub struct Keys<'t> {
        /// Characters. With the alphabet they make at least 128 bit.
        default("32") length: Count<1, 4096>,
        /// Characters and ranges, as in A-Za-z0-9_-.
        default("A-Za-z0-9") alphabet: &'t str,
    }
}

/// What a value is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Characters.
    pub length: usize,
    /// ASCII, each once, sorted.
    pub alphabet: Vec<u8>,
}

impl Drawn {
    /// What the gate asks of a variable that holds it.
    pub fn rule(&self) -> Rule {
        Rule {
            min_length: Some(self.length),
            random: true,
            ..Rule::new("")
        }
    }
}

fn read(reader: &mut Reader<'_>, s: &Section<'_>, _: &ReadingSecret<'_>) -> SecretRead {
    let drawn = drawn(reader, s);
    SecretRead {
        facts: SecretFacts::new(&["value"], drawn.rule()),
        settings: Arc::new(drawn),
    }
}

impl SecretSettings for Drawn {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        let random = Random::new(self.length, self.alphabet.clone());
        Ok(Box::new(random.map_err(|_| NOT_TAKEN)?))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        Vec::new()
    }
}

/// Reads what a value is drawn from; too little to draw from is a problem.
pub fn drawn(reader: &mut Reader<'_>, s: &Section<'_>) -> Drawn {
    let keys = Keys::read(s);
    let length = keys.length.0;
    let alphabet = match alphabet(&keys.alphabet) {
        Ok(alphabet) => alphabet,
        Err(what) => {
            let help = "write characters and ranges: A-Za-z0-9_-";
            reader.refuse(&keys.alphabet, what, help);
            return Drawn {
                length: length as usize,
                alphabet: (b'a'..=b'z').collect(),
            };
        }
    };
    let per_character = f64::from(u32::try_from(alphabet.len()).unwrap_or(u32::MAX)).log2();
    if f64::from(length) * per_character < 128.0 {
        let enough = (1..=128_u32)
            .find(|n| f64::from(*n) * per_character >= 128.0)
            .unwrap_or(128);
        let what = format!(
            "{length} characters of {} are less than 128 bit",
            alphabet.len()
        );
        let help = format!("write length = {enough} or more");
        match keys.length.is_stated {
            true => reader.refuse(&keys.length, what, help),
            false => reader.refuse(&keys.alphabet, what, help),
        }
    }
    Drawn {
        length: length as usize,
        alphabet,
    }
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
