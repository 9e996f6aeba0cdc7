//! A directory with one key in it, and the programs that use the key.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::TOKEN_TTL_SECONDS;
use crate::support::keyrota::{Keyrota, Ran};

/// A keyrota with the secret `session`.
pub struct Bed {
    keyrota: Keyrota,
    alg: &'static str,
    schedule: String,
}

/// A program started at one moment, and what verifiers read at that moment.
pub struct Moment {
    pub program: Program,
    /// As printed, and as in the consumer's file; none for HS256, where the program's own are the keys.
    sets: Vec<Value>,
}

/// `verify.py`, with the variables that `keyrota run` gave it.
pub struct Program {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    alg: &'static str,
}

impl Bed {
    pub fn new(alg: &'static str, format: &str) -> Self {
        let for_verifiers = match alg {
            "HS256" => r#"env_fallback = "KEY_FALLBACK""#,
            _ => {
                r#"jwks_max_age = "1s"
[[secrets.session.consumers]]
kind = "jwks"
path = "jwks.json""#
            }
        };
        let keyrota = Keyrota::in_temp();
        let schedule = format!(
            r#"environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.session]
kind = "jwt"
algorithm = "{alg}"
format = "{format}"
token_ttl = "{TOKEN_TTL_SECONDS}s"
refresh = "1s"
skew = "0s"
env = "KEY"
env_kid = "KID"
{for_verifiers}
"#
        );
        keyrota.write("schedules/development.toml", &schedule);
        Self {
            keyrota,
            alg,
            schedule,
        }
    }

    /// The file that the consumer keeps for verifiers.
    pub fn published(&self) -> PathBuf {
        self.keyrota.path("jwks.json")
    }

    /// The schedule with another line for the secret.
    pub fn with_line(&self, line: &str) {
        let kind = "kind = \"jwt\"\n";
        let schedule = self.schedule.replace(kind, &format!("{kind}{line}\n"));
        self.keyrota.write("schedules/development.toml", &schedule);
    }

    /// Begins a rotation, or carries it on.
    pub fn rotate(&self, options: &[&str]) -> Ran {
        self.keyrota.run(&rotate(options))
    }

    /// The same, not waited for.
    pub fn start_rotate(&self, options: &[&str]) -> Child {
        let mut command = self.keyrota.command(&rotate(options));
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    /// When the grace that is under way ends, in whole seconds.
    pub fn grace_until(&self) -> u64 {
        let status = self.keyrota.run(&["status", "--json"]).code(0).json();
        let rotation = &status["secrets"][0]["rotation"];
        assert_eq!(rotation["phase"], "grace");
        let until: Timestamp = rotation["until"].as_str().unwrap().parse().unwrap();
        until.as_second().try_into().unwrap()
    }

    /// A program that starts now, and what verifiers read now.
    pub fn now(&self) -> Moment {
        let mut moment = self.now_untold();
        if self.alg != "HS256" {
            let file = std::fs::read(self.keyrota.path("jwks.json")).unwrap();
            moment.sets.push(serde_json::from_slice(&file).unwrap());
        }
        moment
    }

    /// The same after an import, which tells no consumer: there is no file.
    pub fn now_untold(&self) -> Moment {
        let mut sets = Vec::new();
        if self.alg != "HS256" {
            sets.push(self.keyrota.run(&["jwks"]).code(0).json());
        }
        let [python, script] = program();
        // What its library warns of, as of a weak key, is an error.
        let run = ["run", "--", &python, "-Werror", &script];
        Moment {
            program: Program::start(self.keyrota.command(&run), self.alg),
            sets,
        }
    }

    /// A variable as a program gets it.
    pub fn variable(&self, name: &str) -> String {
        let ran = self.keyrota.run(&["run", "--", "printenv", "-0", name]);
        ran.code(0).stdout.trim_end_matches('\0').to_owned()
    }

    /// Imports a key and the key id that stands beside it, from a file of variables.
    pub fn import(&self, key: &str, key_id: &str) -> Ran {
        self.keyrota
            .write("old.env", &format!("KEY='{key}'\nKID={key_id}\n"));
        self.keyrota.run(&["import", "--env-file", "old.env"])
    }

    /// Imports with more options; the key is on standard input.
    pub fn import_with(&self, options: &[&str], key: &str) -> Ran {
        let arguments = [&["import", "session", "--json"], options].concat();
        self.keyrota.run_with_stdin(&arguments, key)
    }

    /// A program that has the key from elsewhere.
    pub fn before(&self, key: &str, key_id: &str) -> Program {
        let [python, script] = program();
        let mut command = Command::new(python);
        command.args(["-Werror", &script]);
        command.env("KEY", key).env("KID", key_id);
        Program::start(command, self.alg)
    }
}

impl Moment {
    /// What the verifiers of this moment think of a token: one verdict, if they agree.
    pub fn verdicts(&mut self, token: &str) -> Vec<String> {
        let read = match self.sets.len() {
            0 => vec![&Value::Null],
            _ => self.sets.iter().collect(),
        };
        let verdicts = read.into_iter().map(|set| self.program.verify(token, set));
        verdicts.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Program {
    fn start(mut command: Command, alg: &'static str) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: process.stdin.take().unwrap(),
            stdout: BufReader::new(process.stdout.take().unwrap()),
            process,
            alg,
        }
    }

    /// A token that is accepted for so long.
    pub fn sign(&mut self, ttl_seconds: u64) -> String {
        self.ask(json!({"do": "sign", "alg": self.alg, "ttl": ttl_seconds}))
    }

    fn verify(&mut self, token: &str, set: &Value) -> String {
        self.ask(json!({"do": "verify", "alg": self.alg, "token": token, "jwks": set}))
    }

    fn ask(&mut self, command: Value) -> String {
        writeln!(self.stdin, "{command}").expect("the program runs");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).expect("the program answers")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The kid in a token's header.
pub fn kid(token: &str) -> String {
    let header = jsonwebtoken::decode_header(token).unwrap();
    header.kid.expect("verifiers choose the key by its kid")
}

/// By the clock that tokens are judged by, in whole seconds.
pub fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn rotate<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["rotate", "session"], options].concat()
}

/// verify.py, and what runs it.
fn program() -> [String; 2] {
    let script = root().join("tests/tokens/verify.py");
    [python(), script].map(|path| path.to_str().unwrap().to_owned())
}

fn python() -> PathBuf {
    let python = root().join("target/venv/bin/python");
    assert!(python.exists(), "PyJWT is missing: run tests/run");
    python
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
