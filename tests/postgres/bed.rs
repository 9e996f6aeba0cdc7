//! A database with the users that the setup's SQL makes, and the values of one rotation.

use std::process::Command;
use std::sync::Arc;

use keyrota::rotators::database::{Endpoint, Form, Method, Settings, Users};
use keyrota::rotators::postgres::{Postgres, setup::setup_sql};
use keyrota::world::SystemEntropy;
use keyrota_contract::{Material, Minted, Probe, Public, Rotator, SecretValue, Version, Which};
use uuid::Uuid;

use crate::support::postgres::Postgres as Server;

/// The first password of every first user; what URLs must encode is in it.
pub const FIRST: &str = "f1rst@:/%#? pässword";
const ADMIN: &str = "the administrator's";

pub struct Bed {
    pub server: Arc<Server>,
    pub database: String,
    pub settings: Settings,
    pub m: Material,
}

impl Bed {
    /// Two users that take turns, and an administrator.
    pub async fn two(server: Arc<Server>) -> Self {
        Self::new(server, true, true).await
    }

    /// One user, with an administrator or without.
    pub async fn one(server: Arc<Server>, admin: bool) -> Self {
        Self::new(server, false, admin).await
    }

    async fn new(server: Arc<Server>, two: bool, admin: bool) -> Self {
        let database = server.database().await;
        let (a, b) = (format!("{database}_a"), format!("{database}_b"));
        let endpoint = Endpoint {
            host: "127.0.0.1".into(),
            port: server.port(),
            database: database.clone(),
        };
        let settings = Settings {
            users: if two {
                Users::Two([a, b])
            } else {
                Users::One(a)
            },
            form: Form::Url(format!(
                "postgres://{{user}}:{{password}}@127.0.0.1:{}/{database}",
                endpoint.port
            )),
            endpoint,
            server: None,
            ca_file: Some(server.ca_file()),
            admin: admin.then(|| "database-admin".into()),
            methods: vec![Method::Scram],
            one_at_a_time: false,
        };
        let mut bed = Self {
            server,
            database,
            settings,
            m: Material::default(),
        };
        // The name in the SQL is a proposal; here several tests share one server.
        let script = setup_sql(&bed.settings)
            .join("\n")
            .replace("keyrota_admin", &bed.admin());
        bed.server.run(&bed.database, script).await.unwrap();
        let scram = "SET password_encryption = 'scram-sha-256'";
        bed.sql(&format!("{scram}; ALTER ROLE {{a}} PASSWORD '{FIRST}'"))
            .await;
        bed.m.current = Some(bed.value(&bed.user(0), FIRST));
        if admin {
            let login = format!(r#"{{"username":"{}","password":"{ADMIN}"}}"#, bed.admin());
            let password = ADMIN.replace('\'', "''");
            bed.sql(&format!(
                "{scram}; ALTER ROLE {{admin}} PASSWORD '{password}'"
            ))
            .await;
            bed.m.uses.insert("database-admin".into(), version(login));
        }
        bed
    }

    pub fn admin(&self) -> String {
        format!("{}_admin", self.database)
    }

    pub fn user(&self, n: usize) -> String {
        self.settings.users()[n].clone()
    }

    pub fn rotator(&self) -> Postgres {
        Postgres::new(self.settings.clone())
    }

    /// A value with this login.
    pub fn value(&self, user: &str, password: &str) -> Version {
        let encoded: String = password.bytes().map(|b| format!("%{b:02x}")).collect();
        let Form::Url(template) = &self.settings.form else {
            panic!("a url")
        };
        version(
            template
                .replace("{user}", user)
                .replace("{password}", &encoded),
        )
    }

    /// Mints a candidate.
    pub fn mint(&mut self) {
        let Minted { value, public } = self.rotator().create(&self.m, &mut SystemEntropy).unwrap();
        self.m.pending = Some(Version {
            id: Some(attempt()),
            value,
            public,
        });
    }

    /// What the provider does at finish.
    pub fn promote(&mut self) {
        self.m.previous = self.m.current.take();
        self.m.current = self.m.pending.take();
    }

    pub async fn probe(&self, which: Which) -> Probe {
        self.rotator().probe(which, &self.m).await
    }

    /// As the superuser, in the bed's database. `{a}`, `{b}`, `{admin}`, `{owner}` and `{db}` stand
    /// for names.
    pub async fn sql(&self, script: &str) {
        self.server
            .run(&self.database, self.named(script))
            .await
            .unwrap();
    }

    pub fn named(&self, script: &str) -> String {
        let users = self.settings.users();
        script
            .replace("{a}", &users[0])
            .replace("{b}", &users[users.len() - 1])
            .replace("{admin}", &self.admin())
            .replace("{owner}", &format!("{}_owner", self.database))
            .replace("{db}", &self.database)
    }

    /// The stock client, with a value.
    pub fn client(&self, version: &Version, script: &str) -> Command {
        let login = self.settings.login(&version.value).unwrap();
        let at = &self.settings.endpoint;
        let mut psql = Command::new("psql");
        psql.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", script])
            .arg(format!(
                "host={} port={} dbname={} user={} sslmode=verify-full sslrootcert={}",
                at.host,
                at.port,
                at.database,
                *login.user,
                self.server.ca_file().display()
            ))
            .env("PGPASSWORD", login.password.as_str());
        psql
    }

    /// Whether it gets in, and what it says.
    pub fn psql(&self, version: &Version, script: &str) -> Result<String, String> {
        let ran = self.client(version, script).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if ran.status.success() {
            Ok(text(ran.stdout))
        } else {
            Err(text(ran.stderr))
        }
    }
}

/// The id of a rotation.
pub fn attempt() -> Uuid {
    keyrota::world::uuid_v7(jiff::Timestamp::UNIX_EPOCH, &mut SystemEntropy)
}

pub fn version(text: String) -> Version {
    Version {
        id: None,
        value: SecretValue::new(text.into_bytes()),
        public: Public::new(),
    }
}
