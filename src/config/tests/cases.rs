//! Small broken files. Each case: what follows [`HEAD`], and every problem as `line:col text`;
//! the first line of a case is line 7.

use super::{lines, read};

mod aws;
mod keys;
mod targets;
mod vault;

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "1m"
[providers.local]
kind = "file"
path = "d.age"
"#;

/// What differs from a case's expectations, if anything.
fn check(name: &str, body: &str, expected: &[&str]) -> Option<String> {
    let (_, problems) = read("development", &format!("{HEAD}{body}"));
    let told = lines(&problems);
    let fits = |(line, wanted): (&str, &&str)| {
        wanted.split_once(' ').is_some_and(|(place, text)| {
            line.starts_with(&format!("{place} ")) && line.contains(text)
        })
    };
    let sound = told.lines().count() == expected.len() && told.lines().zip(expected).all(fits);
    (!sound).then(|| format!("{name}: wanted {expected:?}, told:\n{told}"))
}

#[test]
fn a_document_outside_development_names_who_can_read_it() {
    let with = |environment: &str, line: &str| {
        let text = format!(
            "environment = \"{environment}\"\n[providers.local]\nkind = \"file\"\npath = \"d.age\"\n\
             identity = {{ env = \"ID\" }}\n{line}"
        );
        let (_, problems) = read(environment, &text);
        lines(&problems)
    };
    for environment in ["production", "staging"] {
        let none = with(environment, "recipients = []\n");
        assert!(none.contains("no key could read"), "{none}");
        assert!(with(environment, "").contains("`recipients` is missing"));
        let one = format!("recipients = [\"age1{}\"]\n", "q".repeat(58));
        assert_eq!(with(environment, &one), "");
    }
    assert_eq!(with("development", "recipients = []\n"), "");
}

#[test]
fn are_told_where_they_stand() {
    let wrong: Vec<String> = CASES
        .iter()
        .chain(aws::CASES)
        .chain(keys::CASES)
        .chain(targets::CASES)
        .chain(vault::CASES)
        .filter_map(|(name, body, expected)| check(name, body, expected))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name, what follows the head, what is told.
type Case = (&'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    ("nothing wrong", "[secrets.a]\nkind = 'random'", &[]),
    (
        "windows line ends",
        "[secrets.a]\r\nkind = 'random'\r\nlength = 3\r\n",
        &["9:10 128 bit"],
    ),
    ("NUL", "[secrets.a]\nkind = 'ran\0dom'", &["8:12 not TOML"]),
    (
        "several syntax errors",
        "[secrets.a]\nkind = random\n[env.X]\nformat = url",
        &["8:8 not TOML", "10:10 not TOML"],
    ),
    (
        "syntax hides nothing else",
        "[secrets.a]\nkind = 'random'\nlength = = 5\nfoo = 1",
        &["9:10 not TOML", "10:1 unknown key `foo`"],
    ),
    (
        "no kind",
        "[secrets.a]\nlength = 40",
        &["7:10 `kind` is missing"],
    ),
    (
        "kind misspelt",
        "[secrets.a]\nkind = 'randm'",
        &["8:8 did you mean \"random\"?"],
    ),
    (
        "copies",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.copies]]\nprovider = 'local'\npath = '{environment}/of/{secret}'\n[[secrets.a.copies]]\nprovider = 'local'\npath = 'b'\nrender = 'x{value}'",
        &[],
    ),
    (
        "copies, all of it wrong",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.copies]]\nprovider = 'locl'\npath = 'a/{nothing}'\nrender = '{password}'\nfield = 'f'\nmode = 5\n[[secrets.a.copies]]\nprovider = 'local'\npath = '../b'\nrender = 'text'\nfield = 'f'\n[[secrets.a.copies]]\nrender = '{'",
        &[
            "10:12 did you mean \"local\"?",
            "11:8 has a field that a path does not know",
            "12:10 has a field that kind \"random\" does not know",
            "14:1 unknown key `mode`",
            "15:1 its provider keeps one value per path",
            "17:8 is not a place",
            "18:10 shows nothing of the secret",
            "20:1 `provider` is missing",
            "20:1 `path` is missing",
            "21:10 does not begin a field",
        ],
    ),
    (
        "a copy of what is never rotated, and one of the other key",
        "[secrets.a]\nkind = 'external'\n[[secrets.a.copies]]\nprovider = 'local'\npath = 'x'\n[secrets.b]\nkind = 'signing-key'\nenv_fallback = 'B'\n[[secrets.b.copies]]\nprovider = 'local'\npath = 'y'\nrender = '{fallback}'",
        &[
            "9:1 an external secret has no copies",
            "18:10 a copy does not show {fallback}",
        ],
    ),
    (
        "a place for the fallback",
        "[secrets.a]\nkind = 'signing-key'\nfallback_path = '{environment}/{secret}-fallback'\nfallback_idle = 'filler'\nenv = 'A'",
        &[],
    ),
    (
        "a place for the fallback, wrong",
        "[secrets.a]\nkind = 'signing-key'\nfallback_path = 'x'\nfallback_idle = 'omit'\n[secrets.b]\nkind = 'signing-key'\nfallback_path = 'y'\n[secrets.c]\nkind = 'signing-key'\nverifiers = 'self'\nfallback_idle = 'filler'\nenv_fallback = 'C'\n[secrets.d]\nkind = 'random'\nfallback_path = 'z'",
        &[
            "13:17 does not say what the place contains",
            "17:17 has no effect without fallback_path",
            "21:1 does not apply to this kind",
        ],
    ),
    (
        "consumer of a later build",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.consumers]]\nkind = 'systemd'\nunit = 'a.service'",
        &["10:8 this build has file, command, jwks"],
    ),
    (
        "key of another kind",
        "[secrets.a]\nkind = 'random'\ntoken_ttl = '5m'",
        &["9:1 does not apply to this kind"],
    ),
    (
        "wrong type",
        "[secrets.a]\nkind = 'random'\nschedule = 5",
        &["9:12 has to be text, not an integer"],
    ),
    (
        "name",
        "[secrets.'A b']\nkind = 'random'",
        &["7:10 is not a good name"],
    ),
    (
        "unit",
        "[secrets.a]\nkind = 'random'\nrefresh = '30'",
        &["9:11 needs a unit"],
    ),
    (
        "negative",
        "[secrets.a]\nkind = 'random'\nrefresh = '-5s'",
        &["9:11 is not a duration"],
    ),
    (
        "two units",
        "[secrets.a]\nkind = 'random'\nrefresh = '1h30m'",
        &["9:11 one number, one unit"],
    ),
    (
        "too long",
        "[secrets.a]\nkind = 'random'\nrefresh = '99999999999999999999w'",
        &["9:11 twenty years"],
    ),
    (
        "alphabet",
        "[secrets.a]\nkind = 'random'\nalphabet = 'a-Z'",
        &["9:12 runs backwards"],
    ),
    (
        "alphabet breaks",
        "[secrets.a]\nkind = 'random'\nalphabet = 'A-Za-z\"'",
        &["9:12 breaks in shells"],
    ),
    (
        "alphabet twice",
        "[secrets.a]\nkind = 'random'\nalphabet = 'a-za'",
        &["9:12 twice"],
    ),
    (
        "127 bit",
        "[secrets.a]\nkind = 'random'\nlength = 21",
        &["9:10 write length = 22 or more"],
    ),
    ("128 bit", "[secrets.a]\nkind = 'random'\nlength = 22", &[]),
    (
        "random grace",
        "[secrets.a]\nkind = 'random'\ngrace = '59s'",
        &["9:9 shorter than refresh = 1m; write grace = \"1m\" or more"],
    ),
    (
        "random fallback",
        "[secrets.a]\nkind = 'random'\nenv_fallback = 'A'",
        &["9:1 does not apply"],
    ),
    (
        "jitter",
        "[secrets.a]\nkind = 'random'\nschedule = '@hourly'\njitter = '31m'",
        &["10:10 more than half of the 1h"],
    ),
    (
        "jitter and window",
        "[secrets.a]\nkind = 'random'\njitter = '3h'\nwindow = { from = '23:00', to = '01:00' }",
        &["9:10 open for 2h"],
    ),
    (
        "window",
        "[secrets.a]\nkind = 'random'\nwindow = { from = '25:00', to = '01:00', unto = 1 }",
        &["9:19 is not a time of day", "9:42 unknown key `unto`"],
    ),
    (
        "blackout",
        "[secrets.a]\nkind = 'random'\nblackouts = [{ from = 2026-12-24, to = 2026-12-20 }]",
        &["9:14 ends before it begins"],
    ),
    (
        "max_age",
        "[secrets.a]\nkind = 'random'\nschedule = '@monthly'\nmax_age = '7d'",
        &["10:11 always be exceeded"],
    ),
    (
        "external rotates",
        "[secrets.a]\nkind = 'external'\nschedule = '@monthly'",
        &["9:1 does not apply"],
    ),
    (
        "imported rotates",
        "[secrets.a]\nkind = 'random'\norigin = 'imported'\nschedule = '@monthly'",
        &["10:12 keyrota never creates an imported secret"],
    ),
    (
        "imported created",
        "[secrets.a]\nkind = 'random'\norigin = 'imported'\nwhen_absent = 'create'",
        &["10:15 cannot be created"],
    ),
    (
        "confirm",
        "[secrets.a]\nkind = 'random'\nconfirm = { after = 'announce' }",
        &["9:1 `ask` is missing", "9:21 write one of switch"],
    ),
    (
        "refresh 0s",
        "[secrets.a]\nkind = 'random'\nenv = 'A'\nrefresh = '0s'\n[[secrets.a.consumers]]\nkind = 'file'\npath = 'a'\nformat = 'raw'",
        &["10:11 not every consumer acknowledges"],
    ),
    (
        "refresh 0s told",
        "[secrets.a]\nkind = 'random'\nrefresh = '0s'\n[[secrets.a.consumers]]\nkind = 'command'\nargv = ['/bin/true']",
        &[],
    ),
    (
        "shell",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.consumers]]\nkind = 'command'\nargv = ['/bin/sh', '-c', 'x ${S}']",
        &["11:8 shell with a line", "11:8 never arguments"],
    ),
    (
        "raw of two",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.consumers]]\nkind = 'file'\npath = 'a'\nformat = 'raw'\nkeys = { A = '{value}', B = '{value}' }",
        &["13:1 one value"],
    ),
    (
        "nothing to write",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.consumers]]\nkind = 'file'\npath = 'a'\nformat = 'json'",
        &["9:1 nothing to write"],
    ),
    (
        "published token",
        "[secrets.a]\nkind = 'random'\n[[secrets.a.consumers]]\nkind = 'jwks'\npath = 'a'",
        &["9:1 nothing to publish"],
    ),
    (
        "a consumer on another host",
        "[secrets.a]\nkind = 'random'\nenv = 'A'\n[[secrets.a.consumers]]\nkind = 'command'\nargv = ['/bin/true']\nhost = 'app1'",
        &["13:1 is not built in: the host that rotates also delivers"],
    ),
    (
        "mode",
        "[secrets.a]\nkind = 'random'\nenv = 'A'\n[[secrets.a.consumers]]\nkind = 'file'\npath = 'a'\nformat = 'json'\nmode = '0644'",
        &["14:8 everyone on the host"],
    ),
    (
        "one file, two formats",
        "[secrets.a]\nkind = 'random'\nenv = 'A'\nconsumers = [{ kind = 'file', path = 'f', format = 'json' }, { kind = 'file', path = 'f', format = 'dotenv' }]",
        &["10:62 another format"],
    ),
    (
        "variable twice",
        "[secrets.a]\nkind = 'random'\nenv = 'A'\n[env.A]\nformat = 'url'",
        &["10:6 the variable A is shown twice"],
    ),
    (
        "variable's name",
        "[env.A-B]\nformat = 'url'",
        &["7:6 is not a variable's name"],
    ),
    (
        "template",
        "[secrets.a]\nkind = 'random'\nenv = { A = 'x{kid}', B = '{' , C = 'fixed' }",
        &["9:27 does not begin a field"],
    ),
    (
        "template fields",
        "[secrets.a]\nkind = 'random'\nenv = { A = 'x{kid}', C = 'fixed' }",
        &["9:13 does not know", "9:27 shows nothing"],
    ),
    (
        "program",
        "[secrets.a]\nkind = 'random'\nenv = 'TOKEN'\n[programs.web]\nenv = ['TOKN']",
        &["11:8 TOKN, which this environment does not have; did you mean \"TOKEN\"?"],
    ),
    (
        "schemes",
        "[env.A]\nschemes = ['https']",
        &["8:11 URLs only"],
    ),
    (
        "pattern",
        "[env.A]\npattern = '('",
        &["8:11 not a regular expression"],
    ),
    (
        "forbidden",
        "[env.A]\nforbidden = true\nformat = 'url'",
        &["9:10 contradicts"],
    ),
    (
        "unknown provider",
        "[secrets.a]\nkind = 'random'\nprovider = 'locl'",
        &["9:12 did you mean \"local\"?"],
    ),
    (
        "path",
        "[secrets.a]\nkind = 'random'\npath = '../{name}'",
        &["9:8 a path does not know", "9:8 is not a place"],
    ),
    (
        "password",
        "[secrets.a]\nkind = 'random'\npassword = 'hunter2'",
        &["9:1 a file must not contain a secret value"],
    ),
    (
        "password in a URL",
        "[env.A]\ndefault = 'https://u:hunter2@host/'",
        &["8:17 this file contains a secret value"],
    ),
    (
        "template in a URL",
        "[env.A]\ndefault = 'https://{user}:{password}@host/'",
        &[],
    ),
    (
        "key in a comment",
        "# AGE-SECRET-KEY-1XXXX",
        &["7:3 this file contains a secret value"],
    ),
    (
        "deep nesting",
        "[env.A]\none_of = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        &["8:90 not TOML: cannot recurse further"],
    ),
];
