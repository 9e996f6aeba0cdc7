//! The real binary, in a directory of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory to run keyrota in; it goes when this goes.
pub struct Keyrota {
    dir: tempfile::TempDir,
    program: PathBuf,
}

/// How one run ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 after a signal.
    pub code: i32,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Keyrota {
    /// In an empty directory.
    pub fn in_temp() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            program: env!("CARGO_BIN_EXE_keyrota").into(),
        }
    }

    /// The same directory and another build.
    pub fn with(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// The directory it runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in that directory.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir().join(relative)
    }

    /// Writes a file below that directory, with the directories above it.
    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The command, for tests that start it, signal it or change its environment. What this
    /// machine sets for a keyrota of its own is not handed on.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.dir());
        let ours = |name: &str| {
            name.starts_with("KEYROTA_")
                || ["STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"].contains(&name)
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(ours) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs it to its end, with nothing on standard input.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with_stdin(args, "")
    }

    /// Runs it to its end, with `input` on standard input.
    pub fn run_with_stdin(&self, args: &[&str], input: &str) -> Ran {
        Ran::fed(&mut self.command(args), input)
    }
}

impl Ran {
    /// A command, run to its end, with `input` on standard input.
    pub fn fed(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads nothing may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Self::of(child.wait_with_output().unwrap())
    }

    /// What a command that was run to its end left.
    pub fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, after checking how it ended.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}
