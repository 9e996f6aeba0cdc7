//! `keyrota completions`: for shells.

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::{self, Failed};
use super::say;

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

/// Does it for `program`; the exit code.
pub fn run(args: &Completions, program: &mut Command) -> Result<u8, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, program, "keyrota", &mut script);
    say::print_data(&String::from_utf8_lossy(&script))?;
    Ok(exit::DONE)
}
