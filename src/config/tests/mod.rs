//! Broken files, and what is said about them.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use jiff::Timestamp;

use super::diagnostic::Diagnostic;
use super::environment::decode;
use super::model::Environment;
use super::render;
use super::source::Source;
use super::{Loaded, Registry};

mod across;
mod cases;
mod mutated;
mod planted;
mod shipped;
mod sound;
mod strangers;

/// The kinds of this build.
pub(super) fn kinds() -> Registry {
    crate::kinds::registry()
}

/// Reads a directory of schedules.
pub(super) fn load(directory: &Path, names: Option<&[String]>, now: Timestamp) -> Loaded {
    super::load(directory, names, now, &kinds())
}

/// Problems as people read them, without colours.
pub(super) fn rendered(problems: &[Diagnostic], sources: &[Source]) -> String {
    render::text(problems, sources, kinds().catalog(), false)
}

/// Sunday, 22 November 2026.
pub(super) fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// Reads text as `schedules/<name>.toml`.
pub(super) fn read(name: &str, text: &str) -> (Environment, Vec<Diagnostic>) {
    let source = Source::new(format!("schedules/{name}.toml"), text);
    decode(&source, name, Path::new("/srv/app"), now(), &kinds())
}

/// `line:col key: what; help` of every problem.
pub(super) fn lines(problems: &[Diagnostic]) -> String {
    problems
        .iter()
        .map(|d| {
            format!(
                "{}:{} {}: {}; {}\n",
                d.spot.line,
                d.spot.col,
                d.severity.as_str(),
                d.message(),
                d.help
            )
        })
        .collect()
}

/// Every form in which problems leave the program.
pub(super) fn outputs(name: &str, text: &str, problems: &[Diagnostic]) -> String {
    let source = Source::new(format!("schedules/{name}.toml"), text);
    let sources = [source];
    let shown =
        render::text(problems, &sources, kinds().catalog(), true) + &rendered(problems, &sources);
    format!(
        "{shown}{}{}{problems:?}",
        render::github(problems),
        render::json(problems)
    )
}
