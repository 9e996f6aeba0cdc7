//! `kill -9` around every effect of a rotation with copies: each copy holds the old value or the new
//! at every instant, and whoever goes on ends with all of them alike, one version made.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::bed::Stores;
use crate::support::evidence::{block_on, document, value_at};
use crate::support::keyrota::Keyrota;

const POINTS: [&str; 5] = [
    "before-intent",
    "after-intent",
    "after-effect",
    "after-reply",
    "after-outcome",
];
const SECRET: &str = r#"environment = "development"
[defaults]
refresh = "0s"
provider = "local"
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

struct Bed {
    keyrota: Keyrota,
    stores: Stores,
}

impl Bed {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.keyrota.command(args);
        self.stores.moto.tell(&mut command, &self.stores.moto.admin);
        command.stdin(Stdio::null());
        command
    }

    fn current(&self) -> String {
        let home = self.keyrota.path(".keyrota");
        let sealed = std::fs::read(home.join("development.age")).unwrap();
        value_at(&document(&home, &sealed), "token", "current").unwrap()
    }

    /// What the copies stand for.
    fn copies(&self) -> [String; 3] {
        let sm = self.stores.in_sm("copies/token");
        let ssm = self.stores.in_ssm("/copies/token");
        [
            self.stores.in_vault("copies/token").unwrap(),
            sm.strip_prefix("sm-").unwrap().to_owned(),
            ssm.strip_prefix("ssm-").unwrap().to_owned(),
        ]
    }

    fn versions(&self) -> u64 {
        let meta = block_on(self.stores.bao.metadata("copies/token"));
        meta["current_version"].as_u64().unwrap()
    }
}

#[test]
fn copies_are_whole_wherever_a_rotation_dies() {
    let stores = Stores::start();
    let keyrota = Keyrota::in_temp();
    let providers = stores.providers(&keyrota, stores.bao.socket().port());
    keyrota.write(
        "schedules/development.toml",
        &format!("{SECRET}{providers}"),
    );
    let bed = Bed { keyrota, stores };
    let rotate = ["rotate", "token", "--wait"];
    let done = || {
        let ran = bed.command(&rotate).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
    done();
    let mut kills = 0;
    for point in POINTS {
        for n in 1.. {
            let kill = format!("{point}:{n}");
            let (old, versions) = (bed.current(), bed.versions());
            let ended = bed
                .command(&rotate)
                .env("KEYROTA_KILL", &kill)
                .output()
                .unwrap();
            let killed = ended.status.signal() == Some(9);
            let (seen, between) = (bed.current(), bed.copies());
            done();
            let new = bed.current();
            assert_ne!(old, new, "{kill}");
            for copy in between {
                let known = copy == old || copy == seen;
                assert!(known, "{kill}: a third value");
            }
            assert_eq!(bed.copies(), [new.clone(), new.clone(), new], "{kill}");
            // Killed when all was done: what followed was a turn of its own.
            let made = bed.versions() - versions;
            let two = made == 2 && seen != old;
            assert!(made == 1 || two, "{kill}: {made} versions");
            let sibling = "kv/metadata/copies/token.keyrota-pending";
            let left = block_on(bed.stores.bao.ask(reqwest::Method::GET, sibling, None)).0;
            assert_eq!(left, 404, "{kill}: a candidate is left");
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    let log = bed.command(&["audit", "list"]).output().unwrap();
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(!log.contains("drift.detected"), "{log}");
    let verify = bed.command(&["audit", "verify"]).output().unwrap();
    assert!(verify.status.success());
    assert!(kills >= 50, "{kills} kills");
    println!("copies: {kills} kills, 0 violations");
}
