//! A Postgres state whose schema an administrator made: each right that is missing is named.

use keyrota::state::{Access, Location, Server, StateError, Store};
use keyrota::world::SystemEntropy;
use keyrota_contract::SecretValue;

use super::bed::{entry, holder, keys};
use crate::support::keyrota::Keyrota;
use crate::support::postgres::Postgres;

const PASSWORD: &str = "the user of the state";

/// A database in which a user without any right is going to keep the state.
struct Ground {
    server: std::sync::Arc<Postgres>,
    at: Server,
}

impl Ground {
    async fn new(user: &str) -> Self {
        let server = Postgres::shared();
        let database = server.database().await;
        let name = user.replace('"', "\"\"");
        let make = format!("CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'");
        server.run(&database, make).await.unwrap();
        let at = Server {
            host: "localhost".to_owned(),
            port: server.port(),
            user: user.to_owned(),
            database,
        };
        Self { server, at }
    }

    async fn run(&self, script: &str) {
        let script = script.to_owned();
        self.server.run(&self.at.database, script).await.unwrap();
    }

    async fn open(&self, read_only: bool) -> Result<Store, StateError> {
        let password = SecretValue::copy_of(PASSWORD.as_bytes());
        let ca_file = self.server.ca_file();
        let access = Access {
            password: Some(&password),
            ca_file: Some(&ca_file),
        };
        let at = Location::Postgres(self.at.clone());
        match read_only {
            true => Store::open_read_only(&at, access).await,
            false => Store::open(&at, access, &mut SystemEntropy)
                .await
                .map(|store| store.vouched(&keys(), None)),
        }
    }

    /// The statements that are asked for.
    async fn lacks(&self, read_only: bool) -> String {
        match self.open(read_only).await {
            Err(StateError::Lacks(statements)) => statements,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("nothing is missing"),
        }
    }

    async fn works(&self) {
        let store = self.open(false).await.unwrap();
        let lock = store.lock("prod", &holder(1), 5).await.unwrap();
        let at = super::bed::at(1);
        store.commit(&lock, &[], &[entry("x")], at).await.unwrap();
        store.release(lock).await.unwrap();
        self.open(true).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_is_all_that_is_missing() {
    let ground = Ground::new("the \"state\"").await;
    let database = &ground.at.database;
    let user = "\"the \"\"state\"\"\"";

    // No schema, and no right to make one.
    let asked = ground.lacks(false).await;
    let make = format!("CREATE SCHEMA keyrota AUTHORIZATION {user}");
    assert!(asked.starts_with(&make), "{asked}");
    assert!(asked.contains(&format!("GRANT CREATE ON DATABASE {database} TO {user}")));
    assert!(matches!(ground.open(true).await, Err(StateError::Missing)));

    // A schema of the administrator's: as each request is granted, the next is named, then it works.
    ground.run("CREATE SCHEMA keyrota").await;
    let asked = ground.lacks(false).await;
    let both = [
        format!("GRANT USAGE ON SCHEMA keyrota TO {user}"),
        format!("GRANT CREATE ON SCHEMA keyrota TO {user}"),
    ];
    assert_eq!(asked, both.join("; "));
    ground.run(&both[1]).await;
    assert_eq!(ground.lacks(false).await, both[0]);
    ground.run(&both[0]).await;
    ground.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_make_schemas_does_not_make_one_that_is_there() {
    let ground = Ground::new("maker").await;
    let database = &ground.at.database;
    ground
        .run(&format!(
            "CREATE SCHEMA keyrota AUTHORIZATION maker; GRANT CREATE ON DATABASE {database} TO maker"
        ))
        .await;
    ground.works().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_that_is_taken_away_is_named() {
    let ground = Ground::new("writer").await;
    let database = ground.at.database.clone();
    ground
        .run("CREATE SCHEMA keyrota; GRANT USAGE, CREATE ON SCHEMA keyrota TO writer")
        .await;
    drop(ground.open(false).await.unwrap());
    // From here on the tables are the administrator's.
    ground
        .run(
            "DO $$ DECLARE t text; BEGIN
                FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'keyrota' LOOP
                    EXECUTE format('ALTER TABLE keyrota.%I OWNER TO admin', t);
                END LOOP; END $$;
              REVOKE CREATE ON SCHEMA keyrota FROM writer;",
        )
        .await;
    // All that is asked for is enough.
    let asked = ground.lacks(false).await;
    let grants: Vec<String> = asked.split("; ").map(str::to_owned).collect();
    ground.run(&asked).await;
    ground.works().await;
    // Every table that keyrota made is among them.
    let mut admin = ground.server.connect(&database).await;
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'keyrota'")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!(grants.len(), usize::try_from(tables).unwrap(), "{asked}");

    let mut removed = 0;
    for grant in &grants {
        let (rights, rest) = grant
            .strip_prefix("GRANT ")
            .unwrap()
            .split_once(" ON ")
            .unwrap();
        let (table, user) = rest.split_once(" TO ").unwrap();
        for right in rights.split(", ") {
            ground
                .run(&format!("REVOKE {right} ON {table} FROM {user}"))
                .await;
            let again = format!("GRANT {right} ON {table} TO {user}");
            assert_eq!(ground.lacks(false).await, again);
            match right {
                "SELECT" => assert_eq!(ground.lacks(true).await, again),
                _ => drop(ground.open(true).await.unwrap()),
            }
            ground.run(&again).await;
            removed += 1;
        }
    }
    assert!(removed >= 20, "{removed}");
    ground.works().await;

    // What stands around the tables.
    for (take, give) in [
        (
            "REVOKE USAGE ON SCHEMA keyrota FROM writer".to_owned(),
            "GRANT USAGE ON SCHEMA keyrota TO writer".to_owned(),
        ),
        (
            format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"),
            format!("GRANT CONNECT ON DATABASE \"{database}\" TO \"writer\""),
        ),
    ] {
        ground.run(&take).await;
        assert_eq!(ground.lacks(false).await, give);
        assert_eq!(ground.lacks(true).await, give);
        ground.run(&give).await;
    }
    ground.works().await;

    // A right that is lost while the state is open.
    let store = ground.open(false).await.unwrap();
    ground
        .run("REVOKE INSERT ON keyrota.audit FROM writer")
        .await;
    let now = super::bed::at(2);
    let lost = store.append(&holder(1), &[entry("x")], now).await;
    assert_eq!(lost.unwrap_err(), StateError::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_another_role_are_brought_up_to_date_by_nobody_else() {
    let ground = Ground::new("younger").await;
    ground
        .run("CREATE SCHEMA keyrota; GRANT USAGE, CREATE ON SCHEMA keyrota TO younger")
        .await;
    // A state of an earlier version, made by the administrator.
    ground
        .run(
            "CREATE TABLE keyrota.schema_version (version BIGINT NOT NULL PRIMARY KEY);
              INSERT INTO keyrota.schema_version VALUES (0);
              GRANT SELECT, INSERT ON keyrota.schema_version TO younger",
        )
        .await;
    let asked = ground.lacks(false).await;
    assert_eq!(asked, "ALTER TABLE keyrota.schema_version OWNER TO younger");
    ground.run(&asked).await;
    ground.works().await;
}

#[test]
fn what_keyrota_toml_leaves_out_is_asked_for_by_its_name() {
    let keyrota = Keyrota::in_temp();
    let schedule = r#"
environment = "prod"
[defaults]
refresh = "0s"
[providers.local]
kind = "file"
path = "prod.age"
identity = { file = "identity" }
recipients = ["RECIPIENT"]
[secrets.token]
kind = "random"
length = 32
alphabet = "a-z0-9"
max_age = "30d"
"#;
    let age = |args: &[&str]| {
        let mut command = std::process::Command::new("age-keygen");
        let made = command.args(args).current_dir(keyrota.dir()).output();
        String::from_utf8(made.unwrap().stdout).unwrap()
    };
    age(&["-o", "identity"]);
    let schedule = schedule.replace("RECIPIENT", age(&["-y", "identity"]).trim());
    keyrota.write("schedules/prod.toml", &schedule);
    keyrota.write("seed", &"0f".repeat(32));
    for file in ["identity", "seed"] {
        let only_us = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(keyrota.path(file), only_us).unwrap();
    }
    let lines = [
        ("state", "state = \"state.db\"\n"),
        ("keys", "keys = { file = \"seed\" }\n"),
        ("checkpoints", "checkpoints = \"checkpoints\"\n"),
    ];
    for (missing, line) in lines {
        let all: String = lines.iter().map(|(_, line)| *line).collect();
        keyrota.write("keyrota.toml", &all.replace(line, ""));
        let ran = keyrota
            .run(&[
                "--config",
                "keyrota.toml",
                "--env",
                "prod",
                "rotate",
                "--all",
            ])
            .code(78);
        assert!(
            ran.stderr.contains(&format!("`{missing}` in keyrota.toml")),
            "{ran:?}"
        );
        for (other, _) in lines.iter().filter(|(other, _)| *other != missing) {
            assert!(!ran.stderr.contains(&format!("`{other}`")), "{ran:?}");
        }
    }
}
