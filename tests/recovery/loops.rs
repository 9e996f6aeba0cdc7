//! Many rotations under a program that logs in without pause.

use std::time::Duration;

use super::databases::{Ground, HEAD, ITSELF, REFRESH, TWO, on_mariadb, on_postgres};
use super::logins::{Count, Logins};
use crate::support::keyrota::Keyrota;

#[test]
fn two_hundred_rotations_of_postgres_refuse_no_login() {
    two_hundred("postgres", || on_postgres(2));
}

#[test]
fn two_hundred_rotations_of_mariadb_refuse_no_login() {
    two_hundred("mariadb", || on_mariadb(2));
}

#[test]
fn the_gap_of_one_postgres_user_is_as_short_as_the_readme_says() {
    gap("postgres", &on_postgres(1));
}

#[test]
fn the_gap_of_one_mariadb_user_is_as_short_as_the_readme_says() {
    gap("mariadb", &on_mariadb(1));
}

const SECRETS: usize = 8;
const ROUNDS: usize = 25;
/// README: one user cannot log in from the change until its program has been told, if nothing dies.
const GAP_MAX: Duration = Duration::from_secs(2);

/// Eight pairs of users, twenty-five turns each, all by one command a turn.
fn two_hundred(server: &str, ground: impl Fn() -> Ground) {
    let secrets: Vec<(String, Ground)> = (0..SECRETS)
        .map(|n| (format!("database{n}"), ground()))
        .collect();
    let keyrota = at_work(&secrets, TWO);
    let logins = secrets
        .iter()
        .map(|(name, ground)| (name.clone(), ground.login.clone()))
        .collect();
    let reader = Logins::start(keyrota.path("out/app.env"), logins, REFRESH);
    let names: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
    for _ in 0..ROUNDS {
        keyrota
            .run(&[&["rotate", "--wait"], &names[..]].concat())
            .code(0);
    }
    let Count { done, gaps } = reader.stop();
    println!(
        "{server}: {} rotations of alternating users, {done} logins meanwhile, {} refused",
        SECRETS * ROUNDS,
        gaps.len()
    );
    assert!(gaps.is_empty(), "{gaps:?}");
    assert!(done as usize > SECRETS * ROUNDS, "{done} logins");
    for name in names {
        let history = keyrota.run(&["history", name, "--json"]).code(0).json();
        let rotations = history["rotations"].as_array().unwrap();
        let rotated = rotations.iter().filter(|r| r["outcome"] == "rotated");
        assert_eq!(rotated.count(), ROUNDS);
    }
    keyrota.run(&["audit", "verify"]).code(0);
}

fn gap(server: &str, ground: &Ground) {
    const ROTATIONS: usize = 10;
    let secrets = [("database".to_owned(), ground.clone())];
    let keyrota = at_work(&secrets, ITSELF);
    let logins = vec![("DATABASE_URL".to_owned(), ground.login.clone())];
    let reader = Logins::start(keyrota.path("out/app.env"), logins, REFRESH);
    for _ in 0..ROTATIONS {
        keyrota.run(&["rotate", "database", "--wait"]).code(0);
        std::thread::sleep(Duration::from_millis(200));
    }
    let count = reader.stop();
    let mut gaps: Vec<u128> = count.gaps.iter().map(|(gap, _)| gap.as_millis()).collect();
    gaps.sort_unstable();
    let median = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
    let longest = gaps.last().copied().unwrap_or_default();
    println!(
        "{server}: {ROTATIONS} rotations of one user, {} logins, {} gaps: median {median} ms, longest {longest} ms",
        count.done,
        gaps.len()
    );
    assert!(gaps.len() <= ROTATIONS, "{gaps:?}");
    assert!(longest < GAP_MAX.as_millis(), "{gaps:?}");
}

/// A keyrota that has adopted what its programs have.
fn at_work(secrets: &[(String, Ground)], strategy: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    let (_, admin) = secrets[0].1.urls();
    let (mut schedule, mut env) = (HEAD.to_owned(), format!("DB_ADMIN={admin}\n"));
    for (name, ground) in secrets {
        schedule += &ground.secret(name, strategy);
        let variable = if name == "database" {
            "DATABASE_URL"
        } else {
            name
        };
        env += &format!("{variable}={}\n", ground.urls().0);
    }
    keyrota.write("schedules/development.toml", &schedule);
    keyrota.write("out/app.env", &env);
    keyrota
        .run(&["import", "--env-file", "out/app.env"])
        .code(0);
    keyrota
}
