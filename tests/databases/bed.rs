//! A database, its users as `plan --setup` makes them, and a directory with a schedule for it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::support::evidence::{block_on, document, seal, value_at};
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;
use crate::support::proxy::Wire;

/// What a person chose long ago; all of it that a URL has no room for is encoded there.
pub const FIRST: &str = "h@nd:made/%#?-Pw1";
/// The administrator's.
pub const ADMIN: &str = "Adm1n:made/%#?-Pw";

/// A server.
pub enum Server {
    Postgres(Arc<Postgres>),
    Mariadb(Arc<Mariadb>),
}

/// What the schedule says, where a test wants it otherwise.
pub struct Plan {
    pub strategy: &'static str,
    /// Further lines of the secret.
    pub lines: String,
    pub ca_file: PathBuf,
    pub port: u16,
}

impl Server {
    /// Ends it as a crash would, and starts it again; nobody else may have it.
    pub fn crash_and_restart(&mut self) {
        match self {
            Self::Postgres(s) => Arc::get_mut(s).unwrap().crash_and_restart(),
            Self::Mariadb(s) => Arc::get_mut(s).unwrap().crash_and_restart(),
        }
    }
}

pub struct Bed {
    pub keyrota: Keyrota,
    pub server: Server,
    /// The database, and the beginning of its users' names.
    pub name: String,
    pub plan: Plan,
}

impl Bed {
    /// Two users that take turns, and an administrator.
    pub fn two(server: Server) -> Self {
        Self::new(server, "alternating-users", "grace = \"1s\"")
    }

    /// One user, which an administrator changes, and a gap.
    pub fn one(server: Server) -> Self {
        Self::new(server, "single-user", "accept_gap = true")
    }

    pub fn new(server: Server, strategy: &'static str, lines: &'static str) -> Self {
        let name = match &server {
            Server::Postgres(s) => block_on(s.database()),
            Server::Mariadb(s) => block_on(s.database()),
        };
        let bed = Self::bare(server, name, strategy, lines);
        let plan = bed.run(&["plan", "database", "--setup", "--json"]).code(0);
        let statements = plan.json()["statements"].as_array().unwrap().clone();
        let sql: Vec<_> = statements
            .iter()
            .map(|s| s["sql"].as_str().unwrap())
            .collect();
        // The name in the SQL is a proposal; here several tests share one server.
        bed.sql(&sql.join("\n").replace("keyrota_admin", "{k}"));
        for (user, password) in [("a", FIRST), ("k", ADMIN)] {
            bed.set_password(user, password);
        }
        bed
    }

    /// A schedule for a database; its users are still to be made.
    pub fn bare(server: Server, name: String, strategy: &'static str, lines: &'static str) -> Self {
        let (ca_file, port) = match &server {
            Server::Postgres(s) => (s.ca_file(), s.port()),
            Server::Mariadb(s) => (s.ca_file(), s.port()),
        };
        let plan = Plan {
            strategy,
            lines: lines.to_owned(),
            ca_file,
            port,
        };
        let bed = Self {
            keyrota: Keyrota::in_temp(),
            server,
            name,
            plan,
        };
        bed.write_schedule();
        bed
    }

    pub fn write_schedule(&self) {
        let (kind, scheme) = match self.server {
            Server::Postgres(_) => ("postgres", "postgres"),
            Server::Mariadb(_) => ("mysql", "mysql"),
        };
        let Plan {
            strategy,
            lines,
            ca_file,
            port,
        } = &self.plan;
        let mut users = vec![self.user("a")];
        if *strategy == "alternating-users" {
            users.push(self.user("b"));
        }
        let name = &self.name;
        let text = format!(
            "environment = \"development\"\n[defaults]\nrefresh = \"0s\"\nprovider = \"local\"\n\
             [providers.local]\nkind = \"file\"\npath = \".keyrota/development.age\"\n\
             [secrets.admin]\nkind = \"external\"\nformat = \"url\"\n\
             [secrets.database]\nkind = \"{kind}\"\nstrategy = \"{strategy}\"\nusers = {users:?}\n\
             url = \"{scheme}://{{user}}:{{password}}@127.0.0.1:{port}/{name}\"\nca_file = {ca_file:?}\n\
             admin = \"admin\"\n{lines}\n"
        );
        self.keyrota.write("schedules/development.toml", &text);
    }

    /// The name of a user: `a`, `b`, or `k`, the administrator.
    pub fn user(&self, which: &str) -> String {
        format!("{}_{which}", self.name)
    }

    /// As the server's superuser. `{a}`, `{b}`, `{k}` and `{db}` stand for names.
    pub fn sql(&self, script: &str) {
        let mut sql = script.replace("{db}", &self.name);
        for which in ["a", "b", "k"] {
            sql = sql.replace(&format!("{{{which}}}"), &self.user(which));
        }
        match &self.server {
            Server::Postgres(s) => block_on(s.run(&self.name, sql)).unwrap(),
            Server::Mariadb(s) => block_on(s.run(sql)).unwrap(),
        }
    }

    pub fn set_password(&self, user: &str, password: &str) {
        self.sql(&match self.server {
            Server::Postgres(_) => format!(
                "SET password_encryption = 'scram-sha-256'; ALTER ROLE {{{user}}} PASSWORD '{password}'"
            ),
            Server::Mariadb(_) => {
                format!("ALTER USER {{{user}}}@'%' IDENTIFIED BY '{password}'")
            }
        });
    }

    /// The value with this login.
    pub fn url(&self, user: &str, password: &str) -> String {
        let scheme = match self.server {
            Server::Postgres(_) => "postgres",
            Server::Mariadb(_) => "mysql",
        };
        let password: String = password.bytes().map(|b| format!("%{b:02X}")).collect();
        let (user, port, name) = (self.user(user), self.plan.port, &self.name);
        format!("{scheme}://{user}:{password}@127.0.0.1:{port}/{name}")
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.keyrota.run(args)
    }

    pub fn import(&self, secret: &str, value: &str) -> Ran {
        self.keyrota
            .run_with_stdin(&["import", secret, "--stdin"], value)
    }

    /// Both logins are stored and known.
    pub fn imported(self) -> Self {
        self.import("admin", &self.url("k", ADMIN)).code(0);
        self.import("database", &self.url("a", FIRST)).code(0);
        self
    }

    /// The same, with the server at the far end of a wire.
    pub fn behind_a_wire(mut self) -> (Self, Wire) {
        let wire = Wire::to(self.plan.port);
        self.plan.port = wire.port();
        self.write_schedule();
        (self.imported(), wire)
    }

    /// The value at a stage; none while nothing was stored.
    pub fn value(&self, stage: &str) -> Option<String> {
        let home = self.keyrota.path(".keyrota");
        let sealed = std::fs::read(home.join("development.age")).ok()?;
        value_at(&document(&home, &sealed), "database", stage)
    }

    /// As somebody who has the identity and the stock `age`.
    pub fn write_by_hand(&self, stage: &str, value: &str) {
        let home = self.keyrota.path(".keyrota");
        let file = home.join("development.age");
        let mut opened = document(&home, &std::fs::read(&file).unwrap());
        let versions = &mut opened["secrets"]["development/database"]["versions"];
        let mut versions = versions.as_array_mut().unwrap().iter_mut();
        let version = versions.find(|v| v["stage"] == stage).unwrap();
        version["value"] = value.into();
        seal(&home, &file, &opened);
    }

    /// What the stock client hears, with the login in a URL.
    pub fn client(&self, url: &str) -> Result<(), String> {
        let (user, password) = login(url);
        match &self.server {
            Server::Postgres(s) => {
                let (port, ca) = (s.port(), s.ca_file());
                let output = Command::new("psql")
                    .args(["-X", "-A", "-t", "-c", "SELECT 1"])
                    .arg(format!(
                        "host=127.0.0.1 port={port} dbname={} user={user} sslmode=verify-full sslrootcert={}",
                        self.name,
                        ca.display()
                    ))
                    .env("PGPASSWORD", password)
                    .output()
                    .unwrap();
                match output.status.success() {
                    true => Ok(()),
                    false => Err(String::from_utf8(output.stderr).unwrap()),
                }
            }
            Server::Mariadb(s) => s
                .client(&user, &password, "SELECT 1")
                .map(|_| ())
                .map_err(|number| number.to_string()),
        }
    }

    /// The value that is current logs in, and the log is whole.
    #[track_caller]
    pub fn sound(&self) {
        let current = self.value("current").unwrap();
        assert_eq!(self.client(&current), Ok(()));
        self.run(&["audit", "verify"]).code(0);
    }

    /// `rotate` ends with this code, and says these words here, in `status` and in `history`.
    #[track_caller]
    pub fn told(&self, code: i32, words: &str) {
        let ran = self.run(&["rotate", "database"]).code(code);
        let said = [
            ran.stdout,
            self.run(&["status", "database"]).code(0).stdout,
            self.run(&["history", "database"]).code(0).stdout,
        ];
        for text in said {
            assert!(text.contains(words), "{words:?} is not in {text}");
        }
    }
}

/// User and password of a URL, decoded.
pub fn login(url: &str) -> (String, String) {
    let (_, rest) = url.split_once("://").unwrap();
    let (user, password) = rest.split_once('@').unwrap().0.split_once(':').unwrap();
    let mut bytes = Vec::new();
    let mut rest = password.bytes();
    while let Some(b) = rest.next() {
        bytes.push(match b {
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            b => b,
        });
    }
    (user.to_owned(), String::from_utf8(bytes).unwrap())
}
