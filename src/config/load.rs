//! From a directory to checked environments.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use keyrota_local::trusted::Changeable;

use super::cross;
use super::diagnostic::{Diagnostic, Severity};
use super::environment;
use super::model::{Environment, Spot};
use super::plain::{did_you_mean, meant, name};
use super::registry::Registry;
use super::source::Source;
use super::words::is_name;

/// What a directory of schedules holds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The environments that were asked for and have no errors, by name.
    pub environments: Vec<Environment>,
    /// The environments that were not asked for, as far as they could be understood.
    pub others: Vec<Environment>,
    /// What is wrong, file by file, in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
    /// The files, for rendering.
    pub sources: Vec<Source>,
    /// The files of asked environments that another user can change, and how. Reading them does no
    /// harm; doing what they say does.
    pub changeable: Vec<(PathBuf, Changeable)>,
}

impl Loaded {
    /// Whether anything is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }
}

/// Reads every `*.toml` of a directory. With `names`, only problems of those environments and of
/// places they share with others are told; without, all. Reads files and nothing else: no network,
/// no credentials, no state. `now` decides which turns are looked at,
/// `registry` which kinds there are.
pub fn load(
    directory: &Path,
    names: Option<&[String]>,
    now: Timestamp,
    registry: &Registry,
) -> Loaded {
    let mut loaded = Loaded::default();
    let files = match schedule_files(directory) {
        Ok(files) => files,
        Err(problem) => {
            loaded.diagnostics.push(*problem);
            return loaded;
        }
    };
    let root = root_of(directory);
    let wanted: Option<HashSet<&str>> =
        names.map(|names| names.iter().map(String::as_str).collect());
    let asked = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.contains(name));
    let mut environments = Vec::new();
    let mut problems = Vec::new();
    for (stem, file) in &files {
        if !is_name(stem) {
            let help = "name it after its environment: a-z, 0-9, - and _, as in production.toml";
            problems.push((
                stem.clone(),
                Diagnostic::error(
                    file,
                    Spot::default(),
                    "",
                    "is not the name of an environment",
                    help,
                ),
            ));
            continue;
        }
        match Source::read(file) {
            Err(problem) => problems.push((stem.clone(), *problem)),
            Ok(source) => {
                let (environment, found) = environment::decode(&source, stem, &root, now, registry);
                problems.extend(found.into_iter().map(|p| (stem.clone(), p)));
                environments.push(environment);
                if let Some(changeable) = source.changeable.clone().filter(|_| asked(stem)) {
                    loaded.changeable.push((file.clone(), changeable));
                }
                loaded.sources.push(source);
            }
        }
    }
    let wrong: HashSet<String> = problems
        .iter()
        .filter(|(_, p)| p.severity == Severity::Error)
        .map(|(stem, _)| stem.clone())
        .collect();
    let mut told: Vec<Diagnostic> = problems
        .into_iter()
        .filter(|(stem, _)| asked(stem))
        .map(|(_, p)| p)
        .collect();
    let asked_files = environments.iter().filter(|e| asked(&e.name));
    let asked_files: HashSet<&Path> = asked_files.map(|e| e.file.as_path()).collect();
    let concerns = |file: &Path| asked_files.contains(file);
    let shared = cross::places(&environments)
        .into_iter()
        .chain(cross::accounts(&environments))
        .filter(|d| concerns(&d.file) || d.related.as_ref().is_some_and(|r| concerns(&r.file)));
    told.extend(shared);
    if names.is_none() {
        // What a file with errors lacks, it may only not have said properly.
        let sound: Vec<&Environment> = environments
            .iter()
            .filter(|e| !wrong.contains(&e.name))
            .collect();
        told.extend(cross::missing_variables(&sound));
    }
    let stems: Vec<&str> = files.iter().map(|(stem, _)| stem.as_str()).collect();
    for wanted in names
        .unwrap_or_default()
        .iter()
        .filter(|n| !stems.contains(&n.as_str()))
    {
        let what = format!("has no schedule for the environment {}", name(wanted));
        let list = if stems.is_empty() {
            "there is none yet: keyrota init writes one".to_owned()
        } else {
            format!("there are: {}", stems.join(", "))
        };
        told.push(Diagnostic::error(
            directory,
            Spot::default(),
            "",
            what,
            meant(did_you_mean(wanted, stems.iter().copied()), &list),
        ));
    }
    told.sort_by(|a, b| {
        (&a.file, a.spot.start, a.spot.line, a.severity).cmp(&(
            &b.file,
            b.spot.start,
            b.spot.line,
            b.severity,
        ))
    });
    told.dedup();
    let errors = told.iter().filter(|d| d.severity == Severity::Error);
    let files = |d: &Diagnostic| {
        let other = d.related.as_ref().map(|r| r.file.clone());
        [Some(d.file.clone()), other].into_iter().flatten()
    };
    let broken: HashSet<PathBuf> = errors.flat_map(files).collect();
    let (wanted, others): (Vec<_>, Vec<_>) = environments.into_iter().partition(|e| asked(&e.name));
    loaded.environments = wanted
        .into_iter()
        .filter(|e| !broken.contains(&e.file))
        .collect();
    loaded.others = others;
    loaded.diagnostics = told;
    loaded
}

/// The schedules of a directory by name.
fn schedule_files(directory: &Path) -> Result<Vec<(String, PathBuf)>, Box<Diagnostic>> {
    let unreadable = || {
        let help = "say where the schedules are: --schedules DIR, KEYROTA_SCHEDULES, or schedules in keyrota.toml";
        Diagnostic::error(
            directory,
            Spot::default(),
            "",
            "is not a directory that can be read",
            help,
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|_| unreadable())? {
        let path = entry.map_err(|_| unreadable())?.path();
        let stem = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned);
        if let (Some(stem), Some("toml")) = (stem, path.extension().and_then(|e| e.to_str()))
            && !stem.starts_with('.')
        {
            files.push((stem, path));
        }
    }
    files.sort();
    Ok(files)
}

/// The parent of the schedules directory, absolute, without following links.
fn root_of(directory: &Path) -> PathBuf {
    let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    absolute
        .parent()
        .map_or_else(|| absolute.clone(), Path::to_owned)
}
