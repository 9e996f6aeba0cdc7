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
#[cfg(test)]
mod reference;
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

/// Rotates secrets without an outage, checks the environment of programs, and proves what happened.
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

const EXIT_CODES: &str = "Exit codes: 0 done, or only a grace remains; 1 the environment is not fit; 2 usage; 10 waiting; \
20 abandoned, nothing changed; 21 interrupted, can be resumed; 22 a person must act; 23 another keyrota is running; \
30-39 the audit log failed verification (37: it is not signed); 75 not started, try again later; 78 configuration.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a first schedule and its keys, ready to run
    Init(init::Init),
    /// Adopt existing values without rotating them
    Import(import::Import),
    /// Check all schedules and settings, and report every problem at once
    Validate(validate::Validate),
    /// Check whether the environment is fit to start a program
    Check(check::Check),
    /// Start a program with its secrets if the environment is fit
    Run(run::Run),
    /// Show upcoming rotations and their steps
    Plan(plan::Plan),
    /// Print the access policy that a provider needs
    Policy(policy::Policy),
    /// Rotate secrets now
    Rotate(rotate::Rotate),
    /// Revoke the old value now instead of at the end of its grace
    Retire(decide::Retire),
    /// Confirm a manual step
    Confirm(decide::Named),
    /// Resume a stuck or waiting rotation, or retry failed copies
    Resume(decide::Named),
    /// Abandon a rotation and discard its new value
    Abandon(decide::Named),
    /// Show age, phase, deadlines and next rotation of every secret
    Status(status::Status),
    /// Show the time that keyrota trusts, or accept the system clock
    Clock(clock::ClockArgs),
    /// Show past rotations of a secret
    History(history::History),
    /// Print the public keys of an environment
    Jwks(jwks::Jwks),
    /// Show, verify, sign and export the audit log
    Audit(audit::Audit),
    /// List the kinds of provider, secret and consumer, and their keys
    Providers(providers::Providers),
    /// Print the JSON Schema of schedules
    Schema(schema::Schema),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Rotate secrets on schedule
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
