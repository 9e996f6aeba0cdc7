//! `keyrota run`: start a program with its secrets, if its environment is fit.
//!
//! What the program gets: this process's variables (with `--pristine` only PATH, HOME and what the
//! file names), over them what the providers hold for it now, under them the file's defaults. Not
//! handed on is what is keyrota's own (`KEYROTA_*`, `CREDENTIALS_DIRECTORY`, and the variables that
//! hold keyrota's keys) and what the file gives to other programs only; but `KEYROTA_ENV` says which
//! environment this is, and `KEYROTA_SCHEDULES` where its file is, so that the program may ask again. All of it passes the gate
//! together; then keyrota becomes the program: same process, same standard streams, same signals.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use keyrota_gate::{Report, Rule};
use zeroize::Zeroizing;

use super::check::{self, Variables};
use super::context::{Chosen, Context};
use super::exit::{self, Failed};
use crate::config::gate_rules::{self, sees};
use crate::config::model::{Program, Reference, Secret};
use crate::engine::view::{self, ViewError};
use crate::world::UntilExec;

/// Options of `keyrota run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 1 the environment is not fit; 78 configuration; 125 keyrota failed; 126 the program \
cannot be started; 127 the program does not exist; else the exit code of the program."
)]
pub struct Run {
    /// The program in the schedule; needed if the schedule has several
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Keep variables that are already set; if one variable of a secret is set, keep all of them
    #[arg(long)]
    pub keep_existing: bool,
    /// Pass only PATH, HOME and the variables of the schedule
    #[arg(long)]
    pub pristine: bool,
    /// The command to start
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// keyrota itself failed (as for `env`, `nohup`, `timeout`: 125 to 127 are not the program's).
const FAILED: u8 = 125;
const CANNOT_START: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Becomes the program; the exit code if it does not come to that.
pub fn run(args: &Run, context: &Context<'_>) -> Result<u8, Failed> {
    let guard = UntilExec::guard();
    for what in guard.undone() {
        tracing::debug!("{what}");
    }
    let prepared = prepare(args, context).map_err(|failed| match failed.code {
        exit::CONFIG | exit::USAGE => failed,
        _ => Failed::new(FAILED, failed.say),
    });
    match prepared? {
        Ok(variables) => Err(become_it(&args.command, &variables, guard)),
        Err(report) => Ok(check::tell_unfit(&report, context)),
    }
}

/// The program's environment, or what is wrong with it.
fn prepare(args: &Run, context: &Context<'_>) -> Result<Result<Variables, Report>, Failed> {
    let chosen = context.choose(false)?;
    let program = check::program(&chosen.env, args.program.as_deref())?;
    let rules = gate_rules::rules(&chosen.env, program, &chosen.others);
    let mut variables = inherited(&chosen, &rules, args.pristine);
    if !args.pristine {
        let name = Zeroizing::new(chosen.env.name.clone().into_bytes());
        variables.insert(OsString::from("KEYROTA_ENV"), name);
        if let Some(dir) = chosen.env.file.parent() {
            let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
            let dir = Zeroizing::new(dir.into_os_string().into_encoded_bytes());
            variables.insert(OsString::from("KEYROTA_SCHEDULES"), dir);
        }
    }
    let wanted = wanted(&chosen, program, args.keep_existing.then_some(&variables));
    if !wanted.is_empty() {
        resolve(&chosen, context, &wanted, &mut variables)?;
    }
    for rule in &rules {
        if let Some(default) = &rule.default {
            variables
                .entry(OsString::from(&rule.variable))
                .or_insert_with(|| Zeroizing::new(default.clone().into_bytes()));
        }
    }
    let problems = check::check(&rules, &variables);
    if problems.is_empty() {
        return Ok(Ok(variables));
    }
    Ok(Err(Report {
        environment: chosen.env.name,
        problems,
        skipped: Vec::new(),
    }))
}

/// What is handed on of this process's environment.
fn inherited(chosen: &Chosen, rules: &[Rule], pristine: bool) -> Variables {
    let own = own_inputs(chosen);
    let secrets = chosen.env.secrets.iter().flat_map(|s| &s.env);
    let in_file: HashSet<&str> = secrets
        .map(|v| v.name.as_str())
        .chain(chosen.env.boot.iter().map(|b| b.variable.as_str()))
        .collect();
    let seen: HashSet<&str> = rules.iter().map(|rule| rule.variable.as_str()).collect();
    let mut variables = check::of_this_process();
    variables.retain(|name, _| {
        let Some(name) = name.to_str() else {
            return !pristine;
        };
        if seen.contains(name) {
            return true;
        }
        let ours = name.starts_with("KEYROTA_") || own.contains(name);
        let usual = !pristine || ["PATH", "HOME"].contains(&name);
        usual && !ours && !in_file.contains(name)
    });
    variables
}

/// Variables that hold, or lead to, what keyrota opens its own doors with.
fn own_inputs(chosen: &Chosen) -> HashSet<&str> {
    let providers = chosen
        .env
        .providers
        .iter()
        .flat_map(|p| p.settings.inputs());
    let references = providers
        .chain(&chosen.host.keys)
        .chain(&chosen.host.state_password);
    let named = references.filter_map(|reference| match reference {
        Reference::Env(name) => Some(name.as_str()),
        Reference::Credential(_) | Reference::File(_) => None,
    });
    ["CREDENTIALS_DIRECTORY"].into_iter().chain(named).collect()
}

/// The variables that the providers are asked for. Where one variable of a secret is kept, none of
/// that secret is asked for: a key of one version must not meet the key id of another.
fn wanted<'c>(
    chosen: &'c Chosen,
    program: Option<&Program>,
    kept: Option<&Variables>,
) -> HashSet<&'c str> {
    let is_kept = |secret: &&Secret| {
        kept.is_some_and(|kept| {
            secret
                .env
                .iter()
                .any(|v| kept.contains_key(OsStr::new(&v.name)))
        })
    };
    let secrets = chosen.env.secrets.iter().filter(|s| !is_kept(s));
    secrets
        .flat_map(|s| &s.env)
        .map(|v| v.name.as_str())
        .filter(|name| sees(program, name))
        .collect()
}

/// Puts what the providers hold over what is there. What they do not hold must not be there: an old
/// fallback would still be accepted.
fn resolve(
    chosen: &Chosen,
    context: &Context<'_>,
    wanted: &HashSet<&str>,
    variables: &mut Variables,
) -> Result<(), Failed> {
    let nothing_yet = chosen
        .home
        .as_ref()
        .is_some_and(|home| home.makes_keys && !home.identity().exists());
    let providers = chosen.providers().map_err(|failed| match nothing_yet {
        true => Failed::config(format!(
            "{}; if nothing was made here yet: keyrota rotate --all",
            failed.say
        )),
        false => failed,
    })?;
    let resolved = context.block_on(async {
        view::variables(&chosen.env, &providers, |name| wanted.contains(name))
            .await
            .map_err(unresolved)
    })?;
    for variable in resolved {
        let name = OsString::from(variable.name);
        match variable.value {
            Some(value) => {
                let bytes = value.expose_to(|bytes| Zeroizing::new(bytes.to_vec()));
                variables.insert(name, bytes);
            }
            None => {
                variables.remove(&name);
            }
        }
    }
    Ok(())
}

fn unresolved(why: ViewError) -> Failed {
    let code = match why {
        ViewError::Provider(..) => FAILED,
        ViewError::Parts(_) | ViewError::Field(_) => exit::CONFIG,
    };
    Failed::new(code, why.to_string())
}

/// Returns only if the system refuses.
fn become_it(command: &[OsString], variables: &Variables, guard: UntilExec) -> Failed {
    let Some((program, args)) = command.split_first() else {
        return Failed::new(exit::USAGE, "say what to start, after --");
    };
    let mut process = Command::new(program);
    process.args(args).env_clear();
    for (name, value) in variables {
        process.env(name, OsStr::from_bytes(value));
    }
    guard.lift();
    let why = process.exec();
    let code = match why.kind() {
        std::io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_START,
    };
    let program = program.display();
    Failed::new(code, format!("{program} cannot be started: {}", why.kind()))
}
