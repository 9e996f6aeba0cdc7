//! `kill -9` of the real process, at every place that the code names and at others, for every kind.
//!
//! After each death the order is carried on as an operator would, and then everything that keyrota
//! promises is checked: what is current works, at every instant; one new value per rotation, none
//! lost and none left; the log is whole and says what happened; nothing leaked; files are whole.

mod bed;
mod daemon;
pub mod databases;
mod film;
mod log;
pub mod logins;
mod loops;
mod programs;
mod scenarios;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use bed::{Bed, Death, Scenario};
use keyrota::state::Outcome;

pub const POINTS: [&str; 5] = [
    "before-intent",
    "after-intent",
    "after-effect",
    "after-reply",
    "after-outcome",
];

/// More effects than any rotation has.
pub const EFFECTS_MAX: u32 = 40;

#[test]
fn tokens_verify_wherever_a_rotation_of_their_key_dies() {
    every_death("jwt", &scenarios::JWT, 8);
}

#[test]
fn signatures_verify_wherever_a_rotation_of_their_key_dies() {
    every_death("signing-key", &scenarios::SIGNING_KEY, 11);
}

#[test]
fn a_token_reaches_its_readers_wherever_its_rotation_dies() {
    every_death("random", &scenarios::RANDOM, 9);
}

#[test]
fn a_value_that_was_given_is_kept_or_forgotten_but_not_half() {
    every_death("imported key", &scenarios::ISSUED, 8);
}

#[test]
fn an_import_that_dies_is_repeated() {
    every_death("import", &scenarios::IMPORT, 4);
}

#[test]
fn a_first_value_is_made_once_wherever_its_making_dies() {
    every_death("first value", &scenarios::FIRST, 6);
}

#[test]
fn logins_never_fail_wherever_a_rotation_of_two_postgres_users_dies() {
    every_death("postgres, two users", &databases::POSTGRES_TWO, 9);
}

#[test]
fn logins_fail_once_wherever_a_rotation_of_one_postgres_user_dies() {
    every_death("postgres, one user", &databases::POSTGRES_ONE, 8);
}

#[test]
fn a_postgres_user_that_changes_itself_is_never_locked_out() {
    every_death("postgres, one user by itself", &databases::POSTGRES_SELF, 8);
}

#[test]
fn logins_never_fail_wherever_a_rotation_of_two_mariadb_users_dies() {
    every_death("mariadb, two users", &databases::MARIADB_TWO, 9);
}

#[test]
fn logins_never_fail_wherever_a_rotation_of_two_mariadb_passwords_dies() {
    every_death("mariadb, two passwords", &databases::MARIADB_BOTH, 9);
}

#[test]
fn a_mariadb_user_that_changes_itself_is_never_locked_out() {
    every_death("mariadb, one user by itself", &databases::MARIADB_SELF, 8);
}

#[test]
fn a_program_with_two_values_refuses_nobody_wherever_a_rotation_dies() {
    every_death("command, redis-acl", &programs::DUAL, 9);
}

#[test]
fn a_program_with_one_value_is_never_left_with_an_unknown_one() {
    every_death("command, one value", &programs::SINGLE, 8);
}

#[test]
fn whoever_carries_on_may_die_as_well() {
    let kills = on_two_threads(POINTS.iter().flat_map(|first| {
        // The second process dies in what it does first, or a little later.
        POINTS.iter().map(move |second| {
            move || {
                let mut bed = Bed::new(&scenarios::RANDOM);
                let first = bed.order(&Death::At(first, 2));
                let second = bed.carry_on(&Death::At(second, 1));
                finish(bed);
                u32::from(first) + u32::from(second)
            }
        })
    }));
    println!("random, twice: {kills} kills, 0 violations");
    assert!(
        kills >= 45,
        "{kills} kills: nearly all of the pairs are real"
    );
}

#[test]
fn no_moment_is_a_bad_one_to_die() {
    let whole = (0..3).map(|_| {
        let mut bed = Bed::new(&scenarios::RANDOM);
        let began = Instant::now();
        bed.order(&Death::None);
        let took = began.elapsed();
        finish(bed);
        took
    });
    let whole = whole.min().unwrap();
    let kills = on_two_threads((0..24).map(|step| {
        move || {
            let mut bed = Bed::new(&scenarios::RANDOM);
            let killed = bed.order(&Death::After(whole * step / 24));
            finish(bed);
            u32::from(killed)
        }
    }));
    println!("random, any moment: {kills} kills, 0 violations");
    assert!(kills >= 6, "{kills} kills: the process was still at work");
}

#[test]
fn a_disk_that_fails_loses_nothing() {
    let calls = (1..=30).map(|n| ("fsync", n));
    let calls = calls.chain((1..=280).step_by(17).map(|n| ("pwrite64", n)));
    let disturbed = on_two_threads(calls.map(|(call, n)| {
        move || {
            let mut bed = Bed::new(&scenarios::RANDOM);
            let disturbed = bed.order(&Death::Disk(call, n));
            finish(bed);
            u32::from(disturbed)
        }
    }));
    println!("random, EIO: {disturbed} processes gave up, 0 violations");
    assert!(disturbed >= 20, "{disturbed} processes noticed");
}

pub fn on_two_threads<T: FnOnce() -> u32 + Send>(tries: impl Iterator<Item = T>) -> u32 {
    let tries = Mutex::new(tries.collect::<Vec<_>>());
    std::thread::scope(|scope| {
        let work = || {
            std::iter::from_fn(|| tries.lock().unwrap().pop())
                .map(|t| t())
                .sum::<u32>()
        };
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads.into_iter().map(|t| t.join().unwrap()).sum::<u32>()
    })
}

/// Kills at each point, the n-th time for each n until the process ends by itself, which must have
/// done `effects` effects by then.
fn every_death(name: &str, scenario: &'static Scenario, effects: u32) {
    let kills: u32 = std::thread::scope(|scope| {
        let chains: Vec<_> = POINTS
            .iter()
            .map(|point| scope.spawn(move || deaths_at(point, scenario, effects)))
            .collect();
        chains.into_iter().map(|c| c.join().unwrap()).sum()
    });
    println!("{name}: {kills} kills, 0 violations");
}

fn deaths_at(point: &'static str, scenario: &'static Scenario, effects: u32) -> u32 {
    for n in 1..EFFECTS_MAX {
        let mut bed = Bed::new(scenario);
        let killed = bed.order(&Death::At(point, n));
        let outcome = finish(bed);
        if !killed {
            assert_eq!(outcome, scenario.outcomes[0], "undisturbed");
            // Some effects only look and have nothing to die after.
            let all = n - 1 == effects || (point == "after-effect" && n > 2);
            assert!(all, "{} deaths at {point}, for {effects} effects", n - 1);
            return n - 1;
        }
    }
    panic!("{point} is passed more than {EFFECTS_MAX} times");
}

/// Carries the order on until it is over, and judges it.
fn finish(mut bed: Bed) -> Outcome {
    let began = Instant::now();
    while !bed.is_over() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never ends");
        bed.carry_on(&Death::None);
    }
    bed.judge()
}
