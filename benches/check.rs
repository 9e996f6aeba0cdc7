//! What `keyrota check` costs a machine that boots: the whole process, from exec to exit.
//!
//!     cargo bench --bench check
//!
//! The floor is `/bin/true`, started the same way. Between the two stands `keyrota --version`: what
//! it costs to load the program and to know the command line. All are measured in turns, in one run.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, by the real clock, and is read by a person"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const KEYROTA: &str = env!("CARGO_BIN_EXE_keyrota");

fn main() {
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let utc = schedules(place.path(), "utc", "UTC");
    let berlin = schedules(place.path(), "berlin", "Europe/Berlin");
    let variables = place.path().join("fit.env");
    std::fs::write(&variables, "APP_TOKEN=u7Rk2mQx9ZtLw4Vb8NpJc5YdHf3GsA6e\n").unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules");
    let check = |schedules: &Path, env: &str, wanted: i32| {
        let mut command = Command::new(KEYROTA);
        command.args(["check", "--env", env, "--schedules"]);
        command.arg(schedules).arg("--env-file").arg(&variables);
        (command, wanted)
    };
    let (utc, berlin) = (utc.as_path(), berlin.as_path());
    let measured: [(&str, Start<'_>); 5] = [
        ("/bin/true", &|| (Command::new("/bin/true"), 0)),
        ("keyrota --version", &|| {
            let mut command = Command::new(KEYROTA);
            command.arg("--version");
            (command, 0)
        }),
        ("check, one schedule in UTC", &|| check(utc, "bench", 0)),
        ("check, one in Europe/Berlin", &|| check(berlin, "bench", 0)),
        // Only one program's variables are given: it says what is missing, and that is the same work.
        ("check, the three of schedules/", &|| {
            let (mut command, _) = check(&ours, "development", UNFIT);
            command.args(["--program", "web"]);
            (command, UNFIT)
        }),
    ];
    let mut times = measured.map(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for ((_, command), times) in measured.iter().zip(&mut times) {
            times.push(lasts(command()));
        }
    }
    let medians = times.map(|mut t| {
        t.sort();
        t[t.len() / 2].as_secs_f64()
    });
    println!("{ROUNDS} rounds, medians");
    for ((what, _), median) in measured.iter().zip(medians) {
        let ratio = median / medians[0];
        println!("  {what:<32} {:6.2} ms  {ratio:5.1} x", median * 1e3);
    }
}

/// The exit code of an environment that is not fit.
const UNFIT: i32 = keyrota::commands::exit::UNFIT as i32;

/// Makes a command, and says how it has to end.
type Start<'a> = &'a dyn Fn() -> (Command, i32);

fn lasts((mut command, wanted): (Command, i32)) -> Duration {
    command.stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status().unwrap();
    let lasted = began.elapsed();
    assert_eq!(status.code(), Some(wanted), "{command:?}");
    lasted
}

/// A directory with one schedule.
fn schedules(place: &Path, name: &str, timezone: &str) -> std::path::PathBuf {
    let directory = place.join(name).join("schedules");
    std::fs::create_dir_all(&directory).unwrap();
    let text = format!(
        r#"environment = "bench"
timezone = "{timezone}"
[defaults]
refresh = "1m"
[providers.local]
kind = "file"
path = "bench.age"
identity = {{ file = "age-identity" }}
recipients = ["age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"]
[secrets.token]
kind = "random"
length = 32
schedule = "0 4 * * 1"
env = "APP_TOKEN"
[env.LOG_LEVEL]
one_of = ["debug", "info", "warn", "error"]
default = "info"
"#
    );
    std::fs::write(directory.join("bench.toml"), text).unwrap();
    directory
}
