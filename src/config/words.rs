//! The small languages inside strings: durations, times of day, modes, owners, templates, names.

use std::time::Duration;

use jiff::civil;
use keyrota_gate::Unusual;

use super::keys::Ty;
use super::plain::{did_you_mean, meant};
use super::values::{Part, Template};

/// What is wrong and what to write.
pub type Complaint = (String, String);

const UNITS: &[(&str, u64)] = &[
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 86_400),
    ("w", 604_800),
];

/// Longer than any schedule a person means; keeps every sum far from overflow.
const DURATION_MAX: Duration = Duration::from_secs(20 * 366 * 86_400);

/// Checks text against a type: `Err(None)` if text is the wrong type altogether. `shown` quotes a wrong
/// word if it may be shown.
pub fn check(ty: &Ty, text: &str, shown: &dyn Fn(&str) -> String) -> Result<(), Option<Complaint>> {
    let complain = |what: &str, help: &str| Err(Some((what.to_owned(), help.to_owned())));
    let sound: &dyn Fn(&str) -> bool = match ty {
        Ty::Duration => &|text| duration(text).is_ok(),
        Ty::Clock => &|text| clock(text).is_some(),
        _ => &|_| false,
    };
    if let Some(complaint) = unusual(text, sound) {
        return Err(Some(complaint));
    }
    match ty {
        Ty::Text if text.is_empty() => {
            complain("is empty", "write something, or leave the key out")
        }
        Ty::Text => Ok(()),
        Ty::Word(words) if words.contains(&text) => Ok(()),
        Ty::Word(words) => {
            let what = format!("there is no choice {}", shown(text));
            Err(Some((
                what,
                meant(
                    did_you_mean(text, words.iter().copied()),
                    &format!("write one of {}", words.join(", ")),
                ),
            )))
        }
        Ty::Duration => duration(text).map(|_| ()).map_err(|what| {
            Some((
                what.to_owned(),
                "write a whole number and a unit: 90s 10m 24h 7d 12w".to_owned(),
            ))
        }),
        Ty::Clock if clock(text).is_some() => Ok(()),
        Ty::Clock => complain("is not a time of day", "write hours and minutes: \"02:00\""),
        Ty::Variable if is_variable(text) => Ok(()),
        Ty::Variable => complain(
            "is not a variable's name",
            "use letters, digits and _, not starting with a digit: DATABASE_URL",
        ),
        Ty::Template => template(text).map(|_| ()).map_err(|what| {
            Some((
                what.to_owned(),
                "write {value} or another {field}; {{ and }} are braces".to_owned(),
            ))
        }),
        Ty::Mode if mode(text).is_some() => Ok(()),
        Ty::Mode => complain(
            "is not a file mode",
            "write octal permission bits: \"0600\"",
        ),
        Ty::Owner if is_owner(text) => Ok(()),
        Ty::Owner => complain("is not an owner", "write \"user:group\""),
        _ => Err(None),
    }
}

/// What a type is called.
pub fn noun(ty: &Ty) -> &'static str {
    match ty {
        Ty::Count(..) => "a whole number",
        Ty::Flag => "true or false",
        Ty::Moment => "a date",
        Ty::List(_) => "a list",
        Ty::Table(_) | Ty::Map(_) | Ty::Kinds(_) => "a table",
        Ty::Reference => "a reference",
        Ty::Either(..) => "text or a table",
        Ty::Duration => "a duration in quotes",
        _ => "text",
    }
}

/// How a type is written.
pub fn example(ty: &Ty) -> String {
    match ty {
        Ty::Word(words) => words
            .iter()
            .map(|w| format!("\"{w}\""))
            .collect::<Vec<_>>()
            .join(" or "),
        Ty::Duration => "\"10m\" (units s m h d w)".to_owned(),
        Ty::Count(min, _) => min.to_string(),
        Ty::Flag => "true or false, without quotes".to_owned(),
        Ty::Moment => "2026-11-29, without quotes".to_owned(),
        Ty::Clock => "\"02:00\"".to_owned(),
        Ty::Variable => "\"NAME\"".to_owned(),
        Ty::Template => "\"{value}\"".to_owned(),
        Ty::Mode => "\"0600\"".to_owned(),
        Ty::Owner => "\"user:group\"".to_owned(),
        Ty::Reference => "{ credential = \"name\" }".to_owned(),
        Ty::List(of) => format!("[{}]", example(of)),
        Ty::Either(text, table) => format!("{} or {}", example(text), example(table)),
        Ty::Map(of) => format!("{{ NAME = {} }}", example(of)),
        Ty::Table(_) | Ty::Kinds(_) => "a table".to_owned(),
        Ty::Text | Ty::NotBuiltIn(_) => "\"…\"".to_owned(),
    }
}

/// Digits and spaces of another script in what is sound otherwise: only then is it repeated.
fn unusual(text: &str, sound: &dyn Fn(&str) -> bool) -> Option<Complaint> {
    let (_, first) = Unusual::first_in(text)?;
    let plain = text.chars().filter_map(|c| match Unusual::of(c) {
        None => Some(c),
        Some(unusual) => unusual.meant.filter(|_| !unusual.is_space()),
    });
    let plain: String = plain.collect();
    sound(&plain).then(|| (format!("has {first}"), format!("write \"{plain}\"")))
}

/// `90s 10m 24h 7d 12w`.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("is not a duration");
    }
    if unit.is_empty() {
        return Err("a duration needs a unit");
    }
    let seconds = UNITS
        .iter()
        .find(|(u, _)| *u == unit)
        .map(|(_, s)| *s)
        .ok_or("is not a duration: one number, one unit")?;
    let total = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(seconds))
        .map(Duration::from_secs);
    total
        .filter(|d| *d <= DURATION_MAX)
        .ok_or("is longer than twenty years")
}

/// A duration as a file would say it: one unit, rounded up where nobody counts that finely.
pub fn write_duration(d: Duration) -> String {
    let mut seconds = d.as_secs() + u64::from(d.subsec_nanos() > 0);
    for (_, size) in UNITS {
        if seconds > 60 * size {
            seconds = seconds.div_ceil(*size) * size;
        }
    }
    let fits = |(_, size): &&(&str, u64)| seconds > 0 && seconds.is_multiple_of(*size);
    let (unit, size) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
    format!("{}{unit}", seconds / size)
}

/// A duration for people: `7d 11m`.
pub fn say_duration(d: Duration) -> String {
    let mut seconds = d.as_secs();
    let mut said = Vec::new();
    for (unit, size) in UNITS.iter().rev().skip(1).filter(|_| d.as_secs() > 0) {
        if seconds >= *size {
            said.push(format!("{}{unit}", seconds / size));
            seconds %= size;
        }
    }
    if said.is_empty() {
        "0s".to_owned()
    } else {
        said.join(" ")
    }
}

/// `HH:MM`; `24:00` is written `00:00`.
pub fn clock(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |t: &str| {
        (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit()))
            .then(|| t.parse::<i8>().ok())
            .flatten()
    };
    civil::Time::new(two(hour)?, two(minute)?, 0, 0).ok()
}

/// `[A-Za-z_][A-Za-z0-9_]*`, at most 128.
pub fn is_variable(text: &str) -> bool {
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Names of environments, secrets, providers, programs: they become paths, labels and files.
pub fn is_name(text: &str) -> bool {
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// Octal permission bits; never set-id, never writable by others.
pub fn mode(text: &str) -> Option<u32> {
    let digits = text.len() == 4 && text.starts_with('0') || text.len() == 3;
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|_| digits && text.bytes().all(|b| b.is_ascii_digit()))
}

/// `user:group`, names or numbers.
fn is_owner(text: &str) -> bool {
    let sound = |t: &str| {
        !t.is_empty()
            && t.len() <= 32
            && t.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && !t.starts_with('-')
    };
    text.split_once(':')
        .is_some_and(|(user, group)| sound(user) && sound(group))
}

/// Text with `{field}`.
pub fn template(text: &str) -> Result<Template, &'static str> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => {
                chars.next();
                literal.push(c);
            }
            '{' => {
                let mut field = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some(c) if c.is_ascii_alphanumeric() || c == '_' => field.push(c),
                        _ => return Err("has a { that does not begin a field"),
                    }
                }
                if field.is_empty() {
                    return Err("has a field without a name");
                }
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Field(field));
            }
            '}' => return Err("has a } that ends no field"),
            c => literal.push(c),
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(Template { parts })
}

/// Whether a key is called like a secret; what stands there must not be shown.
pub fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "api_key",
        "apikey",
        "private_key",
        "credential",
    ]
    .iter()
    .any(|word| key.contains(word))
        || ["key", "pwd", "pass", "value", "seed", "pin"].contains(&key.as_str())
}

/// An address that keyrota may speak to: https, or http on this host.
pub fn is_url(url: &str) -> bool {
    let host_of = |rest: &str| {
        rest.split(['/', '?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let sound = !url.contains([' ', '#', '@']) && url.is_ascii();
    let local = |host: &str| ["localhost", "127.0.0.1", "[::1]"].contains(&host);
    match url.split_once("://") {
        Some(("https", rest)) => sound && !host_of(rest).is_empty(),
        Some(("http", rest)) => {
            let host = host_of(rest);
            let bare = host
                .rsplit_once(':')
                .filter(|(_, port)| port.parse::<u16>().is_ok())
                .map_or(host.as_str(), |(h, _)| h);
            sound && local(bare)
        }
        _ => false,
    }
}
