//! What goes to standard error: diagnostics, and how a command failed.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::exit::Failed;
use super::{Cli, Command};

/// Sets up logging. `KEYROTA_LOG` chooses what is told (`debug`, `keyrota=debug,warn`, …).
///
/// Crates that may quote what passes through them (statements, bodies, headers) never tell more
/// than warnings, whatever is asked for.
pub fn start(cli: &Cli) {
    let usual = if matches!(cli.command, Command::Daemon(_)) {
        LevelFilter::INFO
    } else {
        LevelFilter::WARN
    };
    let filter = EnvFilter::builder()
        .with_default_directive(usual.into())
        .with_env_var("KEYROTA_LOG")
        .from_env_lossy();
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    // The journal stamps its own times.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    // Beside the filter, not in it: there a more precise wish would win.
    let cap = filter_fn(|of| *of.level() <= Level::WARN || !is_quiet(of.target()));
    if journal {
        let subscriber = subscriber.without_time().with_ansi(false);
        subscriber.finish().with(cap).init();
    } else {
        subscriber.finish().with(cap).init();
    }
}

/// Crates that quote what passes through them.
const QUIET: &[&str] = &[
    "aws_", "h2", "hyper", "reqwest", "rustls", "sqlx", "tokio", "tower",
];

fn is_quiet(target: &str) -> bool {
    QUIET.iter().any(|quiet| target.starts_with(quiet))
}

/// Says how a command failed, on standard error.
pub fn failure(cli: &Cli, failed: &Failed) {
    if failed.say.is_empty() {
        return;
    }
    if cli.global.json {
        let told =
            serde_json::json!({"schema_version": 1, "exit": failed.code, "error": failed.say});
        eprintln!("{told}");
    } else {
        eprintln!("keyrota: {}", failed.say);
    }
}
