//! `keyrota check`: is this environment fit to start a program?
//!
//! Needs no provider, no state, no keys and no event loop: a check stands between a machine that
//! boots and its service. Its own environment's file must be sound; others are only looked at for
//! their prefixes, and may be broken.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use clap::Args;
use keyrota_gate::{Code, EnvFile, Problem, Report, Rule, Skipped};
use zeroize::Zeroizing;

use super::context::Context;
use super::exit::{self, Failed};
use super::handed;
use crate::config::gate_rules::{self, ProgramError};
use crate::config::model::{Environment, Program};
use crate::output;

/// Options of `keyrota check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes all problems to standard error; with --json, as one line of JSON. Values are never printed."
)]
pub struct Check {
    /// Check the variables of this program; needed if the schedule has several
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Check the variables in this file or pipe instead of the environment of this process
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Check only that variables are set, not their values
    #[arg(long)]
    pub names_only: bool,
}

/// The variables of a process, by name.
pub type Variables = BTreeMap<OsString, Zeroizing<Vec<u8>>>;

/// Does it; the exit code.
pub fn run(args: &Check, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let program = program(&chosen.env, args.program.as_deref())?;
    let rules = gate_rules::rules(&chosen.env, program, &chosen.others);
    let (mut problems, skipped) = match &args.env_file {
        None => (check(&rules, &of_this_process()), Vec::new()),
        Some(file) => check_file(&rules, file, context.global.json)?,
    };
    if args.names_only {
        problems.retain(|p| matches!(p.code, Code::Missing | Code::Forbidden));
    }
    let report = Report {
        environment: chosen.env.name,
        problems,
        skipped,
    };
    if report.fit() {
        // A service's log stays empty; a person, or a program that asked, gets an answer.
        if context.global.json {
            output::json_note(&format!("{}\n", report.to_json()));
        } else if output::is_watched() {
            output::note(&report.to_string());
        }
        return Ok(exit::DONE);
    }
    Ok(tell_unfit(&report, context))
}

/// The program that is meant.
pub fn program<'e>(
    env: &'e Environment,
    asked: Option<&str>,
) -> Result<Option<&'e Program>, Failed> {
    gate_rules::program(env, asked).map_err(|why| {
        let code = match why {
            ProgramError::Several(_) => exit::USAGE,
            ProgramError::Unknown { .. } => exit::CONFIG,
        };
        Failed::new(code, format!("{}: {why}", env.name))
    })
}

/// What the gate says about these variables.
pub fn check(rules: &[Rule], variables: &Variables) -> Vec<Problem> {
    keyrota_gate::check(rules, &|name| {
        variables
            .get(OsStr::new(name))
            .map(|value| value.as_slice())
    })
}

/// Says what is wrong, on standard error; the exit code.
pub fn tell_unfit(report: &Report, context: &Context<'_>) -> u8 {
    if context.global.json {
        output::json_note(&format!("{}\n", report.to_json()));
    } else {
        output::note(&report.to_string());
    }
    exit::UNFIT
}

/// This process's environment.
pub fn of_this_process() -> Variables {
    std::env::vars_os()
        .map(|(name, value)| (name, Zeroizing::new(value.into_vec())))
        .collect()
}

/// What the gate says about a file, with the lines it is about, and the lines that were passed over.
fn check_file(
    rules: &[Rule],
    file: &Path,
    json: bool,
) -> Result<(Vec<Problem>, Vec<Skipped>), Failed> {
    let wanted: BTreeSet<&str> = rules.iter().flat_map(Rule::variables).collect();
    let EnvFile { entries, skipped } = handed::env_file(file, &|name| wanted.contains(name), json)?;
    let lines: BTreeMap<String, u32> = entries.iter().map(|e| (e.name.clone(), e.line)).collect();
    let variables = entries
        .into_iter()
        .map(|e| (OsString::from(&e.name), Zeroizing::new(e.into_value())))
        .collect();
    let mut problems = check(rules, &variables);
    for problem in &mut problems {
        if let Some(line) = lines.get(&problem.variable) {
            problem.remedy.push_str(&format!(" (line {line})"));
        }
    }
    Ok((problems, skipped))
}
