//! `keyrota completions`: for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::context::Context;
use super::exit::{self, Failed};
use super::{Cli, say};

/// Options of `keyrota completions`.
#[derive(Debug, Args)]
#[command(after_help = "Load them in every new shell:

  bash  keyrota completions bash > ~/.local/share/bash-completion/completions/keyrota
  zsh   keyrota completions zsh > \"${fpath[1]}/_keyrota\"
  fish  keyrota completions fish > ~/.config/fish/completions/keyrota.fish")]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Does it; the exit code.
pub fn run(args: &Completions, _: &Context<'_>) -> Result<u8, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "keyrota", &mut script);
    say::print_data(&String::from_utf8_lossy(&script))?;
    Ok(exit::DONE)
}
