//! Programs as rotators: somebody uses the value all the time, and keyrota dies wherever it can.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use keyrota::state::Outcome;

use super::bed::{Bed, Scenario, World};
use super::databases::REFRESH;
use super::film::Film;
use super::logins::url;
use crate::support::redis::{ADMIN, FIRST, Redis};

/// The worked example, and a Redis.
pub static DUAL: Scenario = Scenario {
    secret: "user",
    world: redis,
    before: &[(&["import", "--env-file", "out/app.env"], "")],
    order: (&["rotate", "user", "--wait"], ""),
    carry_on: &["rotate", "user", "--wait"],
    outcomes: &[Outcome::Rotated],
    keeps_previous: true,
    targets: &["out/app.env"],
    judge: |bed, _, current| {
        let gaps = &bed.count.gaps;
        assert!(gaps.is_empty(), "{gaps:?}");
        judge(bed, current);
    },
};

/// A program whose target, a file, accepts one value.
pub static SINGLE: Scenario = Scenario {
    world: one_value,
    judge: judge_gap,
    ..DUAL
};

fn redis(dir: &Path) -> World {
    prepare(dir);
    let redis = Redis::start();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/redis-acl");
    let program = format!(
        "argv = [{example:?}, {:?}, \"app\", \"default\"]",
        redis.address()
    );
    let schedule = format!(
        "{HEAD}[secrets.admin]\nkind = \"external\"\nenv = \"ADMIN\"\n\
         [secrets.user]\nkind = \"command\"\nslots = \"dual\"\nuses = [\"admin\"]\ngrace = \"2s\"\n{program}\n{TOLD}"
    );
    World {
        schedule,
        login: Some((
            Arc::new(move |value| match redis.login("app", value) {
                true => Ok(()),
                false => Err("refused".to_owned()),
            }),
            REFRESH,
        )),
    }
}

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "2s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

const TOLD: &str = r#"env = "DATABASE_URL"
[[secrets.user.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
"#;

/// What the file `$1` holds is the one value that is accepted.
const PROGRAM: &str = r#"#!/usr/bin/env python3
import json, os, sys
job, target = json.load(sys.stdin), sys.argv[1]
value = job["values"].get(job["value"])
if job["phase"] == "query":
    print(json.dumps({"accepted": [job["value"]] if open(target).read() == value else []}))
elif job["phase"] == "activate":
    with open(target + ".new", "w") as new:
        new.write(value)
    os.rename(new.name, target)
else:
    sys.exit(64)
"#;

fn one_value(dir: &Path) -> World {
    let outside = tempfile::tempdir().unwrap();
    let (program, target) = (
        outside.path().join("program"),
        outside.path().join("target"),
    );
    // A file cannot be executed while any child forked meanwhile still holds it open to write.
    let source = outside.path().join("source");
    std::fs::write(&source, PROGRAM).unwrap();
    std::fs::set_permissions(&source, PermissionsExt::from_mode(0o700)).unwrap();
    let copied = Command::new("cp")
        .arg("-p")
        .args([&source, &program])
        .status();
    assert!(copied.unwrap().success());
    std::fs::write(&target, FIRST).unwrap();
    prepare(dir);
    let schedule = format!(
        "{HEAD}[secrets.user]\nkind = \"command\"\nslots = \"single\"\nargv = [{program:?}, {target:?}]\n{TOLD}"
    );
    World {
        schedule,
        login: Some((
            Arc::new(move |value| {
                let _alive = &outside;
                std::thread::sleep(std::time::Duration::from_millis(2));
                match std::fs::read_to_string(&target).unwrap() == value {
                    true => Ok(()),
                    false => Err("refused".to_owned()),
                }
            }),
            REFRESH,
        )),
    }
}

/// What the program has before keyrota is there.
fn prepare(dir: &Path) {
    let env = format!("DATABASE_URL={FIRST}\nADMIN={ADMIN}\n");
    std::fs::write(dir.join("out/app.env"), env).unwrap();
}

fn judge(bed: &Bed, current: &str) {
    assert_eq!(url(&bed.keyrota.path("out/app.env")), current);
    assert!(bed.count.done > 1, "{} uses", bed.count.done);
}

fn judge_gap(bed: &Bed, _: &Film, current: &str) {
    judge(bed, current);
    assert!(bed.count.gaps.len() <= 1, "{:?}", bed.count.gaps);
}
