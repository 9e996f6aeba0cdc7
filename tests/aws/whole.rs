//! Whole rotations by the real binary, with a provider of each kind, looked at with the stock
//! command line of AWS.

use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::support::http_proxy::Proxy;
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::leaks::Leaks;
use crate::support::moto::{Moto, REGION};

const SCHEDULE: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
provider = "sm"
[providers.sm]
kind = "aws-secrets-manager"
region = "REGION"
endpoint_url = "URL"
[providers.ssm]
kind = "aws-ssm"
region = "REGION"
endpoint_url = "URL"
[secrets.token]
kind = "random"
length = 40
env = "TOKEN"
TOLD
[secrets.session]
kind = "jwt"
algorithm = "EdDSA"
token_ttl = "0s"
jwks_max_age = "0s"
env = "SESSION_KEY"
env_kid = "SESSION_KID"
TOLD
[secrets.parameter]
kind = "random"
provider = "ssm"
length = 40
env = "PARAMETER"
TOLD
[secrets.pair]
kind = "jwt"
provider = "ssm"
algorithm = "ES256"
token_ttl = "0s"
jwks_max_age = "0s"
env = "PAIR_KEY"
TOLD
[secrets.legacy]
kind = "jwt"
provider = "ssm"
algorithm = "HS256"
token_ttl = "0s"
env = "LEGACY_KEY"
env_kid = "LEGACY_KID"
env_fallback = "LEGACY_FALLBACK"
TOLD
"#;

/// Told at once, so that nothing has to be waited for.
const TOLD: &str = "[[secrets.NAME.consumers]]\nkind = \"command\"\nargv = [\"/bin/true\"]";

struct Bed {
    keyrota: Keyrota,
    moto: Arc<Moto>,
    proxy: Proxy,
}

impl Bed {
    async fn new() -> Self {
        let moto = Arc::new(Moto::start().await);
        let proxy = Proxy::before(&moto.address()).await;
        let keyrota = Keyrota::in_temp();
        let mut text = SCHEDULE
            .replace("REGION", REGION)
            .replace("URL", &proxy.url());
        for name in ["token", "session", "parameter", "pair", "legacy"] {
            text = text.replacen("TOLD", &TOLD.replace("NAME", name), 1);
        }
        keyrota.write("schedules/development.toml", &text);
        Self {
            keyrota,
            moto,
            proxy,
        }
    }

    /// The proxy lives in this process: the binary is waited for elsewhere.
    async fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, |_| {}).await
    }

    async fn run_with(&self, args: &[&str], change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self.command(args);
        change(&mut command);
        let output = tokio::task::spawn_blocking(move || command.output());
        Ran::of(output.await.unwrap().unwrap())
    }

    /// For tests that end it themselves.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.keyrota.command(args);
        self.moto.tell(&mut command, &self.moto.admin);
        command.stdin(Stdio::null());
        command
    }

    fn secret(&self, name: &str, stage: &str) -> String {
        let id = format!("development/{name}");
        self.moto.aws(&[
            "secretsmanager",
            "get-secret-value",
            "--secret-id",
            &id,
            "--version-stage",
            stage,
            "--query",
            "SecretString",
        ])
    }

    fn parameter(&self, name: &str) -> String {
        let name = format!("/development/{name}");
        self.moto.aws(&[
            "ssm",
            "get-parameter",
            "--with-decryption",
            "--name",
            &name,
            "--query",
            "Parameter.Value",
        ])
    }

    fn all(&self) -> [String; 4] {
        [
            self.secret("token", "AWSCURRENT"),
            self.secret("session", "AWSCURRENT"),
            self.parameter("parameter"),
            self.parameter("legacy"),
        ]
    }

    /// What a program is shown.
    async fn shown(&self) -> String {
        self.run(&["run", "--", "env"]).await.code(0).stdout
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_command_line_reads_what_keyrota_wrote() {
    let bed = Bed::new().await;
    let mut before: Vec<String> = Vec::new();
    for _ in 0..2 {
        bed.run(&["rotate", "--all", "--wait"]).await.code(0);
        let now = bed.all();
        for (n, value) in now.iter().enumerate() {
            assert!(value.len() >= 32, "{n}");
            assert!(!before.contains(value), "{n} is a new value");
        }
        let shown = bed.shown().await;
        for value in [&now[0], &now[2]] {
            assert!(shown.contains(value.as_str()));
        }
        let kids = ["SESSION_KID=", "LEGACY_KID="].map(|kid| {
            let line = shown.lines().find(|l| l.starts_with(kid));
            line.unwrap_or_else(|| panic!("{kid} is not shown"))
                .to_owned()
        });
        before.extend(now.into_iter().chain(kids));
    }
    let previous = bed.moto.aws(&[
        "secretsmanager",
        "describe-secret",
        "--secret-id",
        "development/token",
        "--query",
        "VersionIdsToStages",
        "--output",
        "json",
    ]);
    assert!(
        previous.contains("AWSCURRENT") && !previous.contains("PENDING"),
        "{previous}"
    );
    bed.run(&["audit", "verify"]).await.code(0);
    bed.run(&["status"]).await.code(0);
}

/// AWS' libraries print whole bodies at their most verbose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_is_told_however_much_is_asked_for() {
    let bed = Bed::new().await;
    let all = "trace,aws_smithy_runtime=trace,aws_smithy_runtime::client::orchestrator=trace,aws_sdk_ssm=trace,aws_sdk_secretsmanager=trace,aws_config=trace,hyper=trace,hyper_util=trace";
    let mut values = Vec::new();
    let mut told = Vec::new();
    for args in [
        &["rotate", "--all", "--wait"][..],
        &["rotate", "--all"],
        &["status"],
    ] {
        let loud = |command: &mut Command| {
            command.env("KEYROTA_LOG", all);
        };
        let ran = bed.run_with(args, loud).await.code(0);
        assert!(ran.stderr.contains("TRACE keyrota") || ran.stderr.contains("DEBUG keyrota"));
        for library in ["TRACE aws_", "DEBUG aws_", "TRACE hyper", "DEBUG hyper"] {
            assert!(!ran.stderr.contains(library), "{library}… is heard");
        }
        told.push(ran.stdout + &ran.stderr);
        values.extend(bed.all());
    }
    let named: Vec<_> = values.iter().map(|v| ("a value", v.as_str())).collect();
    let key = [("the key of AWS", bed.moto.admin.secret.as_str())];
    let leaks = Leaks::of(&[&named[..], &key].concat());
    let mut found = leaks.below(bed.keyrota.dir(), &|_| false);
    for (n, text) in told.iter().enumerate() {
        found.extend(leaks.in_text(&format!("run {n}"), text.as_bytes()));
    }
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_asks_aws_no_more_than_it_must() {
    let bed = Bed::new().await;
    bed.run(&["rotate", "--all", "--wait"]).await.code(0);
    let mut counted = Vec::new();
    for name in ["token", "parameter"] {
        bed.proxy.spoil(None);
        bed.run(&["rotate", name, "--wait"]).await.code(0);
        let calls = bed.proxy.calls();
        let looks = |c: &&String| c.starts_with("Get") || c.starts_with("Describe");
        let (looked, wrote): (Vec<_>, Vec<_>) = calls.iter().partition(looks);
        println!("{name}: {} reads, {wrote:?}: {calls:?}", looked.len());
        counted.push((looked.len(), wrote.into_iter().cloned().collect::<Vec<_>>()));
    }
    // First, what asks for rights and changes nothing.
    let asked = ["UpdateSecretVersionStage"];
    let moves = ["UpdateSecretVersionStage"; 3];
    assert_eq!(
        counted[0].1,
        [&asked[..], &["PutSecretValue"], &moves].concat()
    );
    let asked = ["DeleteParameter", "PutParameter", "LabelParameterVersion"];
    let puts = ["PutParameter", "PutParameter", "DeleteParameter"];
    assert_eq!(
        counted[1].1,
        [&asked[..], &puts, &["LabelParameterVersion"]].concat()
    );
    assert_eq!((counted[0].0, counted[1].0), (13, 22));
}
