//! What is around keyrota fails: disks, other processes, and people with old copies. The current
//! value stays what it was, nothing is overwritten that is not understood, and the exit code and
//! the sentence say what to do.
//!
//! Not here: EIO, which takes a device-mapper target or FUSE to make; the code takes it for a
//! write that may not be durable, as a full disk's that comes late.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyrota::state::Outcome;
use keyrota_contract::testing::machine_has;

use crate::support::evidence::{Evidence, document, value_at, versions};
use crate::support::keyrota::{Keyrota, Ran};

const SCHEDULE: &str = r#"environment = "development"
[defaults]
refresh = "1s"
[providers.local]
kind = "file"
path = "store/development.age"
[secrets.token]
kind = "random"
env = "TOKEN"
[[secrets.token.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
"#;

const ROTATE: &[&str] = &["rotate", "token", "--wait"];

/// A directory with one token that was made.
fn bed() -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    for dir in ["store", "out"] {
        std::fs::create_dir(keyrota.path(dir)).unwrap();
    }
    keyrota.run(ROTATE).code(0);
    keyrota
}

fn home(keyrota: &Keyrota) -> std::path::PathBuf {
    keyrota.path(".keyrota")
}

fn sealed(keyrota: &Keyrota) -> Vec<u8> {
    std::fs::read(keyrota.path("store/development.age")).unwrap()
}

fn evidence(keyrota: &Keyrota) -> Evidence {
    Evidence::of(&home(keyrota), "token")
}

/// The one value that is kept, which is also what readers have.
#[track_caller]
fn current(keyrota: &Keyrota) -> String {
    let document = document(&home(keyrota), &sealed(keyrota));
    assert_eq!(versions(&document, "token").len(), 1);
    let current = value_at(&document, "token", "current").unwrap();
    let file = std::fs::read_to_string(keyrota.path("out/app.env")).unwrap();
    assert_eq!(file, format!("TOKEN={current}\n"));
    current
}

#[test]
fn an_older_document_is_refused_and_not_written_on() {
    let keyrota = bed();
    let old = sealed(&keyrota);
    keyrota.run(ROTATE).code(0);
    let newest = sealed(&keyrota);
    std::fs::write(keyrota.path("store/development.age"), &old).unwrap();
    let ran = keyrota.run(ROTATE);
    assert!(ran.code == 78 || ran.code == 22, "{ran:?}");
    let said = ran.stdout + &ran.stderr;
    assert!(
        said.contains("older than the last one keyrota wrote"),
        "{said}"
    );
    assert_eq!(sealed(&keyrota), old, "nothing was overwritten");
    std::fs::write(keyrota.path("store/development.age"), &newest).unwrap();
    keyrota.run(ROTATE).code(0);
    current(&keyrota);
}

#[test]
fn a_document_that_is_gone_or_damaged_is_not_replaced_by_a_new_one() {
    let keyrota = bed();
    let whole = sealed(&keyrota);
    let path = keyrota.path("store/development.age");
    std::fs::remove_file(&path).unwrap();
    let ran = keyrota.run(ROTATE);
    assert!([78, 22].contains(&ran.code), "{ran:?}");
    assert!(!path.exists(), "no new one was made");
    for damaged in [&whole[..whole.len() - 7], b"", b"{}"] {
        std::fs::write(&path, damaged).unwrap();
        let ran = keyrota.run(ROTATE);
        assert!([78, 22].contains(&ran.code), "{ran:?}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
    std::fs::write(&path, &whole).unwrap();
    keyrota.run(ROTATE).code(0);
    current(&keyrota);
}

#[test]
fn an_older_state_is_refused_for_the_checkpoints_outside() {
    let keyrota = bed();
    let aside = keyrota.path("aside");
    copy_state(&home(&keyrota), &aside);
    keyrota.run(ROTATE).code(0);
    let before = current(&keyrota);
    assert_eq!(evidence(&keyrota).report.exit_code(), 0);
    keyrota.run(&["audit", "verify"]).code(0);
    copy_state(&aside, &home(&keyrota));
    assert_eq!(evidence(&keyrota).report.exit_code(), 34, "cut off");
    let verified = keyrota.run(&["audit", "verify", "--json"]).code(34).json();
    assert_eq!(verified["sound"], false);
    assert_eq!(current(&keyrota), before, "no value is lost with the state");
    let ran = keyrota.run(ROTATE).code(22);
    assert!(
        ran.stderr
            .contains("an older copy of the state was put back"),
        "{ran:?}"
    );
    assert_eq!(current(&keyrota), before, "nothing was begun");
    // A person takes the evidence aside: work goes on from what the provider says.
    let checkpoints = keyrota.path(".keyrota/checkpoints");
    std::fs::rename(checkpoints, keyrota.path("evidence")).unwrap();
    keyrota.run(ROTATE).code(0);
    assert_ne!(current(&keyrota), before);
}

#[test]
fn keys_that_are_gone_are_not_replaced_by_new_ones() {
    let keyrota = bed();
    let (keys, aside) = (keyrota.path(".keyrota/keys"), keyrota.path("aside"));
    let before = sealed(&keyrota);
    std::fs::rename(&keys, &aside).unwrap();
    for args in [ROTATE, &["init"]] {
        let ran = keyrota.run(args).code(78);
        assert!(ran.stderr.contains("put them back"), "{ran:?}");
        assert!(!keys.exists() && sealed(&keyrota) == before);
    }
    std::fs::rename(&aside, &keys).unwrap();
    keyrota.run(ROTATE).code(0);
    current(&keyrota);
}

#[test]
fn a_document_belongs_to_one_host() {
    let keyrota = bed();
    let before = sealed(&keyrota);
    keyrota.write("other.toml", "host = \"other\"\n");
    let ran = keyrota
        .run(&["--config", "other.toml", "rotate", "token"])
        .code(78);
    assert!(ran.stderr.contains("belongs to another host"), "{ran:?}");
    assert_eq!(sealed(&keyrota), before);
    keyrota.run(ROTATE).code(0);
}

#[test]
fn of_two_at_once_one_works_and_the_other_says_so_or_waits() {
    let keyrota = bed();
    let first = begin(&keyrota);
    // The lock is known by its holder's row, the rotation under way by its own.
    let ran = keyrota.run(&["rotate", "token"]).code(23);
    assert!(
        ran.stderr.contains(&format!("pid {}", first.id())),
        "{ran:?}"
    );
    let second = keyrota.run(ROTATE).code(0);
    assert!(second.stdout.contains("rotated"), "{second:?}");
    assert_eq!(end(first), Some(0));
    let evidence = evidence(&keyrota);
    assert_eq!(evidence.rotations.len(), 3);
    let [second, first, _] = &evidence.rotations[..] else {
        panic!("three rotations")
    };
    assert!(
        first.ended_ms.unwrap() <= second.started_ms,
        "one after another"
    );
    for rotation in [first, second] {
        assert_eq!(rotation.outcome, Some(Outcome::Rotated));
    }
    assert_eq!(evidence.report.exit_code(), 0);
    current(&keyrota);
}

/// A rotation under way in another process.
fn begin(keyrota: &Keyrota) -> Child {
    let known = evidence(keyrota).rotations.len();
    let mut command = keyrota.command(ROTATE);
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while evidence(keyrota).rotations.len() == known {
        assert!(began.elapsed() < Duration::from_secs(30), "it never begins");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn end(mut child: Child) -> Option<i32> {
    child.wait().unwrap().code()
}

fn copy_state(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

#[test]
fn a_full_disk_changes_nothing_until_there_is_room() {
    for (dir, code) in [("store", 21), (".keyrota", 75), ("out", 21)] {
        on_a_bad_disk(dir, "full", code);
    }
}

#[test]
fn a_read_only_file_system_changes_nothing_until_it_is_writable() {
    for (dir, code) in [("store", 21), (".keyrota", 75), ("out", 21)] {
        on_a_bad_disk(dir, "read-only", code);
    }
}

#[test]
fn a_file_that_may_not_grow_changes_nothing() {
    let keyrota = bed();
    let before = current(&keyrota);
    let mut command = Command::new("/bin/sh");
    // Ignored, the signal becomes an error of the write. 512 bytes: less than the document.
    command.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]);
    let inner = keyrota.command(&["rotate", "token"]);
    command.arg(inner.get_program()).args(inner.get_args());
    let status = command.current_dir(keyrota.dir()).output().unwrap().status;
    assert_eq!(status.code(), Some(75), "not begun");
    assert_eq!(current(&keyrota), before);
    keyrota.run(ROTATE).code(0);
    assert_ne!(current(&keyrota), before);
}

/// Rotates with `dir` on a disk that is full or read-only, which ends with `code`; then once more
/// when it is not. In a mount namespace of its own, which takes no privilege.
fn on_a_bad_disk(dir: &str, fault: &str, code: i32) {
    let keyrota = bed();
    let before = current(&keyrota);
    let inner = keyrota.command(&[]);
    let ran = Command::new("unshare")
        .args(["-rm", "/bin/sh", "-c", BAD_DISK, dir, fault])
        .arg(inner.get_program())
        .current_dir(keyrota.dir())
        .output()
        .unwrap();
    let ran = Ran {
        code: ran.status.code().unwrap_or(-1),
        stdout: String::from_utf8(ran.stdout).unwrap(),
        stderr: String::from_utf8(ran.stderr).unwrap(),
    };
    let forbidden = ran.stderr.contains("unshare:");
    if !machine_has("mount namespaces (unshare -rm)", !forbidden) {
        return;
    }
    assert_eq!(ran.code, 0, "{dir}: {ran:?}");
    let word = |name: &str| {
        let line = ran.stdout.lines().find_map(|l| l.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name}: {ran:?}")).to_owned()
    };
    assert_eq!(word("code "), code.to_string(), "{dir} {fault}: {ran:?}");
    assert_eq!(word("later "), "0", "{dir} {fault}: {ran:?}");

    // What stands there after the fault, and after the end.
    let kept = |moment: &str, of: &str| match of == dir {
        true => keyrota.path(moment),
        false => keyrota.path(&format!("{moment}-{of}")),
    };
    for moment in ["during", "after"] {
        let sealed = std::fs::read(kept(moment, "store").join("development.age")).unwrap();
        let document = document(&home(&keyrota), &sealed);
        let value = value_at(&document, "token", "current").unwrap();
        let file = std::fs::read_to_string(kept(moment, "out").join("app.env")).unwrap();
        if moment == "after" {
            assert_eq!(versions(&document, "token").len(), 1, "{dir} {fault}");
            assert_ne!(value, before);
            assert_eq!(file, format!("TOKEN={value}\n"));
        } else {
            // A consumer that cannot be told still has a value that works: the old one is kept.
            assert_eq!(file, format!("TOKEN={before}\n"), "{dir} {fault}");
            let kept = versions(&document, "token");
            assert!(kept.iter().any(|v| v["value"] == before), "{dir} {fault}");
        }
    }
}

const BAD_DISK: &str = r#"set -e
dir=$0 fault=$1 keyrota=$2
keep() {
    for d in store out .keyrota; do
        if [ "$d" = "$dir" ]; then cp -a "$d" "$1"; else cp -a "$d" "$1-$d"; fi
    done
    rm -f "$1/filler"
}
mkdir disk
mount -t tmpfs -o size=4m,mode=0700 tmpfs disk
cp -a "$dir/." disk
mount --move disk "$dir"
if [ "$fault" = full ]; then
    dd if=/dev/zero of="$dir/filler" bs=4k 2>/dev/null || true
else
    mount -o remount,ro "$dir"
fi
code=0; "$keyrota" rotate token >&2 || code=$?
echo "code $code"
keep during
if [ "$fault" = full ]; then rm "$dir/filler"; else mount -o remount,rw "$dir"; fi
later=0
[ "$code" != 21 ] || "$keyrota" resume token --wait >&2 || later=$?
[ "$code" = 21 ] || "$keyrota" rotate token --wait >&2 || later=$?
echo "later $later"
keep after
"#;

/// Someone who may write the document and knows the recipient, which the schedule shows.
#[test]
fn a_document_of_somebody_else_is_used_by_no_command() {
    let keyrota = bed();
    keyrota.run(&["status", "--check"]).code(0);
    let good = sealed(&keyrota);
    let identity = std::fs::read_to_string(home(&keyrota).join("keys/age-identity")).unwrap();
    let recipient = identity
        .lines()
        .find_map(|l| l.strip_prefix("# public key: "));
    let mut forged = document(&home(&keyrota), &good);
    forged["secrets"]["development/token"]["versions"][0]["value"] = "attacker".into();
    let mut age = Command::new("age")
        .args(["-r", recipient.unwrap(), "-o"])
        .arg(keyrota.path("store/development.age"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(age.stdin.take().unwrap(), &forged).unwrap();
    assert!(age.wait().unwrap().success());
    for (command, code) in [
        (&["run", "--", "printenv", "TOKEN"][..], 125),
        (&["jwks"], 0),
        (&["rotate", "token"], 78),
        (&["status", "--check"], 22),
    ] {
        let ran = keyrota.run(command);
        assert!(!ran.stdout.contains("attacker"), "{ran:?}");
        assert_eq!(ran.code, code, "{ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            command[0] == "jwks" || said.contains("was not written by a keyrota"),
            "{said}"
        );
    }
    std::fs::write(keyrota.path("store/development.age"), good).unwrap();
    keyrota.run(ROTATE).code(0);
}

#[test]
fn status_check_compares_what_is_stored_with_what_was_recorded() {
    let keyrota = bed();
    let mut other = document(&home(&keyrota), &sealed(&keyrota));
    other["secrets"]["development/token"]["versions"][0]["value"] = "written by another".into();
    crate::support::evidence::seal(
        &home(&keyrota),
        &keyrota.path("store/development.age"),
        &other,
    );
    let ran = keyrota.run(&["status", "--check"]).code(22);
    assert!(
        ran.stdout.contains("is not the one that keyrota recorded"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("written by another"), "{}", ran.stdout);
    keyrota.run(&["status"]).code(0);
}
