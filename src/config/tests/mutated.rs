//! Files that a slip of the hand made: nothing panics, and no value is repeated.

use proptest::prelude::*;

use super::{kinds, outputs, read, rendered};
use crate::config::Source;
use crate::config::host;

const FILES: &[&str] = &[
    include_str!("../../../schedules/development.toml"),
    include_str!("../../../schedules/production.toml"),
    include_str!("planted.toml"),
];

/// What a person might paste; every part of it must stay inside.
fn pasted() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Zq9-hunter2-canary".to_owned()),
        "Zq9[A-Za-z0-9+/]{21}canary=",
        "postgres://app:Zq9[a-z]{6}canary@db/app",
        Just("Zq9 canary with spaces".to_owned()),
    ]
}

/// Replaces a value, a piece of a line, or cuts the file off.
fn mutate(text: &str, line: usize, how: u8, paste: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = line % lines.len();
    let (key, rest) = lines[at].split_once('=').unwrap_or((lines[at], ""));
    let changed = match how {
        0 => format!("{key}= \"{paste}\""),
        1 => format!("{key}= {paste}"),
        2 => format!("{key}= '{paste}' {rest}"),
        3 => format!("{key}= \"\"\"{paste}"),
        4 => format!("{key}= [\"{paste}\", {{ credential = \"{paste}\" }}]"),
        5 => format!("{key}{rest} # {paste}"),
        6 => format!("{}\n{paste}", lines[at]),
        7 => format!("{}\nunheard_of = \"{paste}\"", lines[at]),
        8 => format!("{key}= {{ x = \"{paste}\" }}"),
        _ => format!("{key}= \"{paste}"),
    };
    let mut lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
    lines[at] = changed;
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_value_is_repeated(file in 0..3usize, line in 0..200usize, how in 0..10u8, paste in pasted()) {
        let text = mutate(FILES[file], line, how, &paste);
        let (_, problems) = read("production", &text);
        let shown = outputs("production", &text, &problems);
        for part in ["canary", "hunter2"] {
            prop_assert!(!shown.contains(part), "{part} leaves:\n{shown}");
        }
        if paste.contains('@') {
            prop_assert!(!problems.is_empty(), "a password in a URL is refused");
        }
    }

    #[test]
    fn nothing_panics(file in 0..3usize, from in any::<prop::sample::Index>(), length in 0..40usize, with in ".{0,6}") {
        let mut characters: Vec<char> = FILES[file].chars().collect();
        let from = from.index(characters.len());
        let to = (from + length).min(characters.len());
        characters.splice(from..to, with.chars());
        let text: String = characters.into_iter().collect();
        let (_, problems) = read("production", &text);
        let _ = outputs("production", &text, &problems);
    }

    #[test]
    fn a_hosts_file_neither(text in "([a-z_]{1,14} = (\"[ -~]{0,12}\"|[0-9]{1,3}|\\{ [a-z]{3,6} = \"x\" \\})\n|.{0,8}\n){0,6}") {
        let source = Source::new("keyrota.toml", text.as_str());
        let (_, problems) = host::decode(&source, &kinds());
        let _ = rendered(&problems, &[source]);
    }
}
