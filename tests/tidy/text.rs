//! What a file may say, and how much of it.

use super::tree::{code, comment, files};

/// About four hundred: a file that does not fit on a few screens does several things.
const LINES_MAX: usize = 425;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[(
    "src/rotation/tests/world/mod.rs",
    "one model of everything around a rotation: its parts are only right together",
)];

#[test]
fn files_are_short() {
    let files = files();
    let long = |f: &&super::tree::Source| f.is_rust() && f.text.lines().count() > LINES_MAX;
    let long: Vec<_> = files.iter().filter(long).collect();
    let excused = |path: &str| LONGER.iter().any(|(p, _)| *p == path);
    let wrong: Vec<_> = long
        .iter()
        .filter(|f| !excused(&f.path))
        .map(|f| format!("{}: {} lines", f.path, f.text.lines().count()))
        .collect();
    assert!(
        wrong.is_empty(),
        "longer than {LINES_MAX} lines:\n{}",
        wrong.join("\n")
    );
    for (path, _) in LONGER {
        assert!(
            long.iter().any(|f| f.path == *path),
            "{path} needs no excuse"
        );
    }
}

#[test]
fn nothing_is_left_to_do_in_silence() {
    let mut wrong = Vec::new();
    for file in files().iter().filter(|f| f.is_rust()) {
        for (at, line) in file.lines() {
            let unfinished = ["todo!(", "unimplemented!(", "dbg!("];
            if unfinished.iter().any(|m| code(line).contains(m)) {
                wrong.push(format!("{at}: an unfinished macro"));
            }
            let comment = comment(line);
            let marked = ["TODO", "FIXME", "XXX"].iter().any(|m| comment.contains(m));
            if marked && !comment.contains("waits for") {
                wrong.push(format!("{at}: does not say what it waits for"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a reader elsewhere cannot follow: paths of one machine, numbers of a tracker, and addresses of
/// registries, which are the business of cargo's and pip's own settings. In two parts each, as this
/// file is searched too.
const MEANINGLESS_ELSEWHERE: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ho", "me/"),
    ("/ro", "ot/"),
    ("/Use", "rs/"),
    ("/tmp/", "wt"),
    ("/tmp/", "brief"),
    ("issue", " #"),
    ("this se", "ssion"),
    ("the br", "ief"),
    ("crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".com"),
];

#[test]
fn the_text_means_the_same_everywhere() {
    let mut wrong = Vec::new();
    // The lock file names the registry of every crate; the licence is not ours to word.
    for file in files()
        .iter()
        .filter(|f| !["Cargo.lock", "LICENSE"].contains(&f.path.as_str()))
    {
        for (at, line) in file.lines() {
            let line = line.to_lowercase();
            for (start, end) in MEANINGLESS_ELSEWHERE {
                let word = format!("{start}{end}");
                if line.contains(&word.to_lowercase()) {
                    wrong.push(format!("{at}: {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
