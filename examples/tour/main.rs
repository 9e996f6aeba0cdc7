//! A tour: a database's password changes while a program logs in without pause, and keyrota dies on the way.
//!
//!     cargo run --release --example tour
//!
//! It starts a Postgres of its own in a temporary directory (Debian's package `postgresql` has to be
//! installed; nothing that runs already is touched), gives it two users that take turns, rotates
//! `DATABASE_URL` several times under a login loop, kills keyrota in the middle of one rotation, lets
//! the next one carry it on, and prints what the audit log says of it. Nothing is left behind, nor
//! after Ctrl-C: that ends the programs it started, and then it stops as at any other surprise.

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
mod logins;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod told;

use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use logins::{Logins, Url, runtime};
use postgres::{ADMIN, Postgres};

/// Under this name the tour calls itself: then it is keyrota.
const AS_KEYROTA: &str = "TOUR_AS_KEYROTA";
const ROTATIONS: u32 = 5;
/// The rotation that keyrota dies in.
const FATAL: u32 = 3;

fn main() -> ExitCode {
    if std::env::var_os(AS_KEYROTA).is_some() {
        return keyrota::process::run(keyrota::kinds::registry());
    }
    if !Path::new("/usr/lib/postgresql").exists() {
        eprintln!("this tour needs a Postgres to start: apt-get install postgresql");
        return ExitCode::FAILURE;
    }
    // A handler of our own, once it is there, stays: Ctrl-C no longer ends this process at once.
    let interrupted = tokio::signal::unix::SignalKind::interrupt();
    runtime()
        .block_on(async { tokio::signal::unix::signal(interrupted).map(drop) })
        .unwrap();
    let tour = Tour::begin();
    println!(
        "\n2. {ROTATIONS} rotations, while a program reads app.env and logs in, again and again\n"
    );
    let logins = Logins::start(tour.directory.path().join("app.env"), tour.server.ca_file());
    let mut killed = None;
    for n in 1..=ROTATIONS {
        killed = tour.rotation(n).or(killed);
    }
    let (done, refused) = logins.stop();
    println!("\n3. What the audit log has of rotation {FATAL} (keyrota audit list --rotation …)\n");
    let id = killed.expect("one of them is killed");
    told::rotation(&tour.json(&["audit", "list", "--json", "--rotation", &id]));
    println!("\n   keyrota audit verify:");
    for line in String::from_utf8_lossy(&tour.keyrota(&["audit", "verify"])).lines() {
        println!("     {line}");
    }
    println!(
        "\n{done} logins during {ROTATIONS} rotations, one of them through a kill -9: {refused} refused."
    );
    assert_eq!(refused, 0);
    ExitCode::SUCCESS
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
        println!(
            "A Postgres of our own is up, on port {port}; at the end it goes, and all of this with it."
        );
        println!("\n1. What its administrator runs once (keyrota plan --setup)\n");
        let plan = tour.json(&["plan", "--setup", "--json"]);
        let statements = plan["statements"].as_array().unwrap();
        let mut script = String::new();
        for sql in statements.iter().map(|s| s["sql"].as_str().unwrap()) {
            // What the page explains in comments is left out here.
            for line in sql.lines().filter(|line| !line.starts_with("--")) {
                println!("     {line}");
            }
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
        println!("\n   The URL in use is adopted as it is (keyrota import --env-file app.env).");
        tour
    }

    /// One rotation; its id, if keyrota was killed in it.
    fn rotation(&self, n: u32) -> Option<String> {
        let (at, before) = (self.began.elapsed(), self.url().username());
        let killed = (n == FATAL).then(|| self.kill());
        let began = Instant::now();
        self.keyrota(&["rotate", "database", "--wait"]);
        let (lasted, after) = (began.elapsed().as_secs_f32(), self.url().username());
        let at = at.as_secs_f32();
        let how = match &killed {
            Some((_, phase)) => {
                format!("kill -9 in phase {phase}; the next keyrota needs {lasted:.1} s")
            }
            None => format!("{lasted:.1} s, one of them grace"),
        };
        println!("   {at:5.1} s  rotation {n}  {before} -> {after}  {how}");
        killed.map(|(id, _)| id)
    }

    /// Begins a rotation and kills it once its new password is on its way to the server; its id and
    /// the phase that was written down last.
    fn kill(&self) -> (String, String) {
        let mut doomed = self.start(&["rotate", "database", "--wait"]);
        let last = || self.json(&["history", "database", "--json"])["rotations"][0].take();
        loop {
            let ended = doomed.try_wait().unwrap();
            assert!(ended.is_none(), "it ended before it could be killed");
            let last = last();
            let early = ["preflight", "create"]
                .iter()
                .any(|phase| last["phase"] == *phase);
            if last["outcome"].is_null() && !early {
                break;
            }
        }
        doomed.kill().unwrap(); // SIGKILL
        doomed.wait().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let last = last();
        (text(&last["id"]), text(&last["phase"]))
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// What the program would log in with now.
    fn url(&self) -> Url {
        Url::read(&self.directory.path().join("app.env"))
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
