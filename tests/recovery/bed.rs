//! One order, killed somewhere, carried on until it is over, and judged.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use keyrota::state::Outcome;
use serde_json::Value;

use super::film::{Camera, Film};
use super::logins::{Count, Login, Logins};
use crate::support::evidence::{Evidence, document, value_at, versions};
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::leaks::Leaks;

/// A kind of order, and what must be true of it when it is over.
pub struct Scenario {
    /// The secret's name.
    pub secret: &'static str,
    /// What is there before keyrota is, in this directory and around it.
    pub world: fn(&Path) -> World,
    /// What is done before, undisturbed, each with its standard input.
    pub before: &'static [(&'static [&'static str], &'static str)],
    /// The order that is killed, and its standard input.
    pub order: (&'static [&'static str], &'static str),
    /// What carries it on, if it was begun.
    pub carry_on: &'static [&'static str],
    /// How it may end; the first is how it ends undisturbed.
    pub outcomes: &'static [Outcome],
    /// Whether the value before is kept, refused by everybody.
    pub keeps_previous: bool,
    /// The files that are filmed and may hold values, beside the document.
    pub targets: &'static [&'static str],
    /// What else must be true: of the directory, the film, and the value that is current.
    pub judge: fn(&Bed, &Film, &str),
}

/// What a scenario needs.
pub struct World {
    pub schedule: String,
    /// Logs in with what `out/app.env` says, all the time; and how long what it read may be used.
    pub login: Option<(Login, Duration)>,
}

impl World {
    /// A schedule and nothing else.
    pub fn of(schedule: String) -> Self {
        Self {
            schedule,
            login: None,
        }
    }
}

/// A directory with a scenario in it.
pub struct Bed {
    pub keyrota: Keyrota,
    scenario: &'static Scenario,
    /// Everything that was printed.
    said: Vec<u8>,
    camera: Option<Camera>,
    logins: Option<(Logins, Login)>,
    /// What they met with, once they have ended.
    pub count: Count,
    /// Generation, number of rotations and value before the order.
    start: (u64, usize, Option<String>),
}

/// How a process is made to die.
#[derive(Debug, Clone)]
pub enum Death {
    /// Where the code says so, the n-th time.
    At(&'static str, u32),
    /// By the kernel, this long after its start.
    After(Duration),
    /// By itself, if at all: the n-th call of this name, in each of its threads, fails with EIO.
    Disk(&'static str, u32),
    /// Not at all.
    None,
}

impl Bed {
    /// Prepared, and filmed from now on.
    pub fn new(scenario: &'static Scenario) -> Self {
        let keyrota = Keyrota::in_temp();
        for dir in ["tmp", "out"] {
            std::fs::create_dir(keyrota.path(dir)).unwrap();
        }
        let world = (scenario.world)(keyrota.dir());
        keyrota.write("schedules/development.toml", &world.schedule);
        let mut bed = Self {
            keyrota,
            scenario,
            said: Vec::new(),
            camera: None,
            logins: None,
            count: Count::default(),
            start: (0, 0, None),
        };
        for (args, stdin) in scenario.before {
            let (ran, _) = bed.run(args, stdin, &Death::None);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        }
        if !scenario.before.is_empty() {
            let document = bed.document();
            bed.start = (
                document["generation"].as_u64().unwrap(),
                bed.evidence().rotations.len(),
                value_at(&document, scenario.secret, "current"),
            );
        }
        let mut filmed = vec![bed.home().join("development.age")];
        filmed.extend(scenario.targets.iter().map(|t| bed.keyrota.path(t)));
        bed.camera = Some(Camera::start(filmed));
        if let Some((login, refresh)) = world.login {
            let file = bed.keyrota.path("out/app.env");
            bed.logins = Some((
                Logins::start(
                    file,
                    vec![("DATABASE_URL".to_owned(), login.clone())],
                    refresh,
                ),
                login,
            ));
        }
        bed
    }

    /// `.keyrota`.
    pub fn home(&self) -> PathBuf {
        self.keyrota.path(".keyrota")
    }

    /// The order, until `death`. Whether it was killed.
    pub fn order(&mut self, death: &Death) -> bool {
        let (args, stdin) = self.scenario.order;
        self.run_to(args, stdin, death)
    }

    /// Whatever is left to do, until `death`. Whether it was killed.
    pub fn carry_on(&mut self, death: &Death) -> bool {
        if self.is_over() {
            return false;
        }
        if self.has_begun() {
            return self.run_to(self.scenario.carry_on, self.scenario.order.1, death);
        }
        self.order(death)
    }

    fn has_begun(&self) -> bool {
        self.home().join("state.db").exists() && self.evidence().rotations.len() > self.start.1
    }

    /// Whether the order is carried out.
    pub fn is_over(&self) -> bool {
        self.has_begun() && !self.evidence().under_way()
    }

    fn run_to(&mut self, args: &[&str], stdin: &str, death: &Death) -> bool {
        let (ran, killed) = self.run(args, stdin, death);
        let fits = |outcome: &Outcome| ran.code == code_of(*outcome);
        assert!(
            killed || self.scenario.outcomes.iter().any(fits),
            "{args:?} ended with {}: {}{}",
            ran.code,
            ran.stdout,
            ran.stderr
        );
        killed
    }

    fn run(&mut self, args: &[&str], stdin: &str, death: &Death) -> (Ran, bool) {
        use std::io::Write;
        let mut command = self.command(args, death);
        if let Death::Disk(call, n) = death {
            command = failing(&command, call, *n);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        // A program that died reads nothing.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        if let Death::After(time) = death {
            std::thread::sleep(time.saturating_sub(began.elapsed()));
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        self.said.extend_from_slice(&output.stdout);
        self.said.extend_from_slice(&output.stderr);
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        let killed = match death {
            Death::Disk(..) => ran.code != 0,
            _ => output.status.signal() == Some(9),
        };
        (ran, killed)
    }

    /// The command, as everything here runs it: telling all it can tell, temporary files in sight.
    pub fn command(&self, args: &[&str], death: &Death) -> std::process::Command {
        let mut command = self.keyrota.command(args);
        command.env("KEYROTA_LOG", "trace");
        command.env("TMPDIR", self.keyrota.path("tmp"));
        if let Death::At(point, times) = death {
            command.env("KEYROTA_KILL", format!("{point}:{times}"));
        }
        command
    }

    /// What a process said that was started by somebody else.
    pub fn heard(&mut self, said: &[u8]) {
        self.said.extend_from_slice(said);
    }

    /// The document as it stands.
    pub fn document(&self) -> Value {
        let sealed = std::fs::read(self.home().join("development.age")).unwrap();
        document(&self.home(), &sealed)
    }

    /// State and log as they stand.
    pub fn evidence(&self) -> Evidence {
        Evidence::of(&self.home(), self.scenario.secret)
    }

    /// Everything that must be true once the order is carried out; the outcome.
    pub fn judge(mut self) -> Outcome {
        let film = self.camera.take().unwrap().stop();
        let secret = self.scenario.secret;
        let evidence = self.evidence();
        let document = self.document();
        let kept = versions(&document, secret);

        // One row per order, and it says how it ended.
        assert_eq!(evidence.rotations.len(), self.start.1 + 1);
        let row = &evidence.rotations[0];
        let outcome = row.outcome.expect("it is over");
        assert!(self.scenario.outcomes.contains(&outcome), "{outcome:?}");

        // No candidate is lost, and none is left.
        let (kept, previous): (Vec<_>, Vec<_>) =
            kept.into_iter().partition(|v| v["stage"] == "current");
        assert_eq!(kept.len(), 1, "exactly one version is current");
        let keeps = usize::from(self.scenario.keeps_previous && outcome == Outcome::Rotated);
        assert_eq!(previous.len(), keeps, "and no other is kept");
        let current = kept[0]["value"].as_str().unwrap();
        let generations = document["generation"].as_u64().unwrap() - self.start.0;
        if outcome == Outcome::Abandoned {
            assert_eq!(Some(current), self.start.2.as_deref());
            assert!(generations == 0 || generations == 2, "write, destroy");
        } else {
            assert_eq!(kept[0]["id"], row.id.to_string());
            assert_ne!(Some(current), self.start.2.as_deref());
            // Written, promoted, and the old one destroyed, each once whatever died meanwhile.
            let destroyed = self.start.2.is_some() && !self.scenario.keeps_previous;
            assert_eq!(generations, if destroyed { 3 } else { 2 });
        }

        // At every instant the document was whole and one version was current.
        let mut values = vec![("the current value".to_owned(), current.to_owned())];
        for shot in film.of(&self.home().join("development.age")) {
            let Some(bytes) = &shot.bytes else { continue };
            let then = super::bed::document(&self.home(), bytes);
            let current = value_at(&then, secret, "current");
            assert!(current.is_some() || self.start.2.is_none());
            for version in versions(&then, secret) {
                let value = version["value"].as_str().unwrap();
                if values.iter().all(|(_, v)| v != value) {
                    values.push((
                        format!("another value, {}", version["id"]),
                        value.to_owned(),
                    ));
                }
            }
        }
        let made = values.len() - usize::from(self.start.2.is_some());
        assert!(made <= 1, "at most one new value per rotation");

        if let Some((logins, login)) = self.logins.take() {
            let count = logins.stop();
            assert!(login(current).is_ok(), "what is current works");
            for previous in &previous {
                let old = previous["value"].as_str().unwrap();
                assert!(login(old).is_err(), "the old one is refused");
            }
            self.count = count;
        }
        super::log::judge(&evidence, row.id);
        (self.scenario.judge)(&self, &film, current);
        self.judge_files();

        // The password of a URL leaks without the URL.
        for (name, value) in values.clone() {
            let login = value
                .split_once("://")
                .and_then(|(_, rest)| rest.split_once('@'));
            if let Some((_, password)) = login.and_then(|(login, _)| login.split_once(':')) {
                values.push((format!("{name}: its password"), password.to_owned()));
            }
        }
        let values: Vec<_> = values.iter().map(|(n, v)| (&**n, &**v)).collect();
        let leaks = Leaks::of(&values);
        let mut found = leaks.in_text("what was printed", &self.said);
        let home = self.home();
        found.extend(leaks.below(self.keyrota.dir(), &|path| {
            path == home.join("keys")
                || path == home.join("development.age")
                || path.ends_with("told.jsonl")
                || (path.starts_with(self.keyrota.path("out"))
                    && path.extension().is_some_and(|e| e == "env"))
        }));
        assert!(found.is_empty(), "{found:#?}");
        outcome
    }

    /// Files are whole, private, and no other ones are left.
    fn judge_files(&self) {
        let entries = |dir: &str| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(self.keyrota.path(dir)).unwrap();
            entries.map(|e| e.unwrap().path()).collect()
        };
        assert_eq!(entries("tmp"), Vec::<PathBuf>::new());
        for dir in ["out", ".keyrota", ".keyrota/keys", ".keyrota/checkpoints"] {
            for path in entries(dir) {
                let name = path.file_name().unwrap().to_str().unwrap();
                let lock = name.ends_with(".keyrota.lock"); // of a file's editors; it stays
                assert!(
                    lock || !name.starts_with('.'),
                    "{} was left",
                    path.display()
                );
                let mode = path.metadata().unwrap().permissions().mode() & 0o777;
                let meant = match name {
                    "jwks.json" => 0o644,
                    _ if name.ends_with(".checkpoints") => 0o644,
                    "keys" | "checkpoints" | "programs" => 0o700,
                    _ => 0o600,
                };
                assert_eq!(mode, meant, "{}", path.display());
            }
        }
    }
}

/// The same command, on a disk that fails.
fn failing(command: &std::process::Command, call: &str, n: u32) -> std::process::Command {
    let mut traced = std::process::Command::new("strace");
    traced
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
        ])
        .args(["-e", &format!("inject={call}:error=EIO:when={n}")])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced
}

/// What `rotate --wait` and `import` end with.
fn code_of(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Rotated | Outcome::Imported => 0,
        Outcome::Abandoned => 20,
    }
}

/// The lines that the command consumer was told.
pub fn told(bed: &Bed) -> Vec<Value> {
    let text = std::fs::read_to_string(bed.keyrota.path("out/told.jsonl")).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The variables in an environment file that keyrota wrote.
pub fn env_file(bytes: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())
        })
        .collect()
}
