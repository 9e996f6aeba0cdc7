//! Files of variables as python-dotenv reads them: a generated corpus, and every difference explained.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use keyrota_gate::{What, parse_env_file};

type Variables = BTreeMap<String, String>;

const PREFIXES: [&str; 11] = [
    "",
    "  ",
    "\t",
    "export ",
    "export\t",
    "export\u{a0}",
    "\u{a0}",
    "\u{b}",
    "\u{feff}",
    ";",
    "#",
];
const NAMES: [&str; 13] = [
    "A",
    "'A'",
    "\"A\"",
    "A.b",
    "a-b",
    "spring.datasource.url",
    "A B",
    "A#",
    "é",
    "",
    "1A",
    "export",
    "'A",
];
const EQUALS: [&str; 8] = ["=", " = ", "\t=", "==", "=\u{a0}", " \u{3000}= ", ":", " "];
const VALUES: [&str; 30] = [
    "",
    "b",
    "b c",
    "b#c",
    "#b",
    "\"b\"",
    "'b'",
    "\"b c\" ",
    "'b' c",
    "'b'c",
    "\"b\nB=9\"",
    "'b\r\nB=9'",
    "\"b\\nc\"",
    "'b\\nc'",
    "\"b\\$c\"",
    "\"b\\\nc\"",
    "\"b",
    "'b",
    "`b`",
    "`b",
    "b\\",
    "it's",
    "'it\\'s'",
    "'C:\\\\x'",
    "C:\\x\\y",
    "\u{a0}b",
    "b\u{3000}",
    "b\u{a0}# c",
    "\u{a0}\"b\nB=9\"",
    "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----",
];
const ENDS: [&str; 8] = [
    "\n",
    "\r\n",
    "\r",
    " # c\n",
    "\u{a0}\n",
    "\u{a0}# c\n",
    "# c\n",
    "",
];

/// Every short value, and the pieces of a file in many combinations.
fn corpus() -> Vec<String> {
    let mut files = vec![String::new(), "\u{feff}".to_owned()];
    let mut values = vec![String::new()];
    for _ in 0..4 {
        let longer = values
            .iter()
            .flat_map(|v| "b \"'\\#\n\r`=A".chars().map(move |c| format!("{v}{c}")));
        values = longer.collect();
        files.extend(values.iter().map(|value| format!("A={value}\nB=2\n")));
    }
    for c in ('\0'..='\u{ff}').chain(['\u{2028}', '\u{feff}', 'ж']) {
        for quoted in [
            "\"\\$\"", "'\\$'", "\"b$\"", "$", "b$ # c", "$b", "\"b\"$", "\\$",
        ] {
            files.push(format!("A={}\nB=2\n", quoted.replace('$', &c.to_string())));
        }
        files.extend([
            format!("{c}A=1\nB=2"),
            format!("A{c}=1\nB=2"),
            format!("{c}\nA=1"),
        ]);
    }
    for prefix in PREFIXES {
        for name in NAMES {
            for equals in EQUALS {
                for value in ["b", "\"b\nB=9\"", "'b\nA=9\n'", "", "'b'"] {
                    files.push(format!("B=1\n{prefix}{name}{equals}{value}\nA=2\n"));
                    files.push(format!("{prefix}{name}{equals}{value}\nB=2\n"));
                }
            }
        }
    }
    for value in VALUES {
        for end in ENDS {
            for next in VALUES {
                files.push(format!("A={value}{end}B={next}{end}"));
            }
            for next in [
                "stray",
                "A",
                "B=2",
                "export B = 2",
                "# c",
                "; c",
                "=x",
                "A=3",
            ] {
                files.push(format!("A={value}{end}{next}{end}B=3"));
                files.push(format!("a.b={value}{end}{next}{end}B=3"));
            }
        }
    }
    files.sort();
    files.dedup();
    files
}

fn python_reads(files: &[String]) -> Vec<Variables> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(root.join("../target/venv/bin/python"))
        .arg(root.join("tests/python_dotenv.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`tests/run` makes target/venv");
    let given = serde_json::to_vec(files).unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&given));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Where keyrota reads what shells and systemd read, and what keyrota writes itself: an escape in
/// double quotes that Python leaves alone.
fn is_of_shells(file: &str) -> bool {
    ["\\$", "\\`", "\\\n", "\\\r"]
        .iter()
        .any(|escape| file.contains(escape))
        && file.contains('"')
}

#[test]
fn what_is_read_is_what_python_reads() {
    let files = corpus();
    let python = python_reads(&files);
    let (mut read, mut of_shells, mut refused) = (0, 0, BTreeMap::new());
    let mut differences = Vec::new();
    for (file, theirs) in files.iter().zip(&python) {
        for wanted in [&["A", "B"][..], &["B"]] {
            let ours = match parse_env_file(file.as_bytes(), &|name| wanted.contains(&name)) {
                Ok(ours) => ours,
                Err(problems) => {
                    *refused.entry(kind(&problems[0].what)).or_insert(0) += 1;
                    continue;
                }
            };
            read += 1;
            let ours: Variables = ours
                .entries
                .into_iter()
                .map(|e| (e.name.clone(), String::from_utf8(e.into_value()).unwrap()))
                .collect();
            let differs = wanted
                .iter()
                .any(|name| ours.get(*name) != theirs.get(*name));
            if differs && is_of_shells(file) {
                of_shells += 1;
            } else if differs {
                differences.push(format!("{file:?}: {ours:?}, not {theirs:?}"));
            }
        }
    }
    eprintln!(
        "{} files; {read} read, {of_shells} as shells do; refused: {refused:?}",
        files.len()
    );
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences[..differences.len().min(40)].join("\n")
    );
    assert!(
        read > 20_000 && of_shells < 700,
        "{read} read, {of_shells} as shells do"
    );
}

/// Why a file is refused although python-dotenv passes over it or guesses; no other kind may be.
fn kind(what: &What) -> &'static str {
    match what {
        What::Ambiguous => "a comment or a quote for some",
        What::Escape => "decoded by some",
        What::QuoteEnd | What::Unterminated | What::AfterQuote => "no end of a quote that all see",
        What::Continued => "joined by some",
        What::Duplicate { .. } => "the first for some",
        What::Unusual(_) | What::QuotedName => "another name or value for some",
        What::NoAssignment | What::BadName => "a value that may go on, or be unset",
        What::UnquotedPem => "a key cut off after its first line",
        What::Nul => "no environment can carry it",
        What::Encoding(_) | What::TooLarge => panic!("{what:?}"),
    }
}
