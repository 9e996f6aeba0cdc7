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

/// Words that hide who does something, or say in a dialect of our own what has an ordinary name: no text that a
/// user reads has them. A tool, a daemon, an administrator, you; a value is stored, not stands; a consumer is
/// notified, not told; a copy is repaired, not mended; the next rotation, not the next turn.
const DIALECT: &[&str] = &[
    "goes on", "go on", "insist", "is had", "let in", "lets in", "living", "mend", "mended",
    "mends", "nobody", "somebody", "stand", "stands", "stood", "tell", "tells", "told", "turn",
    "turns", "whoever",
];

#[test]
fn users_read_plain_words() {
    let mut wrong = Vec::new();
    for file in files() {
        let is_product = file.is_rust()
            && ["src", "gate/src", "providers"]
                .iter()
                .any(|place| file.is_in(place))
            && !["tests", "testing"]
                .iter()
                .any(|part| file.path.contains(part));
        if !is_product {
            continue;
        }
        let lines = file
            .lines()
            .take_while(|(_, line)| !line.starts_with("mod tests"));
        for (at, line) in lines {
            let words = said(line).to_lowercase();
            let words = words
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .collect::<Vec<_>>();
            let words = format!(" {} ", words.join(" "));
            for word in DIALECT {
                if words.contains(&format!(" {word} ")) {
                    wrong.push(format!("{at}: {word}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the string literals of a line hold, if it is a sentence. A line that only continues one counts too.
fn said(line: &str) -> String {
    let text = line.trim();
    if text.starts_with("//") {
        return String::new();
    }
    let continues = text.ends_with('\\') || text.ends_with("\\n\\");
    let pieces: Vec<&str> = text.split('"').collect();
    let inside = pieces.iter().skip(1).step_by(2).filter(|s| s.contains(' '));
    match pieces.len() {
        1 if continues => text.to_owned(),
        _ => inside.copied().collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn a_word_of_the_dialect_is_found() {
    assert_eq!(
        said("    error(\"the value stands\", name);"),
        "the value stands"
    );
    assert_eq!(said("    is told \\"), "is told \\");
    assert_eq!(said("    // is told"), "");
    assert_eq!(said("    let told = stands(\"a-b\");"), "");
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
