//! What a directory says about a secret after the fact, read as an auditor would: the document with
//! the stock `age` program, the state and its log read-only, the checkpoints from outside.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use keyrota::audit::{Report, Signers, anchors};
use keyrota::keys::Seed;
use keyrota::state::{Access, Location, Rotation, Store};
use keyrota_contract::SecretValue;
use serde_json::Value;

/// The state of one secret, and the whole log.
#[derive(Debug)]
pub struct Evidence {
    /// Newest first.
    pub rotations: Vec<Rotation>,
    /// The entries, oldest first.
    pub log: Vec<Value>,
    /// The verdict over the log, held to the checkpoints in and outside the database.
    pub report: Report,
}

impl Evidence {
    /// Of `secret` in the environment development, whose home (`.keyrota`) is `home`.
    pub fn of(home: &Path, secret: &str) -> Self {
        block_on(async {
            let at = Location::Sqlite(home.join("state.db"));
            let store = Store::open_read_only(&at, Access::default()).await.unwrap();
            let seed = std::fs::read(home.join("keys/seed")).unwrap();
            let keys = Seed::from_credential(&SecretValue::new(seed))
                .unwrap()
                .keys();
            let outside = anchors::read(&home.join("checkpoints")).unwrap();
            let signers = Signers::own(&keys);
            let verified = store.verify(1, &signers, &outside.notes()).await.unwrap();
            let report = verified.report;
            let rotations = store.rotations("development", secret, 100).await.unwrap();
            let entries = store.entries(1, 100_000).await.unwrap();
            let log = entries
                .iter()
                .map(|row| serde_json::from_slice(&row.body).unwrap());
            Self {
                rotations,
                log: log.collect(),
                report,
            }
        })
    }

    /// Whether a rotation of the secret is under way.
    pub fn under_way(&self) -> bool {
        self.rotations.first().is_some_and(|r| r.outcome.is_none())
    }
}

/// Runs a future to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

/// What `sealed` holds, opened by the stock `age` with the identity of `home`.
pub fn document(home: &Path, sealed: &[u8]) -> Value {
    let mut age = Command::new("age")
        .args(["-d", "-i"])
        .arg(home.join("keys/age-identity"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the age program is installed");
    age.stdin.take().unwrap().write_all(sealed).unwrap();
    let opened = age.wait_with_output().unwrap();
    assert!(opened.status.success(), "a document that age cannot open");
    // The line behind the JSON says who wrote it.
    let mut values = serde_json::Deserializer::from_slice(&opened.stdout).into_iter();
    values.next().unwrap().unwrap()
}

/// Writes a document as another keyrota with the identity of `home` would.
pub fn seal(home: &Path, file: &Path, opened: &Value) {
    let identity = std::fs::read(home.join("keys/age-identity")).unwrap();
    let ours = keyrota_local::Identities::parse(&identity).unwrap();
    let recipients = keyrota_local::identity::recipients(&[], &ours).unwrap();
    let json = format!("{opened}\n");
    let sealed = keyrota_local::file::seal(json.as_bytes(), "development", &ours, &recipients);
    std::fs::write(file, sealed).unwrap();
}

/// The versions of a secret in a document.
pub fn versions(document: &Value, secret: &str) -> Vec<Value> {
    let versions = &document["secrets"][format!("development/{secret}")]["versions"];
    versions.as_array().cloned().unwrap_or_default()
}

/// The value of the version that stands at `stage`.
pub fn value_at(document: &Value, secret: &str, stage: &str) -> Option<String> {
    let versions = versions(document, secret);
    let at = versions.iter().find(|v| v["stage"] == stage)?;
    Some(at["value"].as_str().unwrap().to_owned())
}
