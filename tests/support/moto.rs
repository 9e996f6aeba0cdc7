//! A server that speaks AWS' protocols: moto, on a free port of 127.0.0.1, in memory, with signatures
//! and policies enforced. It ends when its last test lets go of it. Where it is missing the tests fail.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use keyrota_aws::{AwsConfig, SecretsManagerProvider, SsmConfig, SsmProvider};

use crate::tidy::tree::root;

/// The region of every test.
pub const REGION: &str = "eu-central-1";

/// A running server; ended, by its process id, when dropped.
pub struct Moto {
    port: u16,
    process: Child,
    /// A key that may do everything.
    pub admin: Key,
    /// A key that may do nothing.
    pub nobody: Key,
}

/// An access key of a user of the server.
#[derive(Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

impl Moto {
    /// The server that all tests running now share; each has names of its own there.
    pub async fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _one = STARTING.lock().await;
        let shared = || SHARED.lock().unwrap_or_else(|e| e.into_inner());
        let there = shared().upgrade();
        if let Some(moto) = there {
            return moto;
        }
        let moto = Arc::new(Self::start().await);
        *shared() = Arc::downgrade(&moto);
        moto
    }

    /// A server of one's own.
    pub async fn start() -> Self {
        // So many calls are taken unsigned: those that make the two users.
        let mut moto = Self::spawn("5").await;
        moto.iam("Action=CreateUser&UserName=admin").await;
        let all = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";
        moto.iam(&format!(
            "Action=PutUserPolicy&UserName=admin&PolicyName=all&PolicyDocument={all}"
        ))
        .await;
        moto.admin = moto.key("admin").await;
        moto.iam("Action=CreateUser&UserName=nobody").await;
        moto.nobody = moto.key("nobody").await;
        moto
    }

    /// One that lets everybody do everything.
    pub async fn open() -> Self {
        Self::spawn("1000000000").await
    }

    async fn spawn(unsigned: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = Command::new(venv("python"))
            .arg(root().join("tests/support/moto_server.py"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", unsigned)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need moto: tests/run installs it");
        let none = Key {
            id: String::new(),
            secret: String::new(),
        };
        let moto = Self {
            port,
            process,
            admin: none.clone(),
            nobody: none,
        };
        moto.ready().await;
        moto
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How a provider reaches it.
    pub fn config(&self) -> AwsConfig {
        config(&self.url())
    }

    /// What a program needs in its environment to speak to it, and nothing of this machine's own.
    pub fn tell(&self, command: &mut Command, key: &Key) {
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|n| n.starts_with("AWS_")) {
                command.env_remove(name);
            }
        }
        command
            .env("AWS_ACCESS_KEY_ID", &key.id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret)
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    }

    /// What the stock command line of AWS prints.
    pub fn aws(&self, args: &[&str]) -> String {
        let mut command = Command::new(venv("aws"));
        command.args(["--endpoint-url", &self.url(), "--output", "text"]);
        command.args(args).stdin(Stdio::null());
        self.tell(&mut command, &self.admin);
        let output = command
            .output()
            .expect("these tests need awscli: tests/run installs it");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {said}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// A user of this name with this policy, and no other; its key the first time.
    pub fn user(&self, name: &str, policy: &str) -> Key {
        self.aws(&["iam", "create-user", "--user-name", name]);
        self.allow(name, policy);
        let key = ["iam", "create-access-key", "--user-name", name];
        let parts = ["--query", "AccessKey.[AccessKeyId,SecretAccessKey]"];
        let key = self.aws(&[&key[..], &parts].concat());
        let (id, secret) = key.split_once('\t').unwrap();
        Key {
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// Gives the user another policy.
    pub fn allow(&self, name: &str, policy: &str) {
        let put = ["iam", "put-user-policy", "--user-name", name];
        let with = ["--policy-name", "only", "--policy-document", policy];
        self.aws(&[&put[..], &with].concat());
    }

    async fn ready(&self) {
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(self.address()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("moto does not start");
    }

    async fn key(&self, user: &str) -> Key {
        let made = self
            .iam(&format!("Action=CreateAccessKey&UserName={user}"))
            .await;
        let part = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        Key {
            id: part("AccessKeyId"),
            secret: part("SecretAccessKey"),
        }
    }

    async fn iam(&self, form: &str) -> String {
        let answer = reqwest::Client::new()
            .post(self.url())
            .header("content-type", "application/x-www-form-urlencoded")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0",
            )
            .body(format!("{form}&Version=2010-05-08"))
            .send()
            .await
            .unwrap();
        let ok = answer.status().is_success();
        let text = answer.text().await.unwrap();
        assert!(ok, "{text}");
        text
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a provider reaches a server at `url`.
pub fn config(url: &str) -> AwsConfig {
    AwsConfig {
        region: REGION.to_owned(),
        endpoint_url: Some(url.to_owned()),
        ..AwsConfig::default()
    }
}

/// A provider of each kind, as whoever has `key`.
pub fn secrets_manager(config: AwsConfig, key: &Key) -> SecretsManagerProvider {
    SecretsManagerProvider::new(config).with_key(&key.id, &key.secret, None)
}

/// The same for Parameter Store; moto has no limit of writes.
pub fn ssm(config: AwsConfig, key: &Key) -> SsmProvider {
    let quick = SsmConfig {
        writes_per_second: 1_000,
        ..SsmConfig::default()
    };
    SsmProvider::new(config, quick).with_key(&key.id, &key.secret, None)
}

/// A program that tests/run has installed.
pub fn venv(program: &str) -> PathBuf {
    root().join("target/venv/bin").join(program)
}
