//! The files of this repository, and the two halves of a line of Rust.

use std::path::Path;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file: its path from the root, with `/`, and its text.
pub struct Source {
    pub path: String,
    pub text: String,
}

impl Source {
    /// Whether it is this file or lies in this folder.
    pub fn is_in(&self, place: &str) -> bool {
        self.path
            .strip_prefix(place)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines and where they stand, as `path:line`.
    pub fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        let numbered = self.text.lines().zip(1..);
        numbered.map(|(line, n)| (format!("{}:{n}", self.path), line))
    }
}

/// Every text file, in order, without what is built (`target`) and what git or keyrota keep for themselves.
pub fn files() -> Vec<Source> {
    let mut files = Vec::new();
    walk(root(), "", &mut files);
    assert!(files.len() > 100, "only {} files found", files.len());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn walk(directory: &Path, prefix: &str, files: &mut Vec<Source>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            if !["target", ".git", ".keyrota"].contains(&path.as_str()) {
                walk(&entry.path(), &format!("{path}/"), files);
            }
        } else if kind.is_file()
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            files.push(Source { path, text });
        }
    }
}

/// A line's code, without its comment and without what its string literals hold.
pub fn code(line: &str) -> String {
    split(line).0
}

/// A line's comment.
pub fn comment(line: &str) -> &str {
    split(line).1
}

/// Knows no string that spans lines: such a line counts as code, which is the strict side.
fn split(line: &str) -> (String, &str) {
    let mut code = String::new();
    let mut quoted = false;
    let mut rest = line.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        match c {
            '\\' if quoted => drop(rest.next()),
            '"' if !line[..at].ends_with('\'') => {
                quoted = !quoted;
                code.push(c);
            }
            '/' if !quoted && line[at..].starts_with("//") => return (code, &line[at..]),
            _ if quoted => {}
            _ => code.push(c),
        }
    }
    (code, "")
}

#[test]
fn a_line_is_code_and_comment() {
    for (line, expected) in [
        ("a(1); // b", ("a(1); ", "// b")),
        (r#"a("http://b"); // c"#, (r#"a(""); "#, "// c")),
        (r#"a("b\"// c", '"') // d"#, (r#"a("", '"') "#, "// d")),
        ("/// b", ("", "/// b")),
    ] {
        assert_eq!((code(line).as_str(), comment(line)), expected);
    }
}
