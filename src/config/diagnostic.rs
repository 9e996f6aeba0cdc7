//! A problem of a file, and how it is shown. No form of it ever holds a value from the file: a
//! value is shown only where it is provably one of our own words (see [`super::mask`]).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::mask::Masks;
use super::model::Spot;
use super::registry::Registry;
use super::source::Source;
use crate::output;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing that needs this file starts.
    Error,
    /// Worth a look.
    Warning,
}

impl Severity {
    /// The word in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// Where; line 0: the file as a whole.
    pub spot: Spot,
    /// The key it is about, as `secrets.name.key`; empty for the file as a whole.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What to write; never empty for an error.
    pub help: String,
    /// The other end of a contradiction.
    pub related: Option<Related>,
}

/// The other end of a contradiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// The file it is in.
    pub file: PathBuf,
    /// Where.
    pub spot: Spot,
    /// What stands there.
    pub what: String,
}

impl Diagnostic {
    /// An error.
    pub fn error(
        file: &Path,
        spot: Spot,
        at: impl Into<String>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            spot,
            at: at.into(),
            what: what.into(),
            help: help.into(),
            related: None,
        }
    }

    /// The same, but as a warning.
    pub fn into_warning(self) -> Self {
        Self {
            severity: Severity::Warning,
            ..self
        }
    }

    /// The same, naming the other end.
    pub fn related_to(self, file: &Path, spot: Spot, what: impl Into<String>) -> Self {
        Self {
            related: Some(Related {
                file: file.to_owned(),
                spot,
                what: what.into(),
            }),
            ..self
        }
    }

    /// The key and what is wrong with it, in one line.
    pub fn message(&self) -> String {
        if self.at.is_empty() {
            self.what.clone()
        } else {
            format!("{}: {}", self.at, self.what)
        }
    }

    fn place(&self) -> String {
        place(&self.file, self.spot)
    }
}

fn place(file: &Path, spot: Spot) -> String {
    let file = file.display().to_string();
    let file = output::line(&file);
    match spot.line {
        0 => file.into_owned(),
        line => format!("{file}:{line}:{}", spot.col),
    }
}

/// For people: `file:line:col`, the message, the masked line, the remedy. Problems of files that
/// are not among `sources` are shown without the line. A line shows the words of `registry`'s kinds.
pub fn text(
    diagnostics: &[Diagnostic],
    sources: &[Source],
    registry: &Registry,
    color: bool,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut masks = Masks::new(registry);
    let sources: HashMap<&Path, &Source> = sources.iter().map(|s| (s.file.as_path(), s)).collect();
    let mut out = String::new();
    for d in diagnostics {
        let level = match d.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut title = format!("{}: {}", d.place(), d.message());
        if let Some(r) = &d.related {
            let _ = write!(title, " ({} at {})", r.what, place(&r.file, r.spot));
        }
        let source = sources.get(d.file.as_path()).filter(|_| d.spot.line > 0);
        let masked = source.map(|s| masks.line(s, d.spot));
        let mut group = level
            .primary_title(title)
            .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new());
        if let Some(masked) = &masked {
            let annotation = AnnotationKind::Primary.span(masked.span.clone());
            let snippet = Snippet::source(masked.text.as_str())
                .line_start(d.spot.line as usize)
                .annotation(annotation);
            group = group.element(snippet);
        }
        if !d.help.is_empty() {
            group = group.element(Level::HELP.message(d.help.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

/// Workflow commands of GitHub Actions: one line each, shown on the pull request.
pub fn github(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let (line, col) = (d.spot.line.max(1), d.spot.col.max(1));
        let file = escape(&d.file.display().to_string())
            .replace(':', "%3A")
            .replace(',', "%2C");
        let message = escape(&format!("{}; {}", d.message(), d.help));
        let _ = writeln!(
            out,
            "::{} file={file},line={line},col={col}::{message}",
            d.severity.as_str()
        );
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// For programs: `{schema_version, valid, problems: [{severity, file, line, col, key, what, help}]}`.
pub fn json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let problems: Vec<_> = diagnostics
        .iter()
        .map(|d| {
            let mut problem = serde_json::json!({
                "severity": d.severity.as_str(), "file": d.file.display().to_string(), "line": d.spot.line,
                "col": d.spot.col, "key": d.at, "what": d.what, "help": d.help,
            });
            if let Some(r) = &d.related {
                problem["related"] = serde_json::json!({
                    "file": r.file.display().to_string(), "line": r.spot.line, "col": r.spot.col, "what": r.what,
                });
            }
            problem
        })
        .collect();
    let valid = diagnostics.iter().all(|d| d.severity != Severity::Error);
    serde_json::json!({"schema_version": 1, "valid": valid, "problems": problems})
}
