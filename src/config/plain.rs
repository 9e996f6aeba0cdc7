//! Which words of a file may be repeated in a message, and which word of ours was meant.

/// What stands for a masked value, whatever its length.
pub(super) const MASK: char = '…';

/// Whether a value may be shown: `words`, which are our own, and near misses of them, numbers of up to
/// four digits with a unit, times of day, dates, cron fields, `@` names, `{fields}`.
pub fn is_plain(value: &str, words: &[&str]) -> bool {
    if value.is_empty() || value.len() > 40 {
        return value.is_empty();
    }
    let digits = value.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let quantity =
        digits.len() <= 4 && value.len() - digits.len() <= 3 && all(digits, |c| c.is_ascii_digit());
    let clock = value.len() <= 16
        && value.contains(['-', ':'])
        && all(value, |c| c.is_ascii_digit() || "-:T".contains(c));
    let cron = value.contains('*')
        && value.contains(' ')
        && all(value, |c| c.is_ascii_digit() || "*/,- ".contains(c));
    let fields = value.starts_with('{') && is_field_only(value);
    quantity || clock || cron || fields || words.iter().any(|word| near(value, word))
}

/// A name from a file as it may stand in a message; long or random ones are not repeated.
pub fn name(name: &str) -> String {
    if is_name(name) {
        name.to_owned()
    } else {
        MASK.to_string()
    }
}

/// The best of `known` for something misspelt.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let score = |word: &&str| strsim::damerau_levenshtein(&wrong, &word.to_lowercase());
    // A word that is much longer or shorter is further away than any that would do.
    let near = |word: &&str| wrong.len().abs_diff(word.len()) <= 3 + word.len() / 2;
    let best = known.into_iter().filter(near).min_by_key(score)?;
    (score(&best) <= 1 + best.len() / 4 && score(&best) < best.len()).then_some(best)
}

fn near(value: &str, word: &str) -> bool {
    let ours = || all(value, |c| c.is_ascii_alphanumeric() || "-_@".contains(c));
    value == word
        || (word.len() >= 4
            && value.len().abs_diff(word.len()) <= 2
            && ours()
            && strsim::damerau_levenshtein(value, word) <= 2)
}

fn all(text: &str, f: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(f)
}

pub(super) fn is_name(word: &str) -> bool {
    let plain = word.len() <= 48 && all(word, |c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let mixed = word.chars().any(|c| c.is_ascii_lowercase())
        && word.chars().any(|c| c.is_ascii_uppercase());
    plain && !(word.len() >= 16 && (digits >= 4 || (mixed && digits > 0)))
}

/// The best guess, or else what can be written.
pub fn meant(guess: Option<&str>, otherwise: &str) -> String {
    guess.map_or_else(
        || otherwise.to_owned(),
        |guess| format!("did you mean \"{guess}\"?"),
    )
}

/// Whether a template is made of `{fields}` alone.
fn is_field_only(text: &str) -> bool {
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('{') {
        let Some((field, after)) = inner.split_once('}') else {
            return false;
        };
        if ![
            "value",
            "kid",
            "fallback",
            "username",
            "password",
            "host",
            "port",
            "environment",
            "secret",
        ]
        .contains(&field)
        {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
