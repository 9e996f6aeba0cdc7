//! A place for a state database, and ways to get at it behind the store's back.

use std::path::PathBuf;
use std::sync::Arc;

use keyrota::audit::{Actor, NewEntry, Phase};
use keyrota::keys::{Keys, Seed};
use keyrota::state::{Access, Holder, Location, Rotation, Server, StateError, Store};
use keyrota::world::SystemEntropy;
use keyrota_contract::SecretValue;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use uuid::Uuid;

use crate::support::postgres::{ADMIN, Postgres};

pub enum Bed {
    Sqlite(tempfile::TempDir),
    Postgres(Arc<Postgres>, String),
}

pub fn holder(pid: u32) -> Holder {
    Holder {
        host: "ops-1".to_owned(),
        pid,
        instance: Uuid::from_u128(pid.into()),
    }
}

pub fn keys() -> Keys {
    keys_of(1)
}

/// The keys of a seed of this byte alone.
pub fn keys_of(byte: u8) -> Keys {
    Seed::from_credential(&SecretValue::copy_of(&[byte; 32]))
        .unwrap()
        .keys()
}

pub fn entry(event: &'static str) -> NewEntry {
    NewEntry::new(event, Phase::System, Actor::system()).secret("prod", "db")
}

pub fn at(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap()
}

pub fn rotation(id: u128, secret: &str) -> Rotation {
    Rotation {
        id: Uuid::from_u128(id),
        env: "prod".to_owned(),
        secret: secret.to_owned(),
        account: None,
        trigger: "schedule".to_owned(),
        reason: None,
        actor: "daemon".to_owned(),
        phase: "preflight".to_owned(),
        outcome: None,
        started_ms: 1_000 + i64::try_from(id).unwrap(),
        ended_ms: None,
        version: None,
        fingerprint: None,
        record: "{}".to_owned(),
        revision: 0,
    }
}

impl Bed {
    pub fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub async fn postgres() -> Self {
        let server = Postgres::shared();
        let database = server.database().await;
        Self::Postgres(server, database)
    }

    /// The file, of SQLite.
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(dir) => dir.path().join("state/keyrota.db"),
            Self::Postgres(..) => panic!("a server has no file"),
        }
    }

    pub fn location(&self) -> Location {
        match self {
            Self::Sqlite(_) => Location::Sqlite(self.file()),
            Self::Postgres(server, database) => Location::Postgres(Server {
                host: "localhost".to_owned(),
                port: server.port(),
                user: ADMIN.to_owned(),
                database: database.clone(),
            }),
        }
    }

    pub async fn open(&self) -> Store {
        self.try_open(false).await.unwrap()
    }

    pub async fn try_open(&self, read_only: bool) -> Result<Store, StateError> {
        let (password, ca_file) = match self {
            Self::Sqlite(_) => (None, None),
            Self::Postgres(server, _) => (Some(server.password()), Some(server.ca_file())),
        };
        let access = Access {
            password: password.as_ref(),
            ca_file: ca_file.as_deref(),
        };
        match read_only {
            true => Store::open_read_only(&self.location(), access).await,
            false => Store::open(&self.location(), access, &mut SystemEntropy)
                .await
                .map(|store| store.vouched(&keys(), None)),
        }
    }

    /// Runs a script as somebody who writes to the database without keyrota.
    pub async fn run(&self, script: &str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => {
                let options = SqliteConnectOptions::new()
                    .filename(self.file())
                    .disable_statement_logging();
                let mut connection = options.connect().await?;
                sqlx::raw_sql(AssertSqlSafe(script.to_owned()))
                    .execute(&mut connection)
                    .await?;
                connection.close().await
            }
            Self::Postgres(server, database) => {
                server
                    .run(database, format!("SET search_path = keyrota; {script}"))
                    .await
            }
        }
    }

    /// Lets a script change the log, as an attacker would.
    pub async fn tamper(&self, script: &str) {
        let disarm = match self {
            Self::Sqlite(_) => {
                "DROP TRIGGER IF EXISTS audit_no_update; DROP TRIGGER IF EXISTS audit_no_delete;
                 DROP TRIGGER IF EXISTS checkpoint_no_delete;"
            }
            Self::Postgres(..) => {
                "ALTER TABLE audit DISABLE TRIGGER ALL; ALTER TABLE checkpoint DISABLE TRIGGER ALL;"
            }
        };
        self.run(&format!("{disarm} {script}")).await.unwrap();
    }

    /// Makes it seem that whoever holds the lock is gone, although they are not.
    pub async fn usurp(&self, name: &str) {
        match self {
            Self::Sqlite(_) => {
                let _ = std::fs::remove_file(self.file().with_extension(format!("db.{name}.lock")));
            }
            Self::Postgres(..) => self.run("UPDATE lock SET expires_ms = 0").await.unwrap(),
        }
    }
}
