//! `keyrota validate`: the files, all of them, and nothing else.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::context::Context;
use super::exit::{self, Failed};
use super::say;
use crate::config::diagnostic::Diagnostic;
use crate::config::model::{Host, Spot};
use crate::config::render;
use crate::config::{self, Loaded, Registry, Severity};
use crate::output;

/// Options of `keyrota validate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Checks keyrota.toml, if it exists, and every schedule in the directory. With --env it checks only \
these environments and the places that they share with others. Reports every problem of every file \
in one run; a line that might hold a value is masked. Needs no network, no credentials and no state, \
and changes nothing.

Problems are printed to standard output. Exit codes: 0, also with warnings; 78 with errors."
)]
pub struct Validate {
    /// The format: text, annotations of GitHub Actions, or JSON
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How problems are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// With the lines they are about.
    Text,
    /// Workflow commands of GitHub Actions.
    Github,
    /// One JSON document.
    Json,
}

/// Does it; the exit code.
pub fn run(args: &Validate, context: &Context<'_>) -> Result<u8, Failed> {
    let loaded = load(context);
    let format = if context.global.json {
        Format::Json
    } else {
        args.format
    };
    let answer = answer(
        &loaded,
        &context.registry,
        format,
        output::answers_have_colour(),
    );
    say::written(match format {
        Format::Text => output::coloured_answer(&answer),
        Format::Github => output::answer(&answer),
        Format::Json => output::json(&answer),
    })?;
    Ok(if loaded.has_errors() {
        exit::CONFIG
    } else {
        exit::DONE
    })
}

/// The host's file and the schedules, with what is wrong in any of them.
fn load(context: &Context<'_>) -> Loaded {
    let host = context
        .host_file()
        .map(|path| config::host::load(&path, &context.registry));
    let (host, wrong) = match host {
        None => (Host::default(), None),
        Some(Ok(loaded)) => (loaded.host, None),
        Some(Err(wrong)) => (Host::default(), Some(wrong)),
    };
    let dir = context.schedules(&host);
    let names = Some(context.global.env.as_slice()).filter(|names| !names.is_empty());
    // A broken host file may be what names the directory: its absence is no second problem.
    let mut loaded = if wrong.is_some() && !dir.is_dir() {
        Loaded::default()
    } else {
        config::load(&dir, names, context.now(), &context.registry)
    };
    if let Some((diagnostics, sources)) = wrong {
        loaded.diagnostics.splice(0..0, diagnostics);
        loaded.sources.extend(sources);
    } else if loaded.sources.is_empty() && loaded.diagnostics.is_empty() {
        loaded.diagnostics.push(nothing_in(&dir));
    }
    loaded
}

fn nothing_in(dir: &Path) -> Diagnostic {
    let help =
        "name another directory with --schedules, or write a first schedule with keyrota init";
    Diagnostic::error(dir, Spot::default(), "", "has no schedule in it", help)
}

fn answer(loaded: &Loaded, registry: &Registry, format: Format, colour: bool) -> String {
    let told = &loaded.diagnostics;
    match format {
        Format::Text => format!(
            "{}{}\n",
            render::text(told, &loaded.sources, registry.catalog(), colour),
            summary(loaded)
        ),
        Format::Github => format!("{}{}\n", render::github(told), summary(loaded)),
        Format::Json => {
            let mut answer = render::json(told);
            let environments = loaded
                .environments
                .iter()
                .map(|e| json!({"name": e.name, "secrets": e.secrets.len()}));
            // Those without errors.
            answer["environments"] = environments.collect();
            format!("{answer}\n")
        }
    }
}

fn summary(loaded: &Loaded) -> String {
    let of = |severity| {
        loaded
            .diagnostics
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let secrets = loaded.environments.iter().map(|e| e.secrets.len()).sum();
    let names: Vec<_> = loaded
        .environments
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    let mut said = if errors > 0 {
        count(errors, "error")
    } else {
        format!(
            "sound: {} with {} ({})",
            count(names.len(), "environment"),
            count(secrets, "secret"),
            names.join(", ")
        )
    };
    if warnings > 0 {
        said.push_str(&format!(", {}", count(warnings, "warning")));
    }
    said
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_was_checked_or_what_is_wrong() {
        let mut loaded = Loaded::default();
        assert_eq!(summary(&loaded), "sound: 0 environments with 0 secrets ()");
        let problem = nothing_in(Path::new("here"));
        loaded.diagnostics.push(problem.clone().into_warning());
        assert!(summary(&loaded).ends_with("(), 1 warning"));
        loaded.diagnostics.extend([problem.clone(), problem]);
        assert_eq!(summary(&loaded), "2 errors, 1 warning");
    }
}
