//! What a rotation of a Postgres login costs: `keyrota rotate`, the whole process, as a user runs it.
//!
//!     cargo bench --bench database
//!
//! The floor is what no such rotation can do without: one ALTER ROLE, one login with the new password
//! and one durable commit (fsync of a small file). Both are measured in turns, in one run, on a server
//! of our own (Debian's package `postgresql`) with two users that take turns, no grace, the file
//! provider and SQLite. A login is slow on both sides: sqlx 0.9.0 sets no TCP_NODELAY, so that each
//! waits twice 40 ms for a delayed acknowledgement; its next release does. Then one more rotation is counted, and the audit log says where the time went.

// The tests' server serves here as well.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    reason = "a benchmark stops at the first surprise"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, by the real clock, and is read by a person"
)]
#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use postgres::{ADMIN, Postgres};

const ROUNDS: usize = 30;
const KEYROTA: &str = env!("CARGO_BIN_EXE_keyrota");

fn main() {
    let bed = Bed::new();
    let mut admin = bed.wait(bed.server.connect("postgres"));
    bed.rotate(); // the first one writes more: it is not measured
    let (mut rotations, mut floors) = (Vec::new(), Vec::new());
    let mut effects: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        rotations.push(timed(|| bed.rotate()));
        floors.push(bed.floor(&mut admin));
        for (what, ms) in bed.spent(*rotations.last().unwrap()) {
            effects.entry(what).or_default().push(ms);
        }
    }
    let rotation = median(&mut rotations);
    let parts: [f64; 3] = std::array::from_fn(|i| {
        median(&mut floors.iter().map(|floor| floor[i]).collect::<Vec<_>>())
    });
    let floor = median(&mut floors.iter().map(|f| f.iter().sum()).collect::<Vec<_>>());
    println!("{ROUNDS} rounds, medians");
    println!("  a rotation {rotation:7.1} ms");
    println!(
        "  the floor  {floor:7.1} ms   ALTER ROLE {:.1}, a login {:.1}, an fsync {:.1}",
        parts[0], parts[1], parts[2]
    );
    println!("  ratio      {:7.1}", rotation / floor);

    println!(
        "\nwhere it goes, by the audit log's times (an effect includes the commit of its intent):"
    );
    let mut effects: Vec<_> = effects
        .into_iter()
        .map(|(k, mut v)| (k, median(&mut v)))
        .collect();
    effects.sort_by(|a, b| a.0.cmp(&b.0));
    for (what, ms) in effects {
        // The number in front only keeps the order.
        println!("  {:<34} {ms:6.1} ms", what.split_once(' ').unwrap().1);
    }
    println!("\none more rotation, counted:");
    bed.count(&mut admin);
    bed.wait(async { admin.close().await.unwrap() });
}

struct Bed {
    server: Postgres,
    directory: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    fn new() -> Self {
        let bed = Self {
            // The tests' server does not wait for its disk; a real one does.
            server: Postgres::with("fsync = on", ""),
            // Beside the programs, on a disk: /tmp may be memory.
            directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
        };
        let port = bed.server.port();
        let ca = bed.server.ca_file();
        std::fs::create_dir(bed.path("schedules")).unwrap();
        bed.write(
            "schedules/development.toml",
            &format!(
                r#"environment = "development"
[defaults]
refresh = "0s"
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
ca_file = {ca:?}
admin = "admin"
grace = "0s"
env = "DATABASE_URL"
"#
            ),
        );
        let plan = bed.keyrota(&["plan", "--setup", "--json"]);
        let plan: Value = serde_json::from_slice(&plan).unwrap();
        let sql = plan["statements"].as_array().unwrap().iter();
        let mut script: String = sql
            .flat_map(|s| [s["sql"].as_str().unwrap(), "\n"])
            .collect();
        script += "ALTER ROLE app_a PASSWORD 'made-by-hand'; CREATE ROLE floor LOGIN;";
        bed.wait(bed.server.run("postgres", script)).unwrap();
        let password = bed.server.password();
        let password = password.expose_to(|p| String::from_utf8_lossy(p).replace(' ', "%20"));
        bed.write(
            "app.env",
            &format!(
                "DATABASE_URL=postgres://app_a:made-by-hand@127.0.0.1:{port}/postgres\n\
                 ADMIN_URL=postgres://{ADMIN}:{password}@127.0.0.1:{port}/postgres\n"
            ),
        );
        bed.keyrota(&["import", "--env-file", "app.env"]);
        bed
    }

    fn rotate(&self) {
        self.keyrota(ROTATE);
    }

    /// ALTER ROLE, a login and a durable commit: milliseconds of each.
    fn floor(&self, admin: &mut PgConnection) -> [f64; 3] {
        let password = uuid::Uuid::now_v7().to_string();
        let alter = AssertSqlSafe(format!("ALTER ROLE floor PASSWORD '{password}'"));
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.server.port())
            .database("postgres")
            .username("floor")
            .password(&password)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(self.server.ca_file())
            .disable_statement_logging();
        [
            timed(|| {
                self.wait(sqlx::raw_sql(alter).execute(admin)).unwrap();
            }),
            timed(|| {
                self.wait(async { options.connect().await?.close().await })
                    .unwrap()
            }),
            timed(|| {
                let mut file = File::create(self.path("small")).unwrap();
                file.write_all(&[7; 512]).unwrap();
                file.sync_all().unwrap();
            }),
        ]
    }

    /// What the last rotation did when, from its entries: `NN what` and milliseconds.
    fn spent(&self, whole_ms: f64) -> Vec<(String, f64)> {
        let history = self.json(&["history", "database", "--json"]);
        let id = history["rotations"][0]["id"].as_str().unwrap();
        let list = self.json(&["audit", "list", "--json", "--rotation", id]);
        let entries = list["entries"].as_array().unwrap();
        let at = |entry: &Value| entry["ts_us"].as_i64().unwrap();
        let ms = |from: i64, to: i64| (to - from) as f64 / 1e3;
        let mut spent = Vec::new();
        let mut between = 0.0;
        for pair in entries.windows(2) {
            let lasted = ms(at(&pair[0]), at(&pair[1]));
            if pair[0]["phase"] == "intent" {
                let which = pair[0]["detail"]["which"].as_str().unwrap_or_default();
                let effect = pair[0]["effect"].as_str().unwrap();
                spent.push((format!("{:02} {effect} {which}", spent.len()), lasted));
            } else {
                between += lasted;
            }
        }
        let inside = ms(at(&entries[0]), at(entries.last().unwrap()));
        let n = spent.len();
        spent.push((format!("{n:02} commits between effects"), between));
        spent.push((
            format!("{:02} before the first, after the last", n + 1),
            whole_ms - inside,
        ));
        spent
    }

    /// Logins and statements by the server's log, system calls by strace where it is installed.
    fn count(&self, admin: &mut PgConnection) {
        let set = "ALTER SYSTEM SET log_connections = 'on'; ALTER SYSTEM SET log_statement = 'all'; \
                   SELECT pg_reload_conf()";
        for statement in set.split("; ") {
            self.wait(sqlx::raw_sql(statement).execute(&mut *admin))
                .unwrap();
        }
        // The server's processes hear of it when they do something next.
        std::thread::sleep(Duration::from_millis(500));
        let before = self.server.log().len();
        let calls = self.path("calls");
        let traced = Command::new("strace")
            .args(["-f", "-c", "-e", "trace=fsync,fdatasync,connect", "-o"])
            .arg(&calls)
            .arg(KEYROTA)
            .args(ROTATE)
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .status();
        match traced {
            Ok(status) => assert!(status.success()),
            Err(_) => self.rotate(),
        }
        let log = self.server.log();
        let count = |word: &str| log[before..].lines().filter(|l| l.contains(word)).count();
        println!(
            "  logins {} taken, {} refused; statements {}",
            count("connection authorized: "),
            count("FATAL:  password authentication failed"),
            count("LOG:  statement: ") + count("LOG:  execute "),
        );
        let Ok(calls) = std::fs::read_to_string(calls) else {
            println!("  strace is not installed: system calls were not counted");
            return;
        };
        for line in calls.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if let [_, _, _, calls, .., name] = words[..]
                && ["fsync", "fdatasync", "connect"].contains(&name)
            {
                println!("  {name} {calls}");
            }
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_slice(&self.keyrota(args)).unwrap()
    }

    fn keyrota(&self, args: &[&str]) -> Vec<u8> {
        let output = Command::new(KEYROTA)
            .args(args)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        output.stdout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

const ROTATE: &[&str] = &["rotate", "database", "--wait"];

/// Milliseconds.
fn timed(work: impl FnOnce()) -> f64 {
    let began = Instant::now();
    work();
    began.elapsed().as_secs_f64() * 1e3
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
