//! Options of all subcommands.

use std::path::PathBuf;

use clap::Args;

/// Options of all subcommands; they may stand before or after the subcommand.
#[derive(Debug, Args)]
pub struct Global {
    /// The settings of this host [default: /etc/keyrota/keyrota.toml, if it exists]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "KEYROTA_CONFIG",
        help_heading = "Global options"
    )]
    pub config: Option<PathBuf>,
    /// The directory of the schedules [default: /etc/keyrota/schedules, else ./schedules]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "KEYROTA_SCHEDULES",
        help_heading = "Global options"
    )]
    pub schedules: Option<PathBuf>,
    /// The environment; `daemon` and `validate` accept several
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "KEYROTA_ENV",
        help_heading = "Global options"
    )]
    pub env: Vec<String>,
    /// The state database: a file, or postgres://USER@HOST/DATABASE without a password
    #[arg(
        long,
        global = true,
        value_name = "STATE",
        env = "KEYROTA_STATE",
        // A password in it is refused; the help must not show it first.
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub state: Option<String>,
    /// Print JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
}
