//! A random token in the encrypted file, with copies in Vault, Secrets Manager and Parameter Store.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::bed::Stores;
use crate::support::evidence::{Evidence, block_on, document, value_at};
use crate::support::keyrota::{Keyrota, Ran};

/// Where the secret stands, when Vault keeps it.
pub const OWN: &str = "development/token";
/// Where the copies stand.
pub const VAULT: &str = "copies/token";
pub const SM: &str = "copies/token";
pub const SSM: &str = "/copies/token";

/// What somebody writes by hand.
pub const HAND: &str = "by-hand-0123456789-0123456789-abcdefghijk";

const SECRET: &str = r#"environment = "development"
[defaults]
refresh = "0s"
provider = "OWN"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.token]
kind = "random"
[[secrets.token.copies]]
provider = "vault"
path = "copies/token"
[[secrets.token.copies]]
provider = "sm"
path = "copies/token"
render = "sm-{value}"
[[secrets.token.copies]]
provider = "ssm"
path = "/copies/token"
render = "ssm-{value}"
"#;

const FALLBACK: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
provider = "vault"
[secrets.token]
kind = "signing-key"
fallback_path = "copies/fallback"
fallback_idle = "filler"
env = "KEY"
env_fallback = "KEY_FALLBACK"
"#;

pub struct Token {
    pub keyrota: Keyrota,
    pub stores: Stores,
}

impl Token {
    /// Rotated once: every copy stands.
    pub fn kept_in(own: &str) -> Self {
        Self::of(&SECRET.replace("OWN", own))
    }

    /// The same, with a grace of two seconds.
    pub fn with_grace() -> Self {
        let grace = "kind = \"random\"\ngrace = \"2s\"";
        Self::of(
            &SECRET
                .replace("OWN", "local")
                .replace("kind = \"random\"", grace),
        )
    }

    /// A key in Vault, with a place for the fallback of its readers and no other.
    pub fn with_fallback() -> Self {
        Self::of(FALLBACK)
    }

    fn of(secret: &str) -> Self {
        let stores = Stores::start();
        let keyrota = Keyrota::in_temp();
        let providers = stores.providers(&keyrota, stores.bao.socket().port());
        keyrota.write(
            "schedules/development.toml",
            &format!("{secret}{providers}"),
        );
        let bed = Self { keyrota, stores };
        bed.run(&["rotate", "token", "--wait"]).code(0);
        bed
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.keyrota.command(args);
        self.stores.moto.tell(&mut command, &self.stores.moto.admin);
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// What the encrypted file holds.
    pub fn current(&self) -> String {
        let home = self.keyrota.path(".keyrota");
        let sealed = std::fs::read(home.join("development.age")).unwrap();
        value_at(&document(&home, &sealed), "token", "current").unwrap()
    }

    /// What the copies stand for.
    #[track_caller]
    pub fn copies(&self) -> [String; 3] {
        let sm = self.stores.in_sm(SM);
        let ssm = self.stores.in_ssm(SSM);
        [
            self.stores.in_vault(VAULT).unwrap(),
            sm.strip_prefix("sm-").unwrap().to_owned(),
            ssm.strip_prefix("ssm-").unwrap().to_owned(),
        ]
    }

    #[track_caller]
    pub fn follow(&self, value: &str) {
        assert_eq!(self.copies(), [value, value, value].map(str::to_owned));
    }

    pub fn versions(&self) -> u64 {
        let meta = block_on(self.stores.bao.metadata(VAULT));
        meta["current_version"].as_u64().unwrap()
    }

    /// Whether a candidate was left beside the copy in Vault.
    pub fn left_over(&self) -> bool {
        let sibling = format!("kv/metadata/{VAULT}.keyrota-pending");
        block_on(self.stores.bao.ask(reqwest::Method::GET, &sibling, None)).0 != 404
    }

    pub fn hand_in_vault(&self, path: &str, value: &str) {
        let value = format!("value={value}");
        let put = ["kv", "put", "-mount=kv", path, &value];
        self.stores.bao.bao(&put).unwrap();
    }

    pub fn hand_in_ssm(&self, value: &str) {
        let put = ["ssm", "put-parameter", "--overwrite", "--name", SSM];
        let what = ["--type", "SecureString", "--value", value];
        self.stores.moto.aws(&[&put[..], &what].concat());
    }

    /// `put-secret-value` as a person types it: at AWS it always moves AWSCURRENT. moto moves it from
    /// the version that was put last without a stage, so only while nothing else was promoted since.
    pub fn put_in_sm(&self, value: &str) {
        self.put(value, &[]);
        assert_eq!(self.stores.in_sm(SM), value, "a plain put moves AWSCURRENT");
    }

    /// The same, where moto would leave AWSCURRENT on two versions: put without it, and moved as
    /// AWS moves it.
    pub fn hand_in_sm(&self, value: &str) {
        let aws = |args: &[&str]| self.stores.moto.aws(args);
        let describe = ["secretsmanager", "describe-secret", "--secret-id", SM];
        let query = "VersionIdsToStages";
        let stages = aws(&[&describe[..], &["--output", "json", "--query", query]].concat());
        let stages: Value = serde_json::from_str(&stages).unwrap();
        let current = |v: &Value| v.as_array().unwrap().contains(&"AWSCURRENT".into());
        let mut stages = stages.as_object().unwrap().iter();
        let (old, _) = stages.find(|(_, stages)| current(stages)).unwrap();
        let new = self.put(value, &["--version-stages", "HAND"]);
        let update = [
            "secretsmanager",
            "update-secret-version-stage",
            "--secret-id",
            SM,
        ];
        let from = [
            "--remove-from-version-id",
            old,
            "--move-to-version-id",
            &new,
        ];
        aws(&[&update[..], &["--version-stage", "AWSCURRENT"], &from].concat());
        let from = ["--remove-from-version-id", &new];
        aws(&[&update[..], &["--version-stage", "HAND"], &from].concat());
        assert_eq!(self.stores.in_sm(SM), value);
    }

    fn put(&self, value: &str, stages: &[&str]) -> String {
        let put = ["secretsmanager", "put-secret-value", "--secret-id", SM];
        let what = ["--secret-string", value, "--query", "VersionId"];
        self.stores.moto.aws(&[&put[..], &what, stages].concat())
    }

    pub fn hands_everywhere(&self, value: &str) {
        self.hand_in_vault(VAULT, value);
        self.hand_in_ssm(value);
        self.hand_in_sm(value);
    }

    /// The bodies of all entries of the log, which is whole.
    pub fn log(&self) -> Vec<Value> {
        self.run(&["audit", "verify"]).code(0);
        Evidence::of(&self.keyrota.path(".keyrota"), "token").log
    }
}

/// The entries of `event`, in this phase of the log.
pub fn of<'a>(log: &'a [Value], event: &str, phase: &str) -> Vec<&'a Value> {
    let fits = |e: &&Value| e["event"] == event && e["phase"] == phase;
    log.iter().filter(fits).collect()
}
