#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use std::process::Command;

use proptest::prelude::*;

use super::*;

const ALL: [Dialect; 3] = [Dialect::Systemd, Dialect::Dotenv, Dialect::Docker];

fn set_text(dialect: Dialect, text: &str, name: &str, value: Option<&str>) -> String {
    let edited = set(dialect, text.as_bytes(), name, value.map(str::as_bytes)).unwrap();
    String::from_utf8(edited.to_vec()).unwrap()
}

/// A second opinion: systemd's state machine (src/basic/env-file.c, `parse_env_file_internal`),
/// written down state by state from its documentation in systemd.exec(5), and with none of the
/// code above.
fn as_systemd_reads(text: &str) -> Vec<(String, String)> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Name,
        BeforeValue,
        Value,
        Escape,
        Single,
        Double,
        DoubleEscape,
        Comment,
    }
    let (mut found, mut name, mut value, mut at) =
        (Vec::new(), String::new(), String::new(), At::Start);
    // Blanks at the end of an unquoted value do not count; those before an escape do.
    let mut firm = 0;
    for c in text.chars().chain(['\n']) {
        let breaks = c == '\n' || c == '\r';
        at = match at {
            At::Start if c == '#' || c == ';' => At::Comment,
            At::Start if c.is_ascii_whitespace() => At::Start,
            At::Start => {
                name = c.to_string();
                At::Name
            }
            At::Name if breaks => At::Start,
            At::Name if c == '=' => {
                value.clear();
                firm = 0;
                At::BeforeValue
            }
            At::Name => {
                name.push(c);
                At::Name
            }
            At::BeforeValue | At::Value if breaks => {
                value.truncate(if at == At::Value { firm } else { value.len() });
                found.push((name.trim_end().to_owned(), value.clone()));
                At::Start
            }
            At::BeforeValue if c == '\'' => At::Single,
            At::BeforeValue if c == '"' => At::Double,
            At::BeforeValue | At::Value if c == '\\' => At::Escape,
            At::BeforeValue if c.is_ascii_whitespace() => At::BeforeValue,
            At::BeforeValue | At::Value => {
                value.push(c);
                firm = if c.is_ascii_whitespace() {
                    firm
                } else {
                    value.len()
                };
                At::Value
            }
            At::Escape => {
                if !breaks {
                    value.push(c);
                }
                firm = value.len();
                At::Value
            }
            At::Single if c == '\'' => At::BeforeValue,
            At::Double if c == '"' => At::BeforeValue,
            At::Double if c == '\\' => At::DoubleEscape,
            At::DoubleEscape => {
                if "\"\\`$".contains(c) {
                    value.push(c);
                } else if c != '\n' {
                    value.extend(['\\', c]);
                }
                At::Double
            }
            At::Single | At::Double => {
                value.push(c);
                at
            }
            At::Comment => {
                if breaks {
                    At::Start
                } else {
                    At::Comment
                }
            }
        };
    }
    found
}

/// What docker's `--env-file` reader does: lines, blanks before a name, the first `=`.
fn as_docker_reads(text: &str) -> Vec<(String, String)> {
    text.lines()
        .map(|line| line.trim_start_matches([' ', '\t']))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Sources the text in a shell and prints one variable.
fn as_shell_reads(shell: &str, text: &str, name: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("env");
    std::fs::write(&file, text).unwrap();
    let script = format!("set -eau; . \"$0\"; printf %s \"${name}\"");
    let output = Command::new(shell)
        .arg("-c")
        .arg(script)
        .arg(&file)
        .env_clear()
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{shell}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

const OLD: &str = "# first\n\nA=1\n  B = two # not a comment to systemd\nA='x\ny'\n;end\n";

#[test]
fn only_the_named_variable_changes() {
    use Dialect::{Docker, Dotenv, Systemd};
    for (dialect, before, value, after) in [
        (Systemd, "", Some("1"), "A=1\n"),
        (Systemd, "X=1", Some("1"), "X=1\nA=1\n"),
        (
            Systemd,
            OLD,
            Some("new"),
            "# first\n\nA=new\n  B = two # not a comment to systemd\nA=new\n;end\n",
        ),
        (
            Systemd,
            OLD,
            None,
            "# first\n\n  B = two # not a comment to systemd\n;end\n",
        ),
        (Systemd, "A=one \\\n  two\nB=3\n", Some("x"), "A=x\nB=3\n"),
        (
            Systemd,
            "A=\"one\\\"\nB=2\"\nB=3\n",
            Some("x"),
            "A=x\nB=3\n",
        ),
        (
            Systemd,
            "AA=1\n#A=2\nexport A=3\n",
            Some("x"),
            "AA=1\n#A=2\nexport A=3\nA=x\n",
        ),
        (Systemd, "A=1\r\nB=2\r\n", Some("x"), "A=x\r\nB=2\r\n"),
        (Systemd, "# comment\\", Some("x"), "# comment\\\n\nA=x\n"),
        (Systemd, "\u{feff}A=1\n", Some("x"), "\u{feff}A=x\n"),
        (Systemd, "A=it's\nB=2\n", Some("x"), "A=x\nB=2\n"),
        (
            Dotenv,
            "export A=1 # why\n",
            Some("x y"),
            "export A='x y' # why\n",
        ),
        (Dotenv, "A=1#not\nB=2\n", Some("x"), "A=x\nB=2\n"),
        (
            Dotenv,
            "A='1' # it's\nB=2\n",
            Some("x"),
            "A=x # it's\nB=2\n",
        ),
        (Dotenv, "A= # none\n", Some("x"), "A=x # none\n"),
        (Dotenv, "A=#x\nB=2\n", Some("x"), "A=x\nB=2\n"),
        (Dotenv, "A='a' b # c\n", Some("x"), "A=x\n"),
        (Dotenv, "A='a'\"b\nc\"'d'\nB=2\n", Some("x"), "A=x\nB=2\n"),
        (Dotenv, "A=it's fine\nB=2\n", None, "B=2\n"),
        (Dotenv, "A=1\r\nB=2\r\n", Some("x"), "A=x\r\nB=2\r\n"),
        (Dotenv, "exportA=1\nA=2", None, "exportA=1\n"),
        (Docker, "A\nA='1'\nB=2", Some("it's"), "A=it's\nA=it's\nB=2"),
        (Docker, "#A=1\n A= 1\r\n", Some("x y"), "#A=1\n A=x y\r\n"),
        (Docker, "A\nAB\n", None, "AB\n"),
        (Docker, ";A=1\n", Some("x"), ";A=1\nA=x\n"),
    ] {
        assert_eq!(
            set_text(dialect, before, "A", value),
            after,
            "{dialect:?} {before:?}"
        );
        // Again, and nothing moves any more.
        assert_eq!(
            set_text(dialect, after, "A", value),
            after,
            "{dialect:?} {after:?}"
        );
    }
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    use Dialect::{Docker, Dotenv, Systemd};
    for (dialect, value, error) in [
        (Docker, &b"a\nb"[..], EditError::LineBreak),
        (Docker, b"a\r", EditError::LineBreak),
        (Docker, b"a\x1b", EditError::Control),
        (Systemd, b"a\rb", EditError::Control),
        (Dotenv, b"a\rb", EditError::Control),
        (Systemd, b"a\x7fb", EditError::Control),
        (Systemd, "a\u{fffe}".as_bytes(), EditError::Control),
        (Systemd, b"a\0b", EditError::NotText),
        (Docker, b"a\0b", EditError::NotText),
        (Dotenv, b"\xff", EditError::NotText),
    ] {
        assert_eq!(
            set(dialect, b"", "A", Some(value)).err(),
            Some(error),
            "{value:?}"
        );
    }
    for dialect in ALL {
        for name in ["", "1A", "A B", "A=B", "A-B", "É"] {
            assert_eq!(
                set(dialect, b"", name, None).err(),
                Some(EditError::Name),
                "{name}"
            );
        }
    }
    for text in ["A=\"1\nB=2\n", "B='", "B=1\\"] {
        assert_eq!(
            check(Systemd, text.as_bytes()),
            Err(EditError::Unterminated),
            "{text}"
        );
    }
    for text in ["A=\"1\nB=2\n", "B='"] {
        assert_eq!(
            check(Dotenv, text.as_bytes()),
            Err(EditError::Unterminated),
            "{text}"
        );
    }
}

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw+/==\n-----END PRIVATE KEY-----";

#[test]
fn shells_read_back_what_was_written() {
    let other = "# comment\nBEFORE='b'\n";
    for value in [
        "",
        "plain",
        "two words",
        "it's",
        "\"quoted\"",
        "$HOME",
        "`id`",
        "$(id)",
        "a\\nb",
        "\\",
        "!x",
        "~",
        "#no",
        "a;b|c&d>e<f*?[g]{h}(i)",
        " lead and trail ",
        "é ü 漢 🙂",
        "tab\there",
        PEM,
        "'\"\\$`\n'\"\\$`",
    ] {
        for dialect in [Dialect::Systemd, Dialect::Dotenv] {
            let text = format!("{}AFTER=a\n", set_text(dialect, other, "A", Some(value)));
            for shell in ["sh", "bash"] {
                assert_eq!(
                    String::from_utf8(as_shell_reads(shell, &text, "A")).unwrap(),
                    value,
                    "{text}"
                );
                assert_eq!(as_shell_reads(shell, &text, "AFTER"), b"a", "{text}");
            }
        }
    }
}

/// The generator reads environment.d(5) files with the parser of `EnvironmentFile=`, and then
/// expands `$`, which is why there is none here. Debian package `systemd`; without it, said aloud.
#[test]
fn systemd_itself_reads_back_what_was_written() {
    let generator =
        "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator";
    if !std::path::Path::new(generator).exists() {
        eprintln!("SKIPPED: systemd is not installed here");
        return;
    }
    for value in [
        "plain",
        "two words",
        "it's",
        "\"quoted\"",
        "\\",
        "a\\nb",
        "`id`",
        " x ",
        "é 漢 🙂",
        PEM,
        "'\"\\`\n'",
    ] {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("environment.d");
        std::fs::create_dir(&dir).unwrap();
        let text = set_text(Dialect::Systemd, OLD, "KEYROTA_TEST", Some(value));
        std::fs::write(dir.join("10.conf"), &text).unwrap();
        let output = Command::new(generator)
            .env_clear()
            .env("XDG_CONFIG_HOME", home.path())
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let line = printed
            .lines()
            .find_map(|l| l.strip_prefix("KEYROTA_TEST="))
            .unwrap_or_else(|| panic!("{value:?} as {text:?}: {printed:?}"));
        assert_eq!(unescape(line), value, "{line}");
    }
}

/// The value in systemd's own output: bare, or in double quotes with C escapes.
fn unescape(printed: &str) -> String {
    let mut value = String::new();
    let quoted = printed.strip_prefix('"').and_then(|p| p.strip_suffix('"'));
    let mut chars = quoted.unwrap_or(printed).chars();
    while let Some(c) = chars.next() {
        value.push(match c {
            '\\' => match chars.next().unwrap() {
                'n' => '\n',
                other => other,
            },
            c => c,
        });
    }
    value
}

proptest! {
    #[test]
    fn readers_get_any_value_and_everything_else_stays(
        value in "([a-zA-Z0-9 '\"\\\\$`#;=\n\t~!é漢]|\\PC){0,24}",
        before in "(A=1\n|B='x\ny' \n|# c\n|\n|C=\"\\\\\"q\"\n|D=d\\\\\n e\n){0,6}",
    ) {
        let expected: Vec<_> = as_systemd_reads(&before).into_iter().filter(|(n, _)| n != "A").collect();
        for dialect in ALL {
            let text = match (dialect, before.is_ascii() && !before.contains('\'') && !before.contains('"') && !before.contains('\\')) {
                (Dialect::Docker, false) => String::new(),
                _ => before.clone(),
            };
            let Ok(edited) = set(dialect, text.as_bytes(), "A", Some(value.as_bytes())) else {
                let odd = value.chars().any(|c| is_dropped(c) || (c == '\n' && dialect == Dialect::Docker));
                prop_assert!(odd, "{:?} refused {:?}", dialect, value);
                continue;
            };
            prop_assert!(check(dialect, &edited).is_ok());
            let edited = std::str::from_utf8(&edited).unwrap();
            let read = match dialect {
                Dialect::Docker => as_docker_reads(edited),
                Dialect::Systemd | Dialect::Dotenv => as_systemd_reads(edited),
            };
            for (_, found) in read.iter().filter(|(n, _)| n == "A") {
                prop_assert_eq!(found, &value, "{}", edited);
            }
            prop_assert!(read.iter().any(|(n, _)| n == "A"));
            if dialect == Dialect::Systemd {
                let rest: Vec<_> = read.into_iter().filter(|(n, _)| n != "A").collect();
                prop_assert_eq!(rest, expected.clone());
            }
            // Removed again, no piece of it is left.
            let gone = set(dialect, edited.as_bytes(), "A", None).unwrap();
            let without = set(dialect, text.as_bytes(), "A", None).unwrap();
            prop_assert_eq!(&gone[..], &without[..]);
        }
    }

    #[test]
    fn any_file_is_edited_or_refused(text in "[A='\"\\\\#;\r\n x]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for dialect in ALL {
            for old in [text.as_bytes(), &bytes] {
                if let Ok(edited) = set(dialect, old, "A", Some(b"v")) {
                    prop_assert!(edited.capacity() <= old.len() * 4 + 16);
                    prop_assert_eq!(&set(dialect, &edited, "A", Some(b"v")).unwrap()[..], &edited[..]);
                }
            }
        }
    }
}
