//! A tour: a database's password changes while a program logs in without pause, and keyrota dies on the way.
//!
//!     cargo run --release --example tour
//!
//! It starts a Postgres of its own in a temporary directory (Debian's package `postgresql` has to be
//! installed; nothing that runs already is touched), gives it two users that take turns, rotates
//! `DATABASE_URL` several times under a login loop, kills keyrota in the middle of one rotation, lets
//! the next one carry it on, and prints what the audit log says of it.

// The tests' server serves here as well.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a tour stops at the first surprise"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a tour happens by the real clock"
)]
#![allow(clippy::print_stdout, missing_docs, reason = "it is read by a person")]
#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use keyrota::commands::{self, Cli};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use postgres::{ADMIN, Postgres};

/// Under this name the tour calls itself: then it is keyrota.
const AS_KEYROTA: &str = "TOUR_AS_KEYROTA";
const ROTATIONS: u32 = 5;
/// The rotation that keyrota dies in.
const FATAL: u32 = 3;

fn main() -> ExitCode {
    if std::env::var_os(AS_KEYROTA).is_some() {
        return keyrota_itself();
    }
    if !Path::new("/usr/lib/postgresql").exists() {
        eprintln!("this tour needs a Postgres to start: apt-get install postgresql");
        return ExitCode::FAILURE;
    }
    let tour = Tour::begin();
    let logins = Logins::start(&tour);
    for n in 1..=ROTATIONS {
        tour.rotation(n);
    }
    let (done, refused) = logins.stop();
    tour.tell();
    println!(
        "\n{done} logins while {ROTATIONS} rotations ran, one of them through a kill -9: {refused} refused."
    );
    assert_eq!(refused, 0);
    ExitCode::SUCCESS
}

/// The same life as the binary's.
fn keyrota_itself() -> ExitCode {
    let cli = Cli::parse();
    keyrota::world::harden();
    commands::log::start(&cli);
    match commands::run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            commands::log::failure(&cli, &failed);
            ExitCode::from(failed.code)
        }
    }
}

struct Tour {
    server: Arc<Postgres>,
    directory: tempfile::TempDir,
    began: Instant,
}

impl Tour {
    fn begin() -> Self {
        let tour = Self {
            server: Postgres::shared(),
            directory: tempfile::tempdir().unwrap(),
            began: Instant::now(),
        };
        let port = tour.server.port();
        std::fs::create_dir(tour.directory.path().join("schedules")).unwrap();
        tour.write(
            "schedules/development.toml",
            &format!(
                r#"environment = "development"
[defaults]
refresh = "1s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"

[secrets.admin]
kind = "external"
format = "url"
env = "ADMIN_URL"

[secrets.database]
kind = "postgres"
strategy = "alternating-users"
users = ["app_a", "app_b"]
url = "postgres://{{user}}:{{password}}@127.0.0.1:{port}/postgres"
ca_file = {:?}
admin = "admin"
grace = "1s"
env = "DATABASE_URL"

[[secrets.database.consumers]]
kind = "file"
path = "app.env"
format = "dotenv"
"#,
                tour.server.ca_file()
            ),
        );
        tour.says("a Postgres of our own is up; what its administrator runs once, says `keyrota plan --setup`");
        let plan: Value =
            serde_json::from_slice(&tour.keyrota(&["plan", "--setup", "--json"])).unwrap();
        let statements = plan["statements"].as_array().unwrap();
        let mut script = String::new();
        for statement in statements {
            let sql = statement["sql"].as_str().unwrap();
            println!("           {sql}");
            script += sql;
            script += "\n";
        }
        // The first password was made by hand, as they are.
        script += "ALTER ROLE app_a PASSWORD 'm@de:by/hand%20';";
        let admin = tour
            .server
            .password()
            .expose_to(|p| String::from_utf8_lossy(p).replace(' ', "%20"));
        runtime()
            .block_on(tour.server.run("postgres", script))
            .unwrap();
        tour.write(
            "app.env",
            &format!(
                "DATABASE_URL=postgres://app_a:m%40de%3Aby%2Fhand%2520@127.0.0.1:{port}/postgres\n\
                 ADMIN_URL=postgres://{ADMIN}:{admin}@127.0.0.1:{port}/postgres\n"
            ),
        );
        tour.keyrota(&["import", "--env-file", "app.env"]);
        tour.says("`keyrota import --env-file app.env`: the URL in use is adopted as it is");
        tour
    }

    fn rotation(&self, n: u32) {
        if n == FATAL {
            let mut doomed = self.start(&["rotate", "database", "--wait"]);
            let phase = loop {
                let status = self.json(&["history", "database", "--json"]);
                let last = &status["rotations"][0];
                if last["outcome"].is_null() && last["phase"] != "preflight" {
                    break last["phase"].as_str().unwrap_or_default().to_owned();
                }
            };
            doomed.kill().unwrap(); // SIGKILL
            doomed.wait().unwrap();
            self.says(&format!(
                "rotation {n}: kill -9, about when it was in phase {phase}"
            ));
        }
        let began = Instant::now();
        self.keyrota(&["rotate", "database", "--wait"]);
        let user = self.url().username();
        self.says(&format!(
            "rotation {n}: done in {:.1} s, a second of them grace; {user} is current",
            began.elapsed().as_secs_f32()
        ));
    }

    /// What the log says of the rotation that was interrupted.
    fn tell(&self) {
        let history = self.json(&["history", "database", "--json"]);
        let back = (ROTATIONS - FATAL) as usize;
        let id = history["rotations"][back]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        println!("\nThe audit log of rotation {FATAL}:");
        print!(
            "{}",
            String::from_utf8_lossy(&self.keyrota(&["audit", "list", "--rotation", &id]))
        );
        println!("\n`keyrota audit verify`:");
        print!(
            "{}",
            String::from_utf8_lossy(&self.keyrota(&["audit", "verify"]))
        );
    }

    fn says(&self, what: &str) {
        println!("{:7.1} s  {what}", self.began.elapsed().as_secs_f32());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// What the program reads before each login.
    fn url(&self) -> Url {
        let text = std::fs::read_to_string(self.directory.path().join("app.env")).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("DATABASE_URL="));
        Url(line.unwrap().trim_matches(['"', '\'']).to_owned())
    }

    fn start(&self, args: &[&str]) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .env(AS_KEYROTA, "1")
            .args(args)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn keyrota(&self, args: &[&str]) -> Vec<u8> {
        let output = self.start(args).wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{args:?} ended with {}",
            output.status
        );
        output.stdout
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.keyrota(args)).unwrap()
    }
}

struct Url(String);

impl Url {
    fn username(&self) -> String {
        let options: PgConnectOptions = self.0.parse().unwrap();
        options.get_username().to_owned()
    }

    async fn log_in(&self, ca: &Path) -> Result<(), sqlx::Error> {
        let options: PgConnectOptions = self.0.parse()?;
        let options = options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca);
        options
            .disable_statement_logging()
            .connect()
            .await?
            .close()
            .await
    }
}

/// A program that reads its URL anew and logs in, again and again.
struct Logins {
    stop: Arc<AtomicBool>,
    counts: Arc<(AtomicU32, AtomicU32)>,
    thread: std::thread::JoinHandle<()>,
}

impl Logins {
    fn start(tour: &Tour) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let (flag, count, ca) = (stop.clone(), counts.clone(), tour.server.ca_file());
        let file = tour.directory.path().join("app.env");
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            while !flag.load(Ordering::SeqCst) {
                let text = std::fs::read_to_string(&file).unwrap();
                let line = text.lines().find_map(|l| l.strip_prefix("DATABASE_URL="));
                let url = Url(line.unwrap().trim_matches(['"', '\'']).to_owned());
                match runtime.block_on(url.log_in(&ca)) {
                    Ok(()) => count.0.fetch_add(1, Ordering::SeqCst),
                    Err(why) => {
                        eprintln!("a login failed: {why}");
                        count.1.fetch_add(1, Ordering::SeqCst)
                    }
                };
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self {
            stop,
            counts,
            thread,
        }
    }

    fn stop(self) -> (u32, u32) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        (
            self.counts.0.load(Ordering::SeqCst),
            self.counts.1.load(Ordering::SeqCst),
        )
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
