//! Database logins: a program logs in all the time, and keyrota dies wherever it can.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyrota::state::Outcome;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::bed::{Bed, Scenario, World};
use super::film::Film;
use crate::support::evidence::block_on;
use crate::support::postgres::{ADMIN, Postgres};

/// How long the program may use what it has read.
const REFRESH: Duration = Duration::from_secs(2);

/// Two users in turns.
pub static POSTGRES_ALTERNATING: Scenario = Scenario {
    secret: "database",
    world: |dir| {
        postgres(
            dir,
            "strategy = \"alternating-users\"\nadmin = \"admin\"",
            2,
        )
    },
    before: &[(&["import", "--env-file", "out/app.env"], "")],
    order: (&["rotate", "database", "--wait"], ""),
    carry_on: &["rotate", "database", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: true,
    targets: &["out/app.env"],
    judge: judge_no_gap,
};

/// One user, changed by an administrator.
pub static POSTGRES_SINGLE: Scenario = Scenario {
    world: |dir| {
        let strategy = "strategy = \"single-user\"\naccept_gap = true\nadmin = \"admin\"";
        postgres(dir, strategy, 1)
    },
    judge: judge_gap,
    ..POSTGRES_ALTERNATING
};

/// One user that changes itself.
pub static POSTGRES_SELF: Scenario = Scenario {
    world: |dir| postgres(dir, "strategy = \"single-user\"\naccept_gap = true", 1),
    judge: judge_gap,
    ..POSTGRES_ALTERNATING
};

/// A database with its users, a schedule for it, and the file that a program reads its URL from.
fn postgres(dir: &Path, strategy: &str, users: usize) -> World {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let server = Postgres::shared();
    let (port, ca) = (server.port(), server.ca_file());
    let names: Vec<String> = ["a", "b"][..users]
        .iter()
        .map(|u| format!("app{n}_{u}"))
        .collect();
    let database = block_on(async {
        let database = server.database().await;
        let owner = format!("app{n}_owner");
        let mut script =
            format!("CREATE ROLE {owner} NOLOGIN; GRANT ALL ON DATABASE {database} TO {owner};");
        for name in &names {
            script += &format!(
                "CREATE ROLE {name} LOGIN PASSWORD '{FIRST}' IN ROLE {owner}; ALTER ROLE {name} SET role = '{owner}';"
            );
        }
        server.run("postgres", script).await.unwrap();
        database
    });
    let admin = server
        .password()
        .expose_to(|p| String::from_utf8(p.to_vec()).unwrap());
    let env = format!(
        "DATABASE_URL=postgres://{}:{FIRST}@127.0.0.1:{port}/{database}\n\
         DB_ADMIN=postgres://{ADMIN}:{}@127.0.0.1:{port}/postgres\n",
        names[0],
        admin.replace(' ', "%20"),
    );
    std::fs::write(dir.join("out/app.env"), env).unwrap();
    let schedule = format!(
        r#"environment = "development"
[defaults]
refresh = "2s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.admin]
kind = "external"
format = "url"
env = "DB_ADMIN"
[secrets.database]
kind = "postgres"
{strategy}
users = {names:?}
url = "postgres://{{user}}:{{password}}@127.0.0.1:{port}/{database}"
ca_file = {ca:?}
{grace}
env = "DATABASE_URL"
[[secrets.database.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
"#,
        grace = if users == 2 { "grace = \"2s\"" } else { "" },
    );
    let login = move |url: &str| block_on(log_in(&server, url));
    World {
        schedule,
        login: Some((Arc::new(login), REFRESH)),
    }
}

/// The password that a person made, long ago.
const FIRST: &str = "a-password-by-hand-0";

async fn log_in(server: &Postgres, url: &str) -> Result<(), String> {
    let url: PgConnectOptions = url.parse().map_err(|_| "not a URL".to_owned())?;
    let options = url
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(server.ca_file())
        .disable_statement_logging();
    let connection = options.connect().await.map_err(|e| e.to_string())?;
    connection.close().await.map_err(|e| e.to_string())
}

fn judge_no_gap(bed: &Bed, _: &Film, current: &str) {
    let file = bed.keyrota.path("out/app.env");
    assert_eq!(super::logins::url(&file), current);
    assert!(bed.count.done > 10, "{} logins", bed.count.done);
    assert!(bed.count.gaps.is_empty(), "{:?}", bed.count.gaps);
}

/// As long as a process is dead there is nobody to tell the program: at most one gap.
fn judge_gap(bed: &Bed, _: &Film, current: &str) {
    let file = bed.keyrota.path("out/app.env");
    assert_eq!(super::logins::url(&file), current);
    assert!(bed.count.done > 1, "{} logins", bed.count.done);
    assert!(bed.count.gaps.len() <= 1, "{:?}", bed.count.gaps);
}
