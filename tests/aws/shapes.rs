//! What shapes a value where it is kept, its type, its form, its key, its tier, is as it was after a rotation; or
//! nothing is begun, and the sentence says what to do.

use std::process::Stdio;

use crate::support::keyrota::{Keyrota, Ran};
use crate::support::moto::{Moto, REGION};

const SCHEDULE: &str = r#"environment = "development"
[defaults]
refresh = "0s"
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
provider = "PROVIDER"
path = "/shapes/PATH"
[[secrets.token.consumers]]
kind = "command"
argv = ["/bin/true"]
"#;

/// Forty characters, as the schedule has it.
const FIRST: &str = "first-0123456789-0123456789-0123456789-x";

struct Bed<'a> {
    moto: &'a Moto,
    keyrota: Keyrota,
    path: String,
}

impl<'a> Bed<'a> {
    fn new(moto: &'a Moto, provider: &str, path: &str) -> Self {
        let keyrota = Keyrota::in_temp();
        let schedule = SCHEDULE
            .replace("REGION", REGION)
            .replace("URL", &moto.url())
            .replace("PROVIDER", provider)
            .replace("PATH", path);
        keyrota.write("schedules/development.toml", &schedule);
        Self {
            moto,
            keyrota,
            path: format!("/shapes/{path}"),
        }
    }

    fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.keyrota.command(args);
        self.moto.tell(&mut command, &self.moto.admin);
        Ran::of(command.stdin(Stdio::null()).output().unwrap())
    }

    fn parameter(&self, more: &[&str]) {
        let put = ["ssm", "put-parameter", "--name", &self.path];
        let value = ["--value", FIRST];
        self.moto.aws(&[&put[..], &value, more].concat());
    }

    /// Everything that AWS says of the parameter but its value and dates.
    fn shape(&self) -> String {
        let filter = format!("Key=Name,Values={}", self.path);
        self.moto.aws(&[
            "ssm",
            "describe-parameters",
            "--parameter-filters",
            &filter,
            "--query",
            "Parameters[0].[Type,KeyId,Tier,AllowedPattern]",
        ])
    }

    fn versions(&self) -> String {
        let history = ["ssm", "get-parameter-history", "--name", &self.path];
        let query = ["--query", "length(Parameters)"];
        self.moto.aws(&[&history[..], &query].concat())
    }

    fn secret(&self, query: &str) -> String {
        let get = [
            "secretsmanager",
            "get-secret-value",
            "--secret-id",
            &self.path,
        ];
        let what = ["--version-stage", "AWSCURRENT", "--query", query];
        self.moto.aws(&[&get[..], &what].concat())
    }
}

/// Adopted where it stands, rotated twice: it looks as it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_keeps_its_shape() {
    let moto = Moto::start().await;
    let shapes: [&[&str]; 4] = [
        &["--type", "SecureString"],
        &["--type", "SecureString", "--key-id", "alias/keyrota"],
        &["--type", "SecureString", "--tier", "Advanced"],
        &["--type", "SecureString", "--allowed-pattern", "^[!-~]{40}$"],
    ];
    for (n, shape) in shapes.into_iter().enumerate() {
        let bed = Bed::new(&moto, "ssm", &n.to_string());
        bed.parameter(shape);
        let before = bed.shape();
        bed.run(&["import", "token", "--in-place"]).code(0);
        for _ in 0..2 {
            bed.run(&["rotate", "token", "--wait"]).code(0);
        }
        assert_eq!(bed.shape(), before, "{shape:?}");
        assert_eq!(bed.versions(), "3", "{shape:?}");
    }
}

/// Of a type that protects nothing: it is neither adopted nor written over, and the file is told what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_parameter_is_not_taken() {
    let moto = Moto::start().await;
    for kind in ["String", "StringList"] {
        let bed = Bed::new(&moto, "ssm", kind);
        bed.parameter(&["--type", kind]);
        let before = bed.shape();
        for args in [
            &["import", "token", "--in-place"][..],
            &["rotate", "token", "--dry-run"],
            &["rotate", "token"],
        ] {
            let ran = bed.run(args);
            assert_eq!(ran.code, 78, "{args:?}: {ran:?}");
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(said.contains("make a SecureString"), "{args:?}: {ran:?}");
            assert!(!said.contains(FIRST), "{args:?}");
        }
        let status = bed.run(&["status", "--json"]).json();
        assert!(status["secrets"][0]["rotation"].is_null(), "{status}");
        assert_eq!((bed.shape(), bed.versions()), (before, "1".to_owned()));
    }
}

/// Bytes stay bytes, text stays text: a reader looks in one of the two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_keeps_its_form() {
    let moto = Moto::start().await;
    for (form, other) in [
        ("SecretBinary", "SecretString"),
        ("SecretString", "SecretBinary"),
    ] {
        let bed = Bed::new(&moto, "sm", form);
        let create = ["secretsmanager", "create-secret", "--name", &bed.path];
        let file = bed.keyrota.path("first");
        std::fs::write(&file, FIRST).unwrap();
        let value = format!("fileb://{}", file.display());
        let value = match form {
            "SecretBinary" => ["--secret-binary", &value],
            _ => ["--secret-string", FIRST],
        };
        moto.aws(&[&create[..], &value].concat());
        bed.run(&["import", "token", "--in-place"]).code(0);
        let mut last = bed.secret(form);
        for _ in 0..2 {
            bed.run(&["rotate", "token", "--wait"]).code(0);
            let now = bed.secret(form);
            assert_ne!(now, last, "{form}");
            assert!(now.len() >= 40, "{form}: {now}");
            assert_eq!(bed.secret(other), "None", "{form}");
            last = now;
        }
    }
}
