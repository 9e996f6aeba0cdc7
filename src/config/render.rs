//! Problems as text, for GitHub, as JSON. A line of a file is shown masked.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity};
use super::keys::Catalog;
use super::mask::Masks;
use super::source::Source;
use super::values::Spot;
use crate::output;

fn place(file: &Path, spot: Spot) -> String {
    let file = file.display().to_string();
    let file = output::line(&file);
    match spot.line {
        0 => file.into_owned(),
        line => format!("{file}:{line}:{}", spot.col),
    }
}

/// For people: `file:line:col`, the message, the masked line, the remedy. Problems of files that
/// are not among `sources` are shown without the line. A line shows the words of `kinds`.
pub fn text(
    diagnostics: &[Diagnostic],
    sources: &[Source],
    kinds: &Catalog,
    color: bool,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut masks = Masks::new(kinds);
    let sources: HashMap<&Path, &Source> = sources.iter().map(|s| (s.file.as_path(), s)).collect();
    let mut out = String::new();
    for d in diagnostics {
        let level = match d.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut title = format!("{}: {}", place(&d.file, d.spot), d.message());
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
