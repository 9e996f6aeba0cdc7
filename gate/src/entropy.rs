//! Whether a value that a random source should have drawn looks like it.
//!
//! The value is described as briefly as a few rules allow: characters of its alphabet, repetitions,
//! runs such as `1234`, and words people make secrets of. The length of that description is an upper
//! estimate of its entropy. It cannot prove randomness; it finds the values that are certainly not
//! random, and is built never to refuse one that is: random text of 16 characters needs three
//! independent coincidences of 1 in 1000 to fall below the line.

/// Below this many bits a key is within reach of a patient search.
const BITS_MIN: f64 = 80.0;
/// A random value fills its alphabet; a composed one is described by far fewer bits.
const SHARE_MIN: f64 = 0.6;
/// Longer values are judged by their beginning: the search for repetitions is quadratic.
const BYTES_JUDGED: usize = 256;
/// Shorter repetitions and runs are coincidences.
const REPEAT_MIN: usize = 4;
const WORD_BITS: f64 = 8.0;

/// Whether `value` is too predictable for a key: few bits, and far fewer than its length promises.
pub(crate) fn is_low(value: &[u8]) -> bool {
    let value = &value[..value.len().min(BYTES_JUDGED)];
    let promised = value.len() as f64 * alphabet_bits(value);
    let bits = described_bits(value);
    bits < BITS_MIN && bits < promised * SHARE_MIN
}

/// The bits per character of the smallest usual alphabet that holds the value.
fn alphabet_bits(value: &[u8]) -> f64 {
    let all = |allowed: fn(&u8) -> bool| value.iter().all(allowed);
    let size: f64 = if all(u8::is_ascii_digit) {
        10.0
    } else if all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        || all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'))
    {
        16.0
    } else if all(u8::is_ascii_lowercase) || all(u8::is_ascii_uppercase) {
        26.0
    } else if all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
        36.0
    } else if all(u8::is_ascii_alphanumeric) {
        62.0
    } else if all(|b| b.is_ascii_graphic() || *b == b' ') {
        95.0
    } else {
        256.0
    };
    size.log2()
}

fn described_bits(value: &[u8]) -> f64 {
    let literal = alphabet_bits(value);
    let mut bits = 0.0;
    let mut at = 0;
    while at < value.len() {
        let word = word_at(&value[at..]);
        let repeated = repeated_at(value, at);
        let run = run_at(&value[at..]);
        // A repetition says where and how long, a run where it starts, its step and how long.
        let (length, cost) = if repeated >= REPEAT_MIN && repeated >= word.max(run) {
            (repeated, (at as f64).log2() + (repeated as f64).log2())
        } else if run >= REPEAT_MIN && run >= word {
            (run, literal + 2.0 + (run as f64).log2())
        } else if word > 0 {
            (word, WORD_BITS)
        } else {
            (1, literal)
        };
        bits += cost.min(length as f64 * literal);
        at += length;
    }
    bits
}

/// How many bytes from `at` on also stand earlier; the two stretches may overlap.
fn repeated_at(value: &[u8], at: usize) -> usize {
    let length_from = |from: usize| {
        let pairs = value[from..].iter().zip(&value[at..]);
        pairs
            .take_while(|(earlier, later)| earlier == later)
            .count()
    };
    (0..at).map(length_from).max().unwrap_or(0)
}

/// How many bytes follow one another by a constant step of 0, 1 or -1. After `9` comes `0`.
fn run_at(rest: &[u8]) -> usize {
    let step = |from: u8, to: u8| match (from, to) {
        (b'9', b'0') => 1,
        (b'0', b'9') => -1,
        _ => i16::from(to) - i16::from(from),
    };
    let Some(first) = rest.windows(2).next().map(|pair| step(pair[0], pair[1])) else {
        return rest.len();
    };
    if first.abs() > 1 {
        return 1;
    }
    1 + rest
        .windows(2)
        .take_while(|pair| step(pair[0], pair[1]) == first)
        .count()
}

/// The length of the longest word that the rest begins with, in any case; 0 for none.
fn word_at(rest: &[u8]) -> usize {
    let begins = |word: &&&str| {
        // The first letter rules most words out for the price of one comparison.
        rest[0].to_ascii_lowercase() == word.as_bytes()[0]
            && rest.len() >= word.len()
            && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
    };
    WORDS
        .iter()
        .filter(begins)
        .map(|word| word.len())
        .max()
        .unwrap_or(0)
}

/// Words that secrets are composed of when a person makes them. Four letters at least, but for a few
/// that no such secret lacks.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const WORDS: &[&str] = &[
    "access", "admin", "apikey", "asdf", "auth", "batman", "change", "company", "cookie",
    "database", "default", "demo", "dragon", "encryption", "football", "hello", "iloveyou",
    "install", "jwt", "key", "letmein", "local", "login", "master", "monkey", "mysql",
    "passw0rd", "password", "postgres", "private", "production", "public", "qazwsx", "qwer",
    "qwerty", "random", "redis", "root", "secret", "secure", "server", "session", "sign",
    "signing", "staging", "string", "summer", "sunshine", "super", "temp", "test", "this",
    "token", "user", "very", "welcome", "winter", "with", "world", "your", "zxcv",
];

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn composed_values_are_low() {
        let values = [
            "aaaaaaaabbbbbbbb",
            "passwordpassword",
            "12345678901234567890123456789012",
            "0123456789abcdef0123456789abcdef",
            "abcabcabcabcabcabcabcabcabcabcabc",
            "abcdefghijklmnopqrstuvwxyz012345",
            "MySuperSecretJwtSigningKey2024",
            "secretsecretsecretsecretsecret12",
            "qwertyuiopqwertyuiopqwertyuiop12",
            "deadbeefdeadbeefdeadbeefdeadbeef",
            "00000000000000000000000000000001",
        ];
        for value in values {
            assert!(
                is_low(value.as_bytes()),
                "{value}: {} bits",
                described_bits(value.as_bytes())
            );
        }
    }

    #[test]
    fn others_are_not() {
        // A short value is for `min_length` to refuse; here it only must not look composed.
        for value in ["", "k", "p7Q-x2", "hR4mZk9wQ1", "9f86d081884c7d65"] {
            assert!(!is_low(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn a_description_is_never_longer_than_the_value() {
        let value = "f3a9c1d07be24856";
        assert!(described_bits(value.as_bytes()) <= 64.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn random_bytes_are_never_low(bytes in prop::collection::vec(any::<u8>(), 12..64)) {
            prop_assert!(!is_low(HEXLOWER.encode(&bytes).as_bytes()));
            prop_assert!(!is_low(BASE64.encode(&bytes).as_bytes()));
            prop_assert!(!is_low(BASE64URL_NOPAD.encode(&bytes).as_bytes()));
            prop_assert!(!is_low(&bytes));
        }

        #[test]
        fn random_words_of_any_alphabet_are_never_low(digits in "[0-9]{32}", lower in "[a-z]{20,40}", all in "[!-~]{16,40}") {
            prop_assert!(!is_low(digits.as_bytes()));
            prop_assert!(!is_low(lower.as_bytes()));
            prop_assert!(!is_low(all.as_bytes()));
        }
    }
}
