//! Against moto, with resources, conditions and keys enforced.

use std::process::Stdio;
use std::sync::Arc;

use serde_json::Value;

use super::{parts, said, without};
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::moto::{Key, Moto, REGION};

const SCHEDULE: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.main]
kind = "KIND"
region = "REGION"
endpoint_url = "URL"
kms_key_id = "alias/keyrota"
[secrets.token]
kind = "random"
path = "NAME/token"
length = 40
grace = "1s"
env = "TOKEN"
[[secrets.token.consumers]]
kind = "command"
argv = ["/bin/true"]
[secrets.admin]
kind = "external"
path = "NAME/admin"
env = "ADMIN"
"#;

const BY_HAND: &str = "made-by-hand-0123456789";

/// A directory, names of its own at the server, and a user with a policy.
pub struct Bed {
    pub keyrota: Keyrota,
    moto: Arc<Moto>,
    kind: &'static str,
    /// The beginning of its names at the server.
    name: String,
    user: String,
    key: Key,
}

impl Bed {
    /// With the policy that `flags` print, as a user of its own.
    fn new(moto: &Arc<Moto>, kind: &'static str, name: &str, flags: &[&str]) -> Self {
        let nobody = moto.nobody.clone();
        let bed = Self::of(moto, kind, name, nobody);
        let policy = bed.policy(flags).to_string();
        let key = moto.user(name, &policy);
        Self { key, ..bed }
    }

    /// As a user that is there.
    fn of(moto: &Arc<Moto>, kind: &'static str, name: &str, key: Key) -> Self {
        let keyrota = Keyrota::in_temp();
        let text = SCHEDULE
            .replace("KIND", kind)
            .replace("REGION", REGION)
            .replace("URL", &moto.url())
            .replace("NAME", name);
        keyrota.write("schedules/development.toml", &text);
        Self {
            keyrota,
            moto: moto.clone(),
            kind,
            name: name.to_owned(),
            user: name.to_owned(),
            key,
        }
    }

    fn policy(&self, flags: &[&str]) -> Value {
        let printed = self.keyrota.run(&[&["policy"], flags].concat());
        printed.code(0).json()
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.keyrota.command(args);
        self.moto.tell(&mut command, &self.key);
        Ran::of(command.stdin(Stdio::null()).output().unwrap())
    }

    fn allow(&self, policy: &str) {
        self.moto.allow(&self.user, policy);
    }

    /// What everybody reads, and whether a candidate stands beside it; as the administrator sees it.
    fn there(&self) -> (String, bool) {
        let path = format!("{}/token", self.name);
        if self.kind == "aws-ssm" {
            let (current, pending) = (format!("/{path}"), format!("/{path}/.keyrota/pending"));
            let get = [
                "ssm",
                "get-parameters",
                "--with-decryption",
                "--names",
                &current,
                &pending,
            ];
            let values = |query| self.moto.aws(&[&get[..], &["--query", query]].concat());
            let value = values("Parameters[?!contains(Name,'.keyrota')].Value");
            return (value, values("Parameters[].Name").contains("pending"));
        }
        let secret = [
            "secretsmanager",
            "list-secret-version-ids",
            "--secret-id",
            &path,
        ];
        let labels = self
            .moto
            .aws(&[&secret[..], &["--query", "Versions[].VersionStages[]"]].concat());
        let get = [
            "secretsmanager",
            "get-secret-value",
            "--version-stage",
            "AWSCURRENT",
            "--secret-id",
            &path,
        ];
        let value = self
            .moto
            .aws(&[&get[..], &["--query", "SecretString"]].concat());
        (value, labels.contains("PENDING"))
    }

    fn write_by_hand(&self) {
        let path = format!("{}/admin", self.name);
        if self.kind == "aws-ssm" {
            let name = format!("/{path}");
            let put = [
                "ssm",
                "put-parameter",
                "--type",
                "SecureString",
                "--key-id",
                "alias/keyrota",
            ];
            self.moto
                .aws(&[&put[..], &["--name", &name, "--value", BY_HAND]].concat());
        } else {
            let make = [
                "secretsmanager",
                "create-secret",
                "--kms-key-id",
                "alias/keyrota",
            ];
            self.moto
                .aws(&[&make[..], &["--name", &path, "--secret-string", BY_HAND]].concat());
        }
    }
}

async fn moto() -> Arc<Moto> {
    Arc::new(Moto::start().await)
}

fn a_full_life(moto: &Arc<Moto>, kind: &'static str) {
    let bed = Bed::new(moto, kind, "life", &[]);
    bed.run(&["rotate", "token", "--wait"]).code(0);
    let first = bed.there();
    bed.run(&["rotate", "token", "--dry-run"]).code(0);
    bed.run(&["rotate", "token", "--wait"]).code(0);
    let second = bed.there();
    assert!(first.0 != second.0 && !second.1, "{first:?} {second:?}");
    bed.write_by_hand();
    bed.run(&["import", "admin", "--in-place"]).code(0);
    bed.run(&["status"]).code(0);
    bed.run(&["audit", "verify"]).code(0);
    let shown = bed.run(&["run", "--", "env"]).code(0).stdout;
    assert!(shown.contains(&format!("TOKEN={}\n", second.0)));
    // Another's secret is not given.
    let other = Bed::new(moto, kind, "life2", &[]);
    other.allow(&bed.policy(&[]).to_string());
    let denied = other.run(&["rotate", "token"]);
    assert_eq!(denied.code, 78, "{denied:?}");

    // A program's reader reads, and does nothing else.
    let reader = bed.policy(&["--reader"]);
    bed.allow(&reader.to_string());
    let shown = bed.run(&["run", "--", "env"]).code(0).stdout;
    assert!(shown.contains(&format!("TOKEN={}\n", second.0)));
    let turned = bed.run(&["rotate", "token"]).code(20);
    assert!(said(&turned).contains("lack a right"), "{turned:?}");
    for (sid, action) in parts(&reader) {
        bed.allow(&without(&reader, &sid, &action));
        let ran = bed.run(&["run", "--", "env"]).code(125);
        assert!(ran.stderr.contains(&action), "{action}: {ran:?}");
    }

    // A person may store what is external.
    let person = Bed::new(moto, kind, "person", &["--import"]);
    let mut command = person.keyrota.command(&["import", "admin", "--stdin"]);
    moto.tell(&mut command, &person.key);
    Ran::fed(&mut command, BY_HAND).code(0);
    person.allow(&person.policy(&[]).to_string());
    person.run(&["run", "--", "env"]).code(1);
}

/// Of each action: what is seen without it, by the first rotation and by a later one.
fn each_right_is_missed(moto: &Arc<Moto>, kind: &'static str, unmissed: &[(&str, &str)]) {
    let user = Bed::new(moto, kind, "all", &[]);
    let all = parts(&user.policy(&[]));
    assert!(all.len() >= 7, "{all:?}");
    for (n, (sid, action)) in all.iter().enumerate() {
        for when in ["first", "later"] {
            let name = format!("{when}{n}");
            let bed = Bed {
                user: user.user.clone(),
                ..Bed::of(moto, kind, &name, user.key.clone())
            };
            let policy = bed.policy(&[]);
            let mut before = None;
            if when == "later" {
                bed.allow(&policy.to_string());
                bed.run(&["rotate", "token", "--wait"]).code(0);
                before = Some(bed.there());
            }
            bed.allow(&without(&policy, sid, action));
            let dry = bed.run(&["rotate", "token", "--dry-run"]);
            let named = dry.code != 0 && said(&dry).contains(action.as_str());
            let ran = bed.run(&["rotate", "token", "--wait"]);
            println!(
                "{when} {sid} {action}: dry {} {named}, {}",
                dry.code, ran.code
            );
            if ran.code == 0 {
                assert!(unmissed.contains(&(when, action)), "{when} {sid} {action}");
                continue;
            }
            assert!([20, 78].contains(&ran.code), "{action}: {ran:?}");
            assert!(said(&ran).contains(action.as_str()), "{action}: {ran:?}");
            if when == "later" {
                // Everything but what writes the candidate is known before.
                assert!(named || sid.starts_with("Create"), "{action}: {dry:?}");
            }
            if let Some(before) = before {
                assert_eq!(bed.there(), before, "{action}");
            }
            // With the right back, the rotation is done.
            bed.allow(&policy.to_string());
            bed.run(&["rotate", "token", "--wait"]).code(0);
            assert!(!bed.there().1, "{action}");
            bed.run(&["audit", "verify"]).code(0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_for_secrets_manager_is_enough() {
    a_full_life(&moto().await, "aws-secrets-manager");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_for_parameter_store_is_enough() {
    a_full_life(&moto().await, "aws-ssm");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_at_secrets_manager_is_missed_by_name() {
    let first = ("later", "secretsmanager:CreateSecret");
    let put = ("first", "secretsmanager:PutSecretValue");
    each_right_is_missed(&moto().await, "aws-secrets-manager", &[first, put]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_at_parameter_store_is_missed_by_name() {
    let unmissed = [
        // The first value ends no other; a later rotation's preflight misses it.
        ("first", "ssm:LabelParameterVersion"),
        // Only a full history needs it.
        ("first", "ssm:UnlabelParameterVersion"),
        ("later", "ssm:UnlabelParameterVersion"),
    ];
    each_right_is_missed(&moto().await, "aws-ssm", &unmissed);
}
