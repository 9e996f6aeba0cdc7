//! `kill -9` of the real process around every effect of a rotation that is kept at AWS: at every
//! instant there is a current value, the old one or the new, and whoever goes on ends the rotation.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use keyrota_contract::{Place, Provider, Stage, VersionRef};

use super::whole::Bed;
use crate::support::moto::{secrets_manager, ssm};

const POINTS: [&str; 5] = [
    "before-intent",
    "after-intent",
    "after-effect",
    "after-reply",
    "after-outcome",
];

async fn value(provider: &dyn Provider, name: &str, stage: Stage) -> Option<Vec<u8>> {
    let at = Place::new(format!("development/{name}"));
    let value = provider.read(&at, &VersionRef::Stage(stage)).await.unwrap();
    value.map(|v| v.expose_to(<[u8]>::to_vec))
}

async fn rotations(bed: &Bed, name: &str) -> usize {
    let history = bed.run(&["history", name, "--json"]).await.code(0).json();
    history["rotations"].as_array().unwrap().len()
}

/// How often it died.
async fn kills(bed: &Bed, provider: &dyn Provider, name: &str) -> u32 {
    bed.run(&["rotate", name, "--wait"]).await.code(0);
    let mut kills = 0;
    for point in POINTS {
        for n in 1.. {
            let before = rotations(bed, name).await;
            let old = value(provider, name, Stage::Current).await.unwrap();
            let kill = format!("{point}:{n}");
            let mut command: Command = bed.command(&["rotate", name, "--wait"]);
            command.env("KEYROTA_KILL", &kill);
            let ended = tokio::task::spawn_blocking(move || command.output());
            let killed = ended.await.unwrap().unwrap().status.signal() == Some(9);
            let seen = value(provider, name, Stage::Current).await.unwrap();
            let pending = value(provider, name, Stage::Pending).await;
            bed.run(&["rotate", name, "--wait"]).await.code(0);
            let new = value(provider, name, Stage::Current).await.unwrap();
            assert_ne!(new, old, "{name} {kill}");
            if killed {
                kills += 1;
                // Killed when all was done: what followed was a turn of its own.
                let two = rotations(bed, name).await - before == 2;
                let known = if two {
                    seen != old
                } else {
                    seen == old || seen == new
                };
                assert!(known, "{name} {kill}: a third value");
                // The candidate that stood there is the one that became current.
                let adopted = pending.is_none_or(|pending| pending == new);
                assert!(adopted, "{name} {kill}: a second candidate");
            }
            let pending = value(provider, name, Stage::Pending).await;
            assert!(pending.is_none(), "{name} {kill}: a candidate is left");
            if !killed {
                break;
            }
        }
    }
    bed.run(&["audit", "verify"]).await.code(0);
    println!("{name}: {kills} kills, 0 violations");
    kills
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_manager_has_a_value_wherever_a_rotation_dies() {
    let bed = Bed::new("0s").await;
    let provider = secrets_manager(bed.moto.config(), &bed.moto.admin);
    let kills = kills(&bed, &provider, "session").await;
    assert!(kills >= 25, "{kills} kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameter_store_has_a_value_wherever_a_rotation_dies() {
    let bed = Bed::new("0s").await;
    let provider = ssm(bed.moto.config(), &bed.moto.admin);
    let kills = kills(&bed, &provider, "pair").await;
    assert!(kills >= 25, "{kills} kills");
}
