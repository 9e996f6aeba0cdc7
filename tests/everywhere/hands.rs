//! What a person writes with the vendor's own program before a rotation, into it, and in its grace: it is
//! noticed, told, in the log, and never overwritten in silence.

use std::time::Duration;

use serde_json::Value;

use super::bed::{Bed, Stores};
use crate::support::evidence::Evidence;
use crate::support::keyrota::Ran;

/// A key that somebody accepts before it is used, and for a while after.
const KEY: &str = r#"
[secrets.key]
kind = "signing-key"
provider = "PROVIDER"
path = "hands/key"
refresh = "1s"
skew = "1s"
signature_ttl = "1s"
env = "KEY"
env_fallback = "KEY_FALLBACK"
[[secrets.key.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
"#;

struct Hands {
    bed: Bed,
    provider: &'static str,
}

impl Hands {
    fn new(provider: &'static str) -> Self {
        let stores = Stores::start();
        let bed = Bed::new(stores, &KEY.replace("PROVIDER", provider));
        bed.run(&["rotate", "key", "--wait"]).code(0);
        Self { bed, provider }
    }

    /// A person writes, with what everybody has at hand.
    fn write(&self, value: &str) {
        let stores = &self.bed.stores;
        let (secret, parameter) = (["--secret-id", "hands/key"], ["--name", "/hands/key"]);
        match self.provider {
            "sm" => {
                let put = [
                    "secretsmanager",
                    "put-secret-value",
                    "--secret-string",
                    value,
                ];
                stores.moto.aws(&[&put[..], &secret].concat());
            }
            "ssm" => {
                let put = [
                    "ssm",
                    "put-parameter",
                    "--overwrite",
                    "--type",
                    "SecureString",
                ];
                stores
                    .moto
                    .aws(&[&put[..], &parameter, &["--value", value]].concat());
            }
            _ => {
                let value = format!("value={value}");
                let put = ["kv", "put", "-mount=kv", "hands/key", &value];
                stores.bao.bao(&put).unwrap();
            }
        }
    }

    /// The same program reads.
    fn read(&self) -> String {
        let stores = &self.bed.stores;
        match self.provider {
            "sm" => {
                let get = [
                    "secretsmanager",
                    "get-secret-value",
                    "--secret-id",
                    "hands/key",
                ];
                let current = ["--version-stage", "AWSCURRENT", "--query", "SecretString"];
                stores.moto.aws(&[&get[..], &current].concat())
            }
            "ssm" => {
                let get = [
                    "ssm",
                    "get-parameter",
                    "--with-decryption",
                    "--name",
                    "/hands/key",
                ];
                stores
                    .moto
                    .aws(&[&get[..], &["--query", "Parameter.Value"]].concat())
            }
            _ => {
                let get = ["kv", "get", "-mount=kv", "-field=value", "hands/key"];
                stores.bao.bao(&get).unwrap()
            }
        }
    }

    fn rotate(&self, more: &[&str]) -> Ran {
        self.bed.run(&[&["rotate", "key"], more].concat())
    }

    /// Entries of the log that name this event.
    fn logged(&self, event: &str) -> Vec<Value> {
        let evidence = Evidence::of(&self.bed.keyrota.path(".keyrota"), "key");
        assert_eq!(evidence.report.exit_code(), 0);
        let log = evidence.log.into_iter();
        log.filter(|entry| entry["event"] == event).collect()
    }
}

fn by_hand(provider: &'static str) {
    const FOREIGN: &str = "another tool changed the current value";
    let hands = Hands::new(provider);
    let hand = |n: u8| format!("{n:02x}").repeat(32);

    // Before: told, in the log, and then the turn is taken: it is what was asked for.
    hands.write(&hand(1));
    let ran = hands.rotate(&[]).code(10);
    assert!(ran.stderr.contains(FOREIGN), "{provider}: {ran:?}");
    assert_eq!(hands.logged("drift.detected").len(), 1, "{provider}");
    assert_eq!(
        hands.read(),
        hand(1),
        "{provider}: it is not overwritten yet"
    );

    // Into it, between the candidate and the switch: a person decides, and what stands there stays.
    hands.write(&hand(2));
    let ran = hands.rotate(&["--wait"]).code(22);
    let told = "another version is current than the one expected";
    assert!(ran.stdout.contains(told), "{provider}: {ran:?}");
    assert_eq!(hands.logged("rotation.stuck").len(), 1, "{provider}");
    assert_eq!(hands.read(), hand(2), "{provider}");
    hands.bed.run(&["abandon", "key"]).code(20);
    assert_eq!(hands.read(), hand(2), "{provider}: not by giving up either");

    // In the grace: it stays, and whoever comes next is told.
    let ran = hands.rotate(&[]).code(10);
    assert!(ran.stderr.contains(FOREIGN), "{provider}: {ran:?}");
    std::thread::sleep(Duration::from_millis(2_200));
    hands.rotate(&[]).code(0);
    hands.write(&hand(3));
    hands.rotate(&["--wait"]).code(0);
    assert_eq!(hands.read(), hand(3), "{provider}: it stays in the grace");
    let file = std::fs::read_to_string(hands.bed.keyrota.path("out/app.env")).unwrap();
    assert_eq!(
        file,
        format!("KEY={}\n", hand(3)),
        "{provider}: readers have what is current"
    );
    let ran = hands.rotate(&[]).code(10);
    assert!(ran.stderr.contains(FOREIGN), "{provider}: {ran:?}");
    assert_eq!(hands.logged("drift.detected").len(), 3, "{provider}");
    assert_eq!(hands.read(), hand(3), "{provider}");
}

#[test]
fn of_secrets_manager() {
    by_hand("sm");
}

#[test]
fn of_parameter_store() {
    by_hand("ssm");
}

#[test]
fn of_vault() {
    by_hand("vault");
}

/// `metadata put` replaces all keys, keyrota's records too. The rotation knows its versions by number.
#[test]
fn custom_metadata_that_are_replaced_in_the_grace() {
    let hands = Hands::new("vault");
    hands.rotate(&[]).code(10);
    std::thread::sleep(Duration::from_millis(2_200));
    hands.rotate(&[]).code(0);
    let new = hands.read();
    let bao = &hands.bed.stores.bao;
    let put = [
        "kv",
        "metadata",
        "put",
        "-mount=kv",
        "-custom-metadata=owner=ops",
    ];
    bao.bao(&[&put[..], &["hands/key"]].concat()).unwrap();
    hands.rotate(&["--wait"]).code(0);
    assert_eq!(hands.read(), new);
    // A value of keyrota's is no foreign one for want of a record.
    let ran = hands.rotate(&["--wait"]).code(0);
    assert!(!ran.stderr.contains("another tool"), "{ran:?}");
    let meta = hands.bed.stores.runtime.block_on(bao.metadata("hands/key"));
    assert_eq!(meta["custom_metadata"]["owner"], "ops");
    let destroyed = |n: &str| meta["versions"][n]["destroyed"] == true;
    assert!(
        destroyed("1") && destroyed("2") && !destroyed("3"),
        "{meta}"
    );
}
