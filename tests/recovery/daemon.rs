//! The daemon dies as well: in the middle of what a command began, and in a turn of its own.

use std::io::Read;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use keyrota::state::Outcome;
use rustix::process::{Pid, Signal, kill_process};

use super::bed::{Bed, Death, Scenario, World};
use super::{POINTS, on_two_threads, scenarios};

/// What a command begins and leaves at its first wait: the rest is the daemon's.
static LEFT: Scenario = Scenario {
    order: (&["rotate", "session"], ""),
    carry_on: &["rotate", "session"],
    ..scenarios::JWT
};

/// A key whose turn comes every minute.
static TURNS: Scenario = Scenario {
    world: |dir| {
        let World { schedule, login } = (scenarios::JWT.world)(dir);
        let schedule = schedule.replace("env = \"JWT_S", "schedule = \"* * * * *\"\nenv = \"JWT_S");
        World { schedule, login }
    },
    ..scenarios::JWT
};

#[test]
fn the_daemon_carries_on_what_it_died_in() {
    let kills = on_two_threads(POINTS.iter().flat_map(|point| {
        // Promote, deliver, deliver, destroy.
        [1, 2, 3, 4].map(|n| {
            move || {
                let mut bed = Bed::new(&LEFT);
                let ran = bed.command(&["rotate", "session"], &Death::None).output();
                assert_eq!(ran.unwrap().status.code(), Some(10), "it settles");
                let killed = until_over(&mut bed, &Death::At(point, n));
                until_over(&mut bed, &Death::None);
                assert_eq!(bed.judge(), Outcome::Rotated);
                u32::from(killed)
            }
        })
    }));
    println!("daemon: {kills} kills, 0 violations");
    assert!(kills >= 16, "{kills} kills");
}

#[test]
fn a_turn_that_the_daemon_died_in_is_not_taken_twice() {
    let mut bed = Bed::new(&TURNS);
    // Preflight, create: the second intent is written, and the turn with the first.
    assert!(until_over(&mut bed, &Death::At("after-intent", 2)));
    assert!(bed.evidence().under_way(), "the turn came");
    until_over(&mut bed, &Death::None);
    let taken = bed.evidence().log.into_iter().filter_map(|entry| {
        (entry["event"] == "rotation.planned").then(|| entry["detail"]["turn"].clone())
    });
    let turns: Vec<_> = taken.filter(|turn| !turn.is_null()).collect();
    assert_eq!(turns.len(), 1, "{turns:?}");
    assert_eq!(bed.judge(), Outcome::Rotated);
}

/// Runs the daemon until the order is over, or it dies. Whether it was killed.
fn until_over(bed: &mut Bed, death: &Death) -> bool {
    let mut daemon = bed
        .command(&["--env", "development", "daemon"], death)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = daemon.stderr.take().unwrap();
    let listener = std::thread::spawn(move || {
        let mut said = Vec::new();
        stderr.read_to_end(&mut said).unwrap();
        said
    });
    let killed = wait(bed, &mut daemon);
    let said = listener.join().unwrap();
    bed.heard(&said);
    killed
}

fn wait(bed: &Bed, daemon: &mut Child) -> bool {
    let began = Instant::now();
    loop {
        if let Some(status) = daemon.try_wait().unwrap() {
            assert_eq!(status.code(), None, "the daemon ended by itself");
            return true;
        }
        if bed.is_over() {
            let pid = Pid::from_child(daemon);
            kill_process(pid, Signal::TERM).unwrap();
            let code = daemon.wait().unwrap().code();
            // It may die after the last outcome, before it hears the signal.
            assert!(code.is_none_or(|code| code == 0), "{code:?}");
            return code.is_none();
        }
        assert!(began.elapsed() < Duration::from_secs(120), "it never ends");
        std::thread::sleep(Duration::from_millis(50));
    }
}
