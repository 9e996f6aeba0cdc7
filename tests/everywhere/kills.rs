//! `kill -9` of the real process at every place that the code names, in a rotation of two Postgres
//! users whose login is kept far away: a program that logs in all the time never notices.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keyrota_contract::Stage;

use super::bed::{Bed, Stores, admin, turns};
use crate::recovery::databases::on_postgres;
use crate::recovery::logins::Logins;
use crate::recovery::{EFFECTS_MAX, POINTS, on_two_threads};

/// Preflight, create, install, probe, promote, tell, withdraw, refuse, check.
const EFFECTS: u32 = 9;
/// As `[defaults]` of the bed has it.
const REFRESH: Duration = Duration::from_secs(1);

#[test]
fn two_postgres_users_with_their_login_in_secrets_manager() {
    every_death("sm");
}

#[test]
fn two_postgres_users_with_their_login_in_parameter_store() {
    every_death("ssm");
}

#[test]
fn two_postgres_users_with_their_login_in_vault() {
    every_death("vault");
}

fn every_death(provider: &'static str) {
    let stores = Stores::start();
    let logins = Arc::new(AtomicU32::new(0));
    // Two at a time: a server that is too busy to answer is another test's matter.
    let kills = on_two_threads(POINTS.into_iter().map(|point| {
        let (stores, logins) = (stores.clone(), logins.clone());
        move || {
            let (kills, done) = deaths_at(point, provider, stores);
            logins.fetch_add(done, Ordering::Relaxed);
            kills
        }
    }));
    let logins = logins.load(Ordering::Relaxed);
    println!("postgres, two users, {provider}: {kills} kills, {logins} logins, 0 violations");
    assert!(kills >= 4 * EFFECTS, "{kills} kills");
}

/// Kills at one point, the n-th time for each n until the process ends by itself: how often it
/// died, and how often the program logged in.
fn deaths_at(point: &'static str, provider: &'static str, stores: Arc<Stores>) -> (u32, u32) {
    let ground = on_postgres(2);
    let path = format!("{point}/database");
    let elsewhere = admin("admin", "local", "admin");
    let secret = ground.secret("database", &turns("admin", provider, &path));
    let bed = Bed::new(stores.clone(), &(elsewhere + &secret));
    bed.import("database", "admin", &ground);
    let first = begun(&mut bed.command(&["rotate", "database", "--wait"]));
    assert!(first.status.success(), "{first:?}");
    let value = |stage| stores.value(provider, &path, stage);
    let rotations = || {
        let history = bed.run(&["history", "database", "--json"]);
        let history = history.code(0).json();
        let all = history["rotations"].as_array().unwrap();
        assert!(
            all[1..]
                .iter()
                .all(|r| r["outcome"] == "rotated" || r["outcome"] == "imported")
        );
        all.len()
    };
    let login = ("DATABASE_URL".to_owned(), ground.login.clone());
    let program = Logins::start(bed.keyrota.path("out/app.env"), vec![login], REFRESH);
    let mut kills = 0;
    for n in 1..EFFECTS_MAX {
        let case = format!("{provider} {point}:{n}");
        let (before, old) = (rotations(), value(Stage::Current).unwrap());
        let mut rotate = bed.command(&["rotate", "database", "--wait"]);
        rotate.env("KEYROTA_KILL", format!("{point}:{n}"));
        let ended = begun(&mut rotate);
        let killed = ended.status.signal() == Some(9);
        assert!(killed || ended.status.success(), "{case}: {ended:?}");
        let seen = value(Stage::Current).unwrap();
        assert_eq!(
            (ground.login)(&seen),
            Ok(()),
            "{case}: what is current works"
        );
        let pending = value(Stage::Pending);
        let mut new = seen.clone();
        if killed {
            kills += 1;
            let ended = begun(&mut bed.command(&["rotate", "database", "--wait"]));
            assert!(ended.status.success(), "{case}: {ended:?}");
            new = value(Stage::Current).unwrap();
            assert_eq!(
                (ground.login)(&new),
                Ok(()),
                "{case}: what is current works"
            );
            // Killed when all was done: what followed was a turn of its own.
            let known = match rotations() - before {
                1 => seen == old || seen == new,
                turns => turns == 2 && seen != old && seen != new,
            };
            assert!(known, "{case}: a third value");
            let adopted = pending.is_none_or(|pending| pending == new);
            assert!(adopted, "{case}: a second candidate");
        }
        assert_ne!(new, old, "{case}");
        assert!(
            (ground.login)(&old).is_err(),
            "{case}: the old one is refused"
        );
        assert_eq!(value(Stage::Pending), None, "{case}: a candidate is left");
        if !killed {
            break;
        }
    }
    bed.run(&["audit", "verify"]).code(0);
    let count = program.stop();
    assert!(
        count.gaps.is_empty(),
        "{provider} {point}: {:?}",
        count.gaps
    );
    let most = if point == "after-effect" { 3 } else { EFFECTS };
    assert!(kills >= most, "{provider} {point}: {kills} kills");
    (kills, count.done)
}

/// Runs a command as an operator does: again, where nothing was begun because a store is too busy.
fn begun(command: &mut Command) -> Output {
    for _ in 0..5 {
        let ended = command.stdin(Stdio::null()).output().unwrap();
        if ended.status.code() != Some(75) {
            return ended;
        }
    }
    panic!("the store never answers");
}
