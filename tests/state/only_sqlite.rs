//! What only a file can do: be held by a process that dies, and be reached by others.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keyrota::state::{Access, Location, LockError, StateError, Store};
use keyrota::world::SystemEntropy;

use super::bed::{Bed, at, entry, holder, keys};

const TASK: &str = "KEYROTA_TEST_TASK";
const FILE: &str = "KEYROTA_TEST_FILE";

/// This test binary again, as another process that does one thing with a database.
fn child(task: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "state::only_sqlite::another_process",
            "--ignored",
            "--nocapture",
            "-q",
        ])
        .env(TASK, task)
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "what the children do: started by the other tests, with a task"]
async fn another_process() {
    let task = std::env::var(TASK).expect("only as a child");
    let location = Location::Sqlite(std::env::var_os(FILE).unwrap().into());
    if task == "umask" {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0));
    }
    let store = Store::open(&location, Access::default(), &mut SystemEntropy)
        .await
        .unwrap()
        .vouched(&keys(), None);
    match task.as_str() {
        "append" => {
            for _ in 0..40 {
                store
                    .append(&holder(std::process::id()), &[entry("a")], at(1))
                    .await
                    .unwrap();
            }
        }
        "hold" => {
            let _lock = store
                .lock("prod", &holder(std::process::id()), 5)
                .await
                .unwrap();
            println!("\nheld");
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_holder_is_replaced_at_once() {
    let bed = Bed::sqlite();
    let store = bed.open().await;
    let mut process = child("hold", &bed.file());
    let said = BufReader::new(process.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|l| l == "held");
    assert!(said, "the child holds the lock");
    let Err(LockError::Held(held)) = store.lock("prod", &holder(1), 5).await else {
        panic!("it is held")
    };
    assert_eq!(held.pid, process.id());
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(store.held("prod").await.unwrap(), None);
    assert_eq!(store.lock("prod", &holder(1), 5).await.unwrap().epoch(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_and_append_at_once_lose_nothing() {
    let bed = Bed::sqlite();
    let children: Vec<_> = (0..4).map(|_| child("append", &bed.file())).collect();
    for mut process in children {
        assert!(process.wait().unwrap().success());
    }
    let report = super::log::verify(&bed.open().await).await.unwrap();
    assert_eq!((report.entries, report.findings), (160, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_can_reach_it_whatever_the_umask() {
    let bed = Bed::sqlite();
    assert!(child("umask", &bed.file()).wait().unwrap().success());
    let _open = bed.open().await; // so that the files beside it are there
    let directory = bed.file().parent().unwrap().to_owned();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for file in std::fs::read_dir(&directory).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_others_can_reach_is_refused() {
    let bed = Bed::sqlite();
    bed.open().await.close().await;
    let (file, directory) = (bed.file(), bed.file().parent().unwrap().to_owned());
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap()
    };
    for (path, wrong, right) in [
        (&file, 0o640, 0o600),
        (&file, 0o602, 0o600),
        (&directory, 0o777, 0o700),
        // Nobody can replace the database there, and everybody can put files beside it.
        (&directory, 0o1777, 0o700),
    ] {
        set(path, wrong);
        for read_only in [true, false] {
            let e = bed.try_open(read_only).await.unwrap_err();
            assert!(matches!(e, StateError::Refused(_)), "{wrong:o}: {e:?}");
        }
        set(path, right);
    }
    let link = directory.join("link.db");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let e = Store::open(
        &Location::Sqlite(link),
        Access::default(),
        &mut SystemEntropy,
    )
    .await
    .unwrap_err();
    assert!(matches!(e, StateError::Refused(_)), "{e:?}");
    bed.open().await;
}

/// Needs root, who alone makes directories of other users.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_another_user_is_refused_before_anything_is_made() {
    let bed = Bed::sqlite();
    bed.open().await.close().await;
    let place = bed.file().parent().unwrap().to_owned();
    let owner = |path: &Path, uid| std::os::unix::fs::lchown(path, Some(uid), None).unwrap();
    owner(&place, 65534);
    for read_only in [true, false] {
        let e = bed.try_open(read_only).await.unwrap_err();
        assert!(matches!(e, StateError::Refused(_)), "{e:?}");
    }
    let new = place.join("new/state.db");
    let location = Location::Sqlite(new.clone());
    let e = Store::open(&location, Access::default(), &mut SystemEntropy).await;
    assert!(matches!(e, Err(StateError::Refused(_))), "{e:?}");
    assert!(!new.parent().unwrap().exists());

    // The state of a service that has a user of its own is looked at by root.
    owner(&bed.file(), 65534);
    bed.try_open(true).await.unwrap();
    owner(&bed.file(), 0);
    owner(&place, 0);
    bed.open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_database_is_called_so() {
    let bed = Bed::sqlite();
    bed.open().await.close().await;
    std::fs::write(bed.file(), [b'x'; 8192]).unwrap();
    for read_only in [true, false] {
        assert_eq!(
            bed.try_open(read_only).await.unwrap_err(),
            StateError::Corrupt
        );
    }
}
