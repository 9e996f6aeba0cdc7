//! One file with many mistakes: all are told in one run, each where it stands, none with a value.

use super::{lines, outputs, read, rendered};
use crate::config::Source;

const FILE: &str = include_str!("planted.toml");
/// What a person sees. After a change of wording: KEYROTA_WRITE_EXPECTED=1, then read the diff.
const SHOWN: &str = include_str!("planted.txt");

#[test]
#[cfg_attr(
    not(all(feature = "aws", feature = "vault")),
    ignore = "what is shown is said by a build with every provider"
)]
fn everything_is_told_at_once() {
    let (_, problems) = read("production", FILE);
    let sources = [Source::new("schedules/production.toml", FILE)];
    let text = rendered(&problems, &sources);
    if std::env::var_os("KEYROTA_WRITE_EXPECTED").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/planted.txt"),
            &text,
        )
        .unwrap();
    } else {
        assert!(text == SHOWN, "{text}");
    }
    // Every line of the file that ends in a mark is told, and no other.
    let marked: Vec<u32> = (1..)
        .zip(FILE.lines())
        .filter(|(_, l)| l.ends_with("# !"))
        .map(|(n, _)| n)
        .collect();
    let mut told: Vec<u32> = problems.iter().map(|d| d.spot.line).collect();
    told.dedup();
    assert_eq!(told, marked, "{}", lines(&problems));
    assert!(problems.iter().all(|d| !d.help.is_empty()));
}

#[test]
fn no_value_leaves_in_any_form() {
    let (_, problems) = read("production", FILE);
    let shown = outputs("production", FILE, &problems);
    for value in [
        "hunter2",
        "QQQQ",
        "age1short",
        "Pariss",
        "10 minutes",
        "reload-app",
    ] {
        assert!(
            FILE.contains(value) && !shown.contains(value),
            "{value} leaves"
        );
    }
}
