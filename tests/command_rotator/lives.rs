//! Programs that live too long, and programs whose keyrota died.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keyrota::rotators::command::Slots;
use keyrota_contract::{Quiet, Rotator, Target, Which};

use super::bed::{Bed, ROTATION, before_the_switch, is_written, lives, wait_for};
use super::word;

const FAMILY: &str = "sh -c 'sleep 60 & echo $! > $0/grandchild; wait' $1 & echo $! > $1/child; \
                      echo $$ > $1/leader; wait";

#[tokio::test]
async fn after_the_timeout_the_whole_group_is_over_and_the_lock_says_so() {
    let mut bed = Bed::new(Slots::Single, FAMILY);
    bed.settings.timeout = Duration::from_millis(500);
    let (single, before) = (bed.rotator(), before_the_switch());
    let started = Instant::now();
    let outcome = single.install(Which::Pending, ROTATION, &before).await;
    assert_eq!(word(outcome), "ambiguous");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "it listened to SIGTERM"
    );
    assert_eq!(single.quiesce(ROTATION, &before).await, Quiet::Quiet);
    for who in ["leader", "child", "grandchild"] {
        assert!(!lives(&bed.file(who)), "{who}");
    }
}

#[tokio::test]
async fn who_was_left_behind_is_noticed_and_ended() {
    // In a session of its own: no signal to the group reaches it. And deaf to SIGTERM.
    let body = "setsid sh -c 'trap \"\" TERM; echo $$ > $0/left; sleep 61' $1 >/dev/null 2>&1 & \
                while ! test -s $1/left; do sleep 0.01; done; exit 0";
    let bed = Bed::new(Slots::Dual, body);
    let (dual, before) = (bed.rotator(), before_the_switch());
    let outcome = dual.install(Which::Pending, ROTATION, &before).await;
    assert_eq!(word(outcome), "done");
    let again = dual.install(Which::Pending, ROTATION, &before).await;
    assert_eq!(word(again), "retry", "the first call still lives");
    assert!(lives(&bed.file("left")));
    assert_eq!(dual.quiesce(ROTATION, &before).await, Quiet::Quiet);
    assert!(!lives(&bed.file("left")));
}

#[tokio::test]
async fn only_a_change_holds_the_lock() {
    // While the change runs, another call leaves somebody behind.
    let body = "case $(cat) in *'\"accept\"'*) while ! test -s $1/left; do sleep 0.01; done;; \
                *) setsid sleep 63 >/dev/null 2>&1 & echo $! > $1/left;; esac; exit 0";
    let bed = Bed::new(Slots::Dual, body);
    let (dual, before) = (bed.rotator(), before_the_switch());
    let change = dual.install(Which::Pending, ROTATION, &before);
    let question = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        dual.probe(Which::Pending, &before).await
    };
    let (change, _) = tokio::join!(change, question);
    assert_eq!(word(change), "done");
    let left: i32 = bed.file("left").trim().parse().unwrap();
    assert!(lives(&left.to_string()));
    let again = dual.install(Which::Pending, ROTATION, &before).await;
    let left = rustix::process::Pid::from_raw(left).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    assert_eq!(word(again), "done");
}

/// Not a test of its own: it is the keyrota that dies in the next one.
#[tokio::test]
async fn the_keyrota_that_dies() {
    let Ok(dir) = std::env::var("KEYROTA_TEST_DIES_IN") else {
        return;
    };
    let mut bed = Bed::new(Slots::Single, "");
    bed.settings.argv = vec![format!("{dir}/program"), dir.clone()];
    bed.settings.lock = Some(format!("{dir}/lock").into());
    let _ = bed
        .rotator()
        .install(Which::Pending, ROTATION, &before_the_switch())
        .await;
}

#[tokio::test]
async fn a_call_that_outlived_its_keyrota_is_found_and_ended() {
    // It ignores that its output is gone and would act a minute later.
    let body =
        "cat > /dev/null; trap '' PIPE; echo $$ > $1/leader; sleep 62; echo acted > $1/acted";
    let bed = Bed::new(Slots::Single, body);
    let before = before_the_switch();
    let mut keyrota = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "command_rotator::lives::the_keyrota_that_dies"])
        .env("KEYROTA_TEST_DIES_IN", bed.dir.path())
        .process_group(0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let leader = bed.path("leader");
    wait_for(|| is_written(&leader)).await;
    keyrota.kill().unwrap();
    keyrota.wait().unwrap();
    assert!(lives(&bed.file("leader")), "nothing ended it");

    let outcome = bed
        .rotator()
        .install(Which::Pending, ROTATION, &before)
        .await;
    assert_eq!(word(outcome), "retry", "another call still lives");
    assert_eq!(bed.rotator().quiesce(ROTATION, &before).await, Quiet::Quiet);
    assert!(!lives(&bed.file("leader")));
    assert!(!bed.path("acted").exists());
}

#[tokio::test]
async fn an_attempt_that_never_began_is_over_and_a_lock_out_of_reach_is_not() {
    let mut bed = Bed::new(Slots::Single, "exit 0");
    let before = before_the_switch();
    assert_eq!(bed.rotator().quiesce(ROTATION, &before).await, Quiet::Quiet);
    bed.settings.lock = Some(bed.path("missing/lock"));
    assert_eq!(
        bed.rotator().quiesce(ROTATION, &before).await,
        Quiet::Unknown
    );
    let outcome = bed
        .rotator()
        .install(Which::Pending, ROTATION, &before)
        .await;
    assert_eq!(word(outcome), "retry");
}

#[tokio::test]
async fn a_call_that_is_given_up_is_over() {
    let bed = Bed::new(Slots::Dual, FAMILY);
    let (dual, before) = (bed.rotator(), before_the_switch());
    let install = dual.install(Which::Pending, ROTATION, &before);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), install)
            .await
            .is_err()
    );
    assert_eq!(dual.quiesce(ROTATION, &before).await, Quiet::Quiet);
    for who in ["leader", "child", "grandchild"] {
        assert!(!lives(&bed.file(who)), "{who}");
    }
}
