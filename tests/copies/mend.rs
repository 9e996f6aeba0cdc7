//! Copies between rotations: what somebody else wrote there, or took away.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::token::{HAND, OWN, SM, SSM, Token, VAULT, of};

const WORDS: &str = "another tool changed";

#[test]
fn what_somebody_else_wrote_is_told_once_and_set_right_without_a_rotation() {
    let bed = Token::kept_in("local");
    let current = bed.current();
    let due = || bed.run(&["rotate", "--due"]);
    assert_eq!(due().code(0).stdout, "nothing is due\n");
    bed.hand_in_vault(VAULT, HAND);
    bed.hand_in_ssm(HAND);
    bed.put_in_sm(HAND);
    let ran = due().code(0);
    assert_eq!(ran.stderr.matches(WORDS).count(), 3, "{ran:?}");
    assert!(ran.stdout.contains("copies-mended"), "{ran:?}");
    bed.follow(&current);
    let ran = due().code(0);
    assert!(!ran.stderr.contains(WORDS), "{ran:?}");
    let log = bed.log();
    for copy in [
        "copy:vault:copies/token",
        "copy:sm:copies/token",
        "copy:ssm:/copies/token",
    ] {
        for (event, phase) in [
            ("drift.detected", "observation"),
            ("drift.mend", "intent"),
            ("drift.mend", "outcome"),
        ] {
            let told = of(&log, event, phase);
            let here: Vec<_> = told
                .iter()
                .filter(|e| e["detail"]["copy"] == copy)
                .collect();
            assert_eq!(here.len(), 1, "{copy} {event} {phase}");
        }
    }
    let outcomes = of(&log, "drift.mend", "outcome");
    assert!(
        outcomes.iter().all(|o| o["outcome"] == "ok"),
        "{outcomes:?}"
    );
    // The next rotation finds nothing that it would have to tell.
    let ran = bed.run(&["rotate", "token", "--wait"]).code(0);
    assert!(!ran.stderr.contains(WORDS), "{ran:?}");
    bed.follow(&bed.current());
    assert_ne!(bed.current(), current);
}

#[test]
fn what_somebody_took_away_is_put_back_unless_they_can_undo_it() {
    let bed = Token::kept_in("local");
    let current = bed.current();
    let (moto, bao) = (&bed.stores.moto, &bed.stores.bao);
    moto.aws(&["ssm", "delete-parameter", "--name", SSM]);
    let delete = ["secretsmanager", "delete-secret", "--secret-id", SM];
    moto.aws(&[&delete[..], &["--force-delete-without-recovery"]].concat());
    bao.bao(&["kv", "metadata", "delete", "-mount=kv", VAULT])
        .unwrap();
    let ran = bed.run(&["rotate", "--due"]).code(0);
    assert_eq!(
        ran.stderr.matches("another tool deleted a copy").count(),
        3,
        "{ran:?}"
    );
    bed.follow(&current);
    bao.bao(&["kv", "delete", "-mount=kv", VAULT]).unwrap();
    let ran = bed.run(&["rotate", "--due"]).code(22);
    assert!(ran.stderr.contains("can be brought back"), "{ran:?}");
    let need = bed.run(&["status", "token", "--check"]).code(22).stdout;
    assert!(
        need.contains("keyrota --env development resume token"),
        "{need}"
    );
    let ran = bed.run(&["rotate", "--due"]).code(22);
    assert!(
        !ran.stderr.contains("can be brought back"),
        "told once: {ran:?}"
    );
    bao.bao(&["kv", "undelete", "-mount=kv", "-versions=1", VAULT])
        .unwrap();
    bed.run(&["rotate", "--due"]).code(0);
    bed.run(&["status", "token", "--check"]).code(0);
    bed.follow(&current);
    assert_eq!(of(&bed.log(), "drift.detected", "observation").len(), 4);
}

#[test]
fn who_writes_again_and_again_is_left_alone_until_a_person_acts() {
    let bed = Token::kept_in("local");
    let current = bed.current();
    let hand = |n: u32| bed.hand_in_vault(VAULT, &format!("{HAND}-{n}"));
    for n in 1..=3 {
        hand(n);
        bed.run(&["rotate", "--due"]).code(0);
        bed.follow(&current);
    }
    hand(4);
    for _ in 0..2 {
        let ran = bed.run(&["rotate", "--due"]).code(22);
        assert!(ran.stdout.contains("copies-left"), "{ran:?}");
    }
    let left = Some(format!("{HAND}-4"));
    assert_eq!(bed.stores.in_vault(VAULT), left);
    let need = bed.run(&["status", "--check", "--json"]).code(22).json();
    let need = &need["secrets"][0]["needs"]["why"];
    assert!(
        need.as_str().unwrap().contains("copy:vault:copies/token"),
        "{need}"
    );
    bed.run(&["resume", "token", "--reason", "it was a script"])
        .code(0);
    bed.follow(&current);
    bed.run(&["status", "--check"]).code(0);
    let log = bed.log();
    assert_eq!(of(&log, "drift.detected", "observation").len(), 4);
    let resumed = of(&log, "drift.resume", "admin");
    assert_eq!(resumed.len(), 1);
    assert_eq!(resumed[0]["reason"], "it was a script");
    // A rotation counts anew as well.
    for n in 5..=8 {
        hand(n);
        bed.run(&["rotate", "--due"]);
    }
    bed.run(&["status", "--check"]).code(22);
    bed.run(&["rotate", "token", "--wait"]).code(0);
    bed.run(&["status", "--check"]).code(0);
    bed.follow(&bed.current());
    hand(9);
    bed.run(&["rotate", "--due"]).code(0);
    bed.follow(&bed.current());
}

#[test]
fn a_value_written_by_hand_at_the_secrets_own_place_is_not_spread() {
    let bed = Token::kept_in("vault");
    let own = || bed.stores.in_vault(OWN).unwrap();
    let current = own();
    bed.hand_in_vault(OWN, HAND);
    let words = "keyrota leaves its copies as they are";
    let ran = bed.run(&["rotate", "--due"]).code(22);
    assert!(ran.stderr.contains(words), "{ran:?}");
    assert!(ran.stdout.contains("import NAME --in-place"), "{ran:?}");
    let ran = bed.run(&["rotate", "--due"]).code(22);
    assert!(!ran.stderr.contains(words), "told once: {ran:?}");
    // Nor is a copy judged by it.
    bed.hand_in_ssm("another");
    bed.run(&["resume", "token"]).code(22);
    assert_eq!(bed.stores.in_ssm(SSM), "another");
    assert_eq!(bed.stores.in_vault(VAULT), Some(current));
    assert_eq!(of(&bed.log(), "drift.detected", "observation").len(), 1);
    let need = bed.run(&["status", "--check"]).code(22).stdout;
    assert!(need.contains("import token --in-place"), "{need}");
    // A person accepts it: now the copies follow.
    bed.run(&["import", "token", "--in-place"]).code(0);
    bed.run(&["status", "--check"]).code(0);
    bed.run(&["rotate", "--due"]).code(0);
    assert_eq!(own(), HAND);
    bed.follow(HAND);
    // Of the three copies one was edited; the others were only behind.
    let log = bed.log();
    assert_eq!(of(&log, "drift.detected", "observation").len(), 2);
    assert_eq!(of(&log, "drift.mend", "outcome").len(), 3);
    // Or a rotation replaces it, and says from what.
    bed.hand_in_vault(OWN, &format!("{HAND}-2"));
    bed.run(&["rotate", "--due"]).code(22);
    let ran = bed.run(&["rotate", "token", "--wait"]).code(0);
    assert!(ran.stderr.contains("another tool changed"), "{ran:?}");
    bed.run(&["status", "--check"]).code(0);
    bed.follow(&own());
}

#[test]
fn the_daemon_looks_when_it_starts_and_when_a_person_asks() {
    let bed = Token::kept_in("local");
    let current = bed.current();
    bed.hands_everywhere(HAND);
    let mut daemon = bed
        .command(&["--env", "development", "daemon"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&daemon);
    let right = || bed.stores.in_vault(VAULT).as_ref() == Some(&current);
    let until_right = || {
        let began = Instant::now();
        while !right() || bed.stores.in_ssm(SSM) != format!("ssm-{current}") {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "it is never right"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    until_right();
    bed.follow(&current);
    // It ticks every 15 seconds; its next look is a quarter of an hour away, unless somebody asks.
    bed.hand_in_vault(VAULT, HAND);
    std::thread::sleep(Duration::from_secs(17));
    assert!(!right());
    let ran = bed.run(&["resume", "token", "--wait"]).code(0);
    assert!(ran.stdout.contains("taken up by"), "{ran:?}");
    until_right();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let log = bed.log();
    assert_eq!(of(&log, "drift.detected", "observation").len(), 4);
    assert_eq!(of(&log, "drift.mend", "outcome").len(), 4);
}

#[test]
fn a_filler_that_somebody_else_wrote_over_is_put_back() {
    let bed = Token::with_fallback();
    let place = "copies/fallback";
    let filler = bed.stores.in_vault(place).unwrap();
    assert!(filler.starts_with("keyrota:no-key:"), "{filler}");
    assert_eq!(
        bed.run(&["rotate", "--due"]).code(0).stdout,
        "nothing is due\n"
    );
    bed.hand_in_vault(place, HAND);
    let ran = bed.run(&["rotate", "--due"]).code(0);
    assert!(ran.stderr.contains(WORDS), "{ran:?}");
    assert_eq!(bed.stores.in_vault(place), Some(filler));
}

/// What a rotation finds there is keyrota's own, and the log says what came of the mending.
#[test]
fn a_mending_that_died_is_told_before_a_rotation_begins() {
    let bed = Token::kept_in("local");
    bed.hand_in_vault(VAULT, HAND);
    let mut killed = bed.command(&["rotate", "--due"]);
    killed.env("KEYROTA_KILL", "after-effect:2"); // write, promote
    assert_eq!(killed.output().unwrap().status.code(), None);
    assert_eq!(bed.stores.in_vault(VAULT), Some(bed.current()));
    let ran = bed.run(&["rotate", "token", "--wait"]).code(0);
    assert!(!ran.stderr.contains(WORDS), "{ran:?}");
    bed.follow(&bed.current());
    let log = bed.log();
    assert_eq!(of(&log, "drift.detected", "observation").len(), 1);
    assert_eq!(of(&log, "drift.mend", "intent").len(), 1);
    let outcomes = of(&log, "drift.mend", "outcome");
    assert!(outcomes.len() == 1 && outcomes[0]["outcome"] == "ok");
    bed.run(&["audit", "verify"]).code(0);
}

/// Written over, told, and still to be had: it may be all that they have of it.
#[test]
fn what_somebody_wrote_in_a_grace_is_not_erased() {
    let bed = Token::with_grace();
    bed.run(&["rotate", "token"]).code(0);
    bed.hand_in_vault(VAULT, HAND);
    std::thread::sleep(Duration::from_secs(2));
    let ran = bed.run(&["rotate", "token", "--wait"]).code(0);
    assert!(ran.stderr.contains(WORDS), "{ran:?}");
    bed.follow(&bed.current());
    let version = |n: u64| {
        let n = format!("-version={n}");
        let get = ["kv", "get", "-mount=kv", "-field=value", &n, VAULT];
        bed.stores.bao.bao(&get).ok()
    };
    let kept = (1..=bed.versions()).filter_map(version);
    assert!(kept.into_iter().any(|value| value == HAND));
}
