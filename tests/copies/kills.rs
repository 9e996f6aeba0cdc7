//! `kill -9` around every effect of a rotation with copies: each copy holds the old value or the new
//! at every instant, and whoever goes on ends with all of them alike, one version made. And around
//! the mending of copies that somebody else wrote.

use std::os::unix::process::ExitStatusExt;

use super::token::{HAND, Token, of};

const POINTS: [&str; 5] = [
    "before-intent",
    "after-intent",
    "after-effect",
    "after-reply",
    "after-outcome",
];
#[test]
fn copies_are_whole_wherever_a_rotation_dies() {
    let bed = Token::kept_in("local");
    let rotate = ["rotate", "token", "--wait"];
    let done = || {
        let ran = bed.command(&rotate).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
    };
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
            assert!(!bed.left_over(), "{kill}: a candidate is left");
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

#[test]
fn copies_are_mended_wherever_that_dies() {
    let bed = Token::kept_in("local");
    let (current, mut versions) = (bed.current(), bed.versions());
    let (mut kills, mut drifts) = (0, 0);
    for point in POINTS {
        for n in 1.. {
            let kill = format!("{point}:{n}");
            let hand = format!("{HAND}{point}{n}");
            bed.hands_everywhere(&hand);
            drifts += 3;
            let ended = bed
                .command(&["rotate", "--due"])
                .env("KEYROTA_KILL", &kill)
                .output()
                .unwrap();
            let killed = ended.status.signal() == Some(9);
            assert!(killed || ended.status.success(), "{kill}: {ended:?}");
            let vault = bed.stores.in_vault(super::token::VAULT).unwrap();
            for copy in [vault, bed.stores.in_sm(super::token::SM)] {
                let known = copy == hand || copy.ends_with(&current);
                assert!(known, "{kill}: a third value");
            }
            // What a person asks for counts its tries anew; else the fourth time would be left.
            bed.run(&["resume", "token"]).code(0);
            bed.follow(&current);
            assert_eq!(bed.current(), current, "{kill}");
            assert_eq!(bed.versions(), versions + 2, "{kill}: hand's, and ours");
            versions += 2;
            assert!(!bed.left_over(), "{kill}: a candidate is left");
            let log = bed.log();
            let told = of(&log, "drift.detected", "observation").len();
            assert_eq!(told, drifts, "{kill}: each is told once");
            if !killed {
                break;
            }
            kills += 1;
        }
    }
    let log = bed.log();
    let [intents, outcomes] = ["intent", "outcome"].map(|p| of(&log, "drift.mend", p));
    let failed = outcomes.iter().filter(|o| o["outcome"] != "ok").count();
    assert_eq!((outcomes.len(), failed), (drifts, 0));
    // Of a mending that was not seen to end, the next one begins with an intent of its own.
    assert!(intents.len() >= drifts, "{}", intents.len());
    assert!(kills >= 15, "{kills} kills");
    println!("mending: {kills} kills, {drifts} drifts, 0 violations");
}
