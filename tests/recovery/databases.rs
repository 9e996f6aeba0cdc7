//! Database logins: a program logs in all the time, and keyrota dies wherever it can.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyrota::state::Outcome;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::bed::{Bed, Scenario, World};
use super::film::Film;
use super::logins::{Login, url};
use crate::support::evidence::block_on;
use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;
use crate::support::{mariadb, postgres};

/// How long the program may use what it has read.
pub const REFRESH: Duration = Duration::from_secs(2);

/// Two users in turns.
pub static POSTGRES_TWO: Scenario = Scenario {
    secret: "database",
    world: |dir| world(dir, &on_postgres(2), TWO),
    before: &[(&["import", "--env-file", "out/app.env"], "")],
    order: (&["rotate", "database", "--wait"], ""),
    carry_on: &["rotate", "database", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: true,
    targets: &["out/app.env"],
    judge: judge_no_gap,
};

/// One user, changed by an administrator.
pub static POSTGRES_ONE: Scenario = Scenario {
    world: |dir| world(dir, &on_postgres(1), ONE),
    judge: judge_gap,
    ..POSTGRES_TWO
};

/// One user that changes itself.
pub static POSTGRES_SELF: Scenario = Scenario {
    world: |dir| world(dir, &on_postgres(1), ITSELF),
    judge: judge_gap,
    ..POSTGRES_TWO
};

/// Two users in turns.
pub static MARIADB_TWO: Scenario = Scenario {
    world: |dir| world(dir, &on_mariadb(2), TWO),
    ..POSTGRES_TWO
};

/// One user with two passwords at once.
pub static MARIADB_BOTH: Scenario = Scenario {
    world: |dir| world(dir, &on_mariadb(1), BOTH),
    ..POSTGRES_TWO
};

/// One user that changes itself.
pub static MARIADB_SELF: Scenario = Scenario {
    world: |dir| world(dir, &on_mariadb(1), ITSELF),
    judge: judge_gap,
    ..POSTGRES_TWO
};

pub const TWO: &str = "strategy = \"alternating-users\"\nadmin = \"admin\"\ngrace = \"2s\"";
const BOTH: &str = "strategy = \"single-user\"\nadmin = \"admin\"\ngrace = \"2s\"";
const ONE: &str = "strategy = \"single-user\"\naccept_gap = true\nadmin = \"admin\"";
pub const ITSELF: &str = "strategy = \"single-user\"\naccept_gap = true";

/// The password that a person made, long ago.
const FIRST: &str = "A-password-by-hand-0";

/// A database with users of its own on a server.
#[derive(Clone)]
pub struct Ground {
    kind: &'static str,
    at: String,
    users: Vec<String>,
    admin: String,
    ca: PathBuf,
    pub login: Login,
}

fn names(users: usize) -> Vec<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    ["a", "b"][..users]
        .iter()
        .map(|u| format!("app{n}_{u}"))
        .collect()
}

pub fn on_postgres(users: usize) -> Ground {
    let server = Postgres::shared();
    let users = names(users);
    let owner = format!("{}_owner", users[0]);
    let mut script = format!("CREATE ROLE {owner} NOLOGIN;");
    for user in &users {
        script += &format!(
            "CREATE ROLE {user} LOGIN PASSWORD '{FIRST}' IN ROLE {owner}; ALTER ROLE {user} SET role = '{owner}';"
        );
    }
    let database = block_on(async {
        let database = server.database().await;
        server.run("postgres", script).await.unwrap();
        database
    });
    Ground {
        kind: "postgres",
        at: format!("127.0.0.1:{}/{database}", server.port()),
        users,
        admin: login_of(postgres::ADMIN, &server.password()),
        ca: server.ca_file(),
        login: Arc::new(move |url| block_on(log_in_to_postgres(&server, url))),
    }
}

pub fn on_mariadb(users: usize) -> Ground {
    let server = Mariadb::shared();
    let users = names(users);
    let database = block_on(async {
        let database = server.database().await;
        let mut script = String::new();
        for user in &users {
            let account = format!("{user}@'127.0.0.1'");
            script += &format!(
                "CREATE USER {account} IDENTIFIED BY '{FIRST}' REQUIRE SSL; GRANT ALL ON {database}.* TO {account};"
            );
        }
        server.run(script).await.unwrap();
        database
    });
    Ground {
        kind: "mysql",
        at: format!("127.0.0.1:{}/{database}", server.port()),
        users,
        admin: login_of(mariadb::ADMIN, &server.password()),
        ca: server.ca_file(),
        login: Arc::new(move |url| block_on(log_in_to_mariadb(&server, url))),
    }
}

fn login_of(user: &str, password: &keyrota_contract::SecretValue) -> String {
    let password = password.expose_to(|p| String::from_utf8(p.to_vec()).unwrap());
    format!(
        "{user}:{}",
        password.replace(' ', "%20").replace(',', "%2C")
    )
}

impl Ground {
    /// The schedule of one secret, called `name`, with a file for its program.
    pub fn secret(&self, name: &str, strategy: &str) -> String {
        let Self {
            kind,
            at,
            users,
            ca,
            ..
        } = self;
        let variable = if name == "database" {
            "DATABASE_URL"
        } else {
            name
        };
        format!(
            r#"
[secrets.{name}]
kind = "{kind}"
{strategy}
users = {users:?}
url = "{kind}://{{user}}:{{password}}@{at}"
ca_file = {ca:?}
env = "{variable}"
[[secrets.{name}.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
"#
        )
    }

    /// Who vouches for the server.
    pub fn ca_file(&self) -> &Path {
        &self.ca
    }

    /// What the program has, and what the administrator has.
    pub fn urls(&self) -> (String, String) {
        let Self {
            kind,
            at,
            users,
            admin,
            ..
        } = self;
        (
            format!("{kind}://{}:{FIRST}@{at}", users[0]),
            format!("{kind}://{admin}@{at}"),
        )
    }
}

/// What stands before the secrets of a schedule.
pub const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "2s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.admin]
kind = "external"
format = "url"
env = "DB_ADMIN"
"#;

fn world(dir: &Path, ground: &Ground, strategy: &str) -> World {
    let (url, admin) = ground.urls();
    let env = format!("DATABASE_URL={url}\nDB_ADMIN={admin}\n");
    std::fs::write(dir.join("out/app.env"), env).unwrap();
    World {
        schedule: HEAD.to_owned() + &ground.secret("database", strategy),
        login: Some((ground.login.clone(), REFRESH)),
    }
}

async fn log_in_to_postgres(server: &Postgres, url: &str) -> Result<(), String> {
    let url: PgConnectOptions = url.parse().map_err(|_| "not a URL".to_owned())?;
    let options = url
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(server.ca_file())
        .disable_statement_logging();
    let connection = options.connect().await.map_err(|e| e.to_string())?;
    connection.close().await.map_err(|e| e.to_string())
}

async fn log_in_to_mariadb(server: &Mariadb, url: &str) -> Result<(), String> {
    let url: MySqlConnectOptions = url.parse().map_err(|_| "not a URL".to_owned())?;
    let options = url
        .ssl_mode(MySqlSslMode::VerifyIdentity)
        .ssl_ca(server.ca_file())
        .disable_statement_logging();
    let connection = options.connect().await.map_err(|e| e.to_string())?;
    connection.close().await.map_err(|e| e.to_string())
}

fn judge_no_gap(bed: &Bed, _: &Film, current: &str) {
    assert_eq!(url(&bed.keyrota.path("out/app.env")), current);
    assert!(bed.count.done > 10, "{} logins", bed.count.done);
    assert!(bed.count.gaps.is_empty(), "{:?}", bed.count.gaps);
}

/// As long as a process is dead there is nobody to tell the program: at most one gap.
fn judge_gap(bed: &Bed, _: &Film, current: &str) {
    assert_eq!(url(&bed.keyrota.path("out/app.env")), current);
    assert!(bed.count.done > 1, "{} logins", bed.count.done);
    assert!(bed.count.gaps.len() <= 1, "{:?}", bed.count.gaps);
}
