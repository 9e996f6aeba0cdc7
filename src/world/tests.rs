#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::testing::{FixedClock, SeededEntropy};
use super::*;

#[test]
fn both_clocks_move_forward() {
    let clock = SystemClock;
    let (wall, elapsed) = (clock.now(), clock.elapsed());
    std::thread::sleep(Duration::from_millis(5));
    assert!(clock.now() > wall);
    assert!(clock.elapsed() >= elapsed + Duration::from_millis(5));
    assert!(wall > "2026-01-01T00:00:00Z".parse().unwrap(), "{wall}");
}

#[test]
fn the_system_fills_the_whole_buffer() {
    let mut bytes = [0_u8; 64];
    SystemEntropy.fill(&mut bytes);
    // 16 zero bytes at one end come once in 2^128 draws.
    assert!(bytes[..16] != [0; 16] && bytes[48..] != [0; 16]);
    let mut again = [0_u8; 64];
    SystemEntropy.fill(&mut again);
    assert!(bytes != again);
}

#[test]
fn a_uuid_holds_its_time_and_sorts_by_it() {
    let mut entropy = SeededEntropy::new(1);
    let now: Timestamp = "2026-11-22T01:02:03.456Z".parse().unwrap();
    let id = uuid_v7(now, &mut entropy);
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
    assert_eq!(Timestamp::new(seconds as i64, nanos as i32).unwrap(), now);
    assert_ne!(id, uuid_v7(now, &mut entropy), "the same millisecond");
    assert_eq!(
        id,
        uuid_v7(now, &mut SeededEntropy::new(1)),
        "no hidden clock or randomness"
    );
    let later = now
        .checked_add(jiff::SignedDuration::from_millis(1))
        .unwrap();
    assert!(uuid_v7(later, &mut entropy) > id);
    uuid_v7(Timestamp::MIN, &mut entropy);
}

#[test]
fn a_fixed_clock_is_moved_by_hand() {
    let clock = FixedClock::new(Timestamp::UNIX_EPOCH);
    clock.advance(Duration::from_secs(5));
    assert_eq!((clock.now().as_second(), clock.elapsed().as_secs()), (5, 5));
    clock.set(Timestamp::UNIX_EPOCH);
    assert_eq!((clock.now().as_second(), clock.elapsed().as_secs()), (0, 5));
}

/// In a process of its own: the guards hold for all threads, and other tests want to be dumpable.
#[test]
fn hardening_holds() {
    let this = std::env::current_exe().unwrap();
    let inner = "world::tests::hardening_holds_here";
    let output = Command::new(this)
        .args(["--ignored", "--exact", inner, "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[test]
#[ignore = "run by hardening_holds in a process of its own"]
fn hardening_holds_here() {
    let undone = harden();
    let says = |part: &str| undone.iter().any(|sentence| sentence.contains(part));

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("made");
    std::fs::write(&file, "").unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    assert!(!says("core files"));

    let dumpable = rustix::process::dumpable_behavior().unwrap();
    assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);

    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let locked = status
        .lines()
        .find(|line| line.starts_with("VmLck:"))
        .unwrap();
    let locked_kilobytes: u64 = locked.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Whichever it is on this machine, the report is true.
    assert_eq!(
        locked_kilobytes == 0,
        says("memory could not be locked"),
        "{locked} {undone:?}"
    );
    // Locked memory must not end the process at its next large allocation.
    assert!(
        std::hint::black_box(vec![1_u8; 64 << 20])
            .iter()
            .all(|byte| *byte == 1)
    );
    println!("{locked}; undone: {undone:?}");
}
