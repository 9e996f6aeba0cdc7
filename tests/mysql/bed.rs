//! A server, users on it, and what the engine would hand to the rotator.

use std::sync::Arc;

use keyrota::rotators::database::{Endpoint, Form, Login, Method, Settings, Users};
use keyrota::rotators::mysql::Mysql;
use keyrota::world::SystemEntropy;
use keyrota_contract::{
    Material, Probe, Public, Rotator, RotatorError, SecretValue, Target, Version, Which,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::support::mariadb::Mariadb;

/// What a person chose long ago.
pub const OLD: &str = "Old-pass'w\\rd_1";

pub struct Bed {
    pub server: Arc<Mariadb>,
    /// The database, and the beginning of its users' names.
    pub name: String,
    pub settings: Settings,
}

impl Bed {
    /// Two users, `_a` in use with the old password, `_b` locked out; and an administrator with no
    /// more rights than it needs.
    pub async fn two(server: Arc<Mariadb>) -> Self {
        let mut bed = Self::one(server).await;
        let users = [bed.user("a"), bed.user("b")];
        bed.settings.users = Users::Two(users);
        bed.settings.admin = Some("admin".to_owned());
        bed
    }

    /// One user, `_a`, that has to change itself.
    pub async fn one(server: Arc<Mariadb>) -> Self {
        let name = server.database().await;
        let bed = Self {
            settings: Settings {
                users: Users::One(format!("{name}_a")),
                form: Form::Url(format!(
                    "mysql://{{user}}:{{password}}@127.0.0.1:{}/{name}",
                    server.port()
                )),
                endpoint: Endpoint {
                    host: "127.0.0.1".to_owned(),
                    port: server.port(),
                    database: name.clone(),
                },
                server: None,
                ca_file: Some(server.ca_file()),
                admin: None,
                methods: vec![Method::Scram],
                one_at_a_time: false,
            },
            server,
            name,
        };
        let [a, b, k] = ["a", "b", "k"].map(|u| format!("{}@'127.0.0.1'", bed.user(u)));
        let old = OLD.replace('\\', "\\\\").replace('\'', "\\'");
        let name = &bed.name;
        bed.run(&format!(
            "CREATE USER {a} IDENTIFIED BY '{old}' REQUIRE SSL;
             CREATE USER {b} IDENTIFIED BY '{old}2' REQUIRE SSL;
             GRANT ALL ON {name}.* TO {a}; GRANT ALL ON {name}.* TO {b};
             CREATE USER {k} IDENTIFIED BY '{old}' REQUIRE SSL;
             GRANT CREATE USER, PROCESS ON *.* TO {k}; GRANT SELECT ON mysql.* TO {k}"
        ))
        .await;
        bed
    }

    /// Runs SQL as the server's admin.
    pub async fn run(&self, sql: &str) {
        self.server.run(sql.to_owned()).await.unwrap();
    }

    pub fn user(&self, which: &str) -> String {
        format!("{}_{which}", self.name)
    }

    pub fn rotator(&self) -> Mysql {
        Mysql::new(self.settings.clone())
    }

    /// A value for a user of the bed.
    pub fn value(&self, user: &str, password: &str) -> Version {
        let login = Login {
            user: Zeroizing::new(self.user(user)),
            password: Zeroizing::new(password.to_owned()),
        };
        version(self.settings.compose(&login, None).unwrap())
    }

    /// With `_a` and its old password as current, and the administrator's login.
    pub fn material(&self) -> Material {
        let mut m = Material {
            current: Some(self.value("a", OLD)),
            ..Material::default()
        };
        if let Some(admin) = &self.settings.admin {
            m.uses.insert(admin.clone(), self.value("k", OLD));
        }
        m
    }

    /// Mints the candidate.
    pub fn create(&self, m: &mut Material) {
        let minted = self.rotator().create(m, &mut SystemEntropy).unwrap();
        m.pending = Some(version(minted.value));
    }

    /// The user and the password of a version.
    pub fn login(&self, version: &Option<Version>) -> (String, String) {
        let login = self
            .settings
            .login(&version.as_ref().unwrap().value)
            .unwrap();
        (login.user.to_string(), login.password.to_string())
    }

    /// What the stock client hears; `Err` is the number of an error.
    pub fn client(&self, version: &Option<Version>) -> Result<(), u16> {
        let (user, password) = self.login(version);
        let answer = self
            .server
            .client(&user, &password, "SELECT CURRENT_USER()");
        answer.map(|said| assert_eq!(said.trim(), format!("{user}@127.0.0.1")))
    }

    pub async fn probe(&self, which: Which, m: &Material) -> Probe {
        self.rotator().probe(which, m).await
    }

    pub async fn install(&self, which: Which, m: &Material) -> Result<(), RotatorError> {
        self.rotator().install(which, attempt(), m).await
    }

    /// Why preflight refuses, or wants to wait.
    pub async fn complaint(&self, m: &Material) -> &'static str {
        match self.rotator().preflight(m).await {
            Ok(_) => "",
            Err(
                RotatorError::Refused(why)
                | RotatorError::Rejected(why)
                | RotatorError::Retry(why)
                | RotatorError::Held(why),
            ) => why,
            Err(RotatorError::Ambiguous(why)) => panic!("{why}"),
        }
    }
}

pub fn version(value: SecretValue) -> Version {
    Version {
        id: None,
        value,
        public: Public::new(),
    }
}

pub fn attempt() -> Uuid {
    Uuid::now_v7()
}

/// The candidate becomes current, the current one previous.
pub fn promote(m: &mut Material) {
    m.previous = m.current.take();
    m.current = m.pending.take();
}
