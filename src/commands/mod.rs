//! The command line: one file per subcommand.
//!
//! stdout is data, stderr is progress and diagnostics. Every `--json` answer has a
//! `schema_version`. Exit codes are those of [`exit`].

mod audit;
mod check;
pub mod clock;
pub mod completions;
mod context;
mod daemon;
mod decide;
mod engage;
pub mod exit;
mod global;
mod handed;
mod history;
mod home;
mod import;
mod init;
mod jwks;
mod lasting;
pub mod log;
mod plan;
mod policy;
mod progress;
mod providers;
mod report;
mod rotate;
mod run;
mod say;
mod schema;
mod status;
mod validate;

use clap::{CommandFactory, Parser, Subcommand};

use context::Context;
use exit::Failed;
pub use global::Global;

use crate::config::Registry;

/// Rotates secrets without an outage, gates a program's environment, and proves what happened.
#[derive(Debug, Parser)]
#[command(name = "keyrota", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// Options of all subcommands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done (also: only a grace remains), 1 the environment is not fit, 2 usage, \
10 waiting, 20 abandoned and nothing changed, 21 begun and resumable, 22 needs a person, 23 already running, \
30-39 the audit log is not what it was (37: it is unsigned), 75 not begun and may work later, 78 configuration.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a starter schedule with a file provider and its keys, ready to run
    Init(init::Init),
    /// Adopt values that exist already, without rotating anything
    Import(import::Import),
    /// Check the files, all of them, and report every problem at once
    Validate(validate::Validate),
    /// Is this environment fit to start a program?
    Check(check::Check),
    /// Start a program with its secrets, if the environment is fit
    Run(run::Run),
    /// What is due, and what each step would do
    Plan(plan::Plan),
    /// The rights that a provider has to give, as its policy
    Policy(policy::Policy),
    /// Rotate now
    Rotate(rotate::Rotate),
    /// End a grace early
    Retire(decide::Retire),
    /// Say that what the schedule asked a person for is done
    Confirm(decide::Named),
    /// Go on with a rotation that waits for a person or for its next try, or with copies left to one
    Resume(decide::Named),
    /// Take the candidate of a rotation back
    Abandon(decide::Named),
    /// Age, phase, deadlines and next turn of every secret
    Status(status::Status),
    /// Show which time keyrota trusts, or accept the system clock
    Clock(clock::ClockArgs),
    /// Past rotations of a secret
    History(history::History),
    /// The public key set of an environment
    Jwks(jwks::Jwks),
    /// The log of what happened, and the proof that it is whole
    Audit(audit::Audit),
    /// What is built in
    Providers(providers::Providers),
    /// The JSON Schema of the schedules
    Schema(schema::Schema),
    /// Completions for a shell
    Completions(completions::Completions),
    /// Follow the schedules
    Daemon(daemon::Daemon),
}

/// Does what was asked, with these kinds; the exit code.
pub fn run(cli: &Cli, registry: Registry) -> Result<u8, Failed> {
    let context = Context::new(&cli.global, registry);
    match &cli.command {
        Command::Init(args) => init::run(args, &context),
        Command::Import(args) => import::run(args, &context),
        Command::Validate(args) => validate::run(args, &context),
        Command::Check(args) => check::run(args, &context),
        Command::Run(args) => run::run(args, &context),
        Command::Plan(args) => plan::run(args, &context),
        Command::Policy(args) => policy::run(args, &context),
        Command::Rotate(args) => rotate::run(args, &context),
        Command::Retire(args) => decide::retire(args, &context),
        Command::Confirm(args) => decide::run(args, keyrota_rotation::Decision::Confirm, &context),
        Command::Resume(args) => decide::run(args, keyrota_rotation::Decision::Resume, &context),
        Command::Abandon(args) => decide::run(args, keyrota_rotation::Decision::Abandon, &context),
        Command::Status(args) => status::run(args, &context),
        Command::Clock(args) => clock::run(args, &context),
        Command::History(args) => history::run(args, &context),
        Command::Jwks(args) => jwks::run(args, &context),
        Command::Audit(args) => audit::run(args, &context),
        Command::Providers(args) => providers::run(args, &context),
        Command::Schema(args) => schema::run(args, &context),
        Command::Completions(args) => completions::run(args, &mut Cli::command()),
        Command::Daemon(args) => daemon::run(args, &context),
    }
}
