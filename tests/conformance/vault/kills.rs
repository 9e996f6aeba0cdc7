//! `kill -9` of the real process at every place that the code names, with values kept in OpenBao:
//! carried on, it ends where an undisturbed one would, and one value was made.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::keyrota::Keyrota;
use crate::support::openbao::OpenBao;

const POINTS: [&str; 5] = [
    "before-intent",
    "after-intent",
    "after-effect",
    "after-reply",
    "after-outcome",
];
/// More effects than any rotation has.
const EFFECTS_MAX: usize = 40;
/// Five effects, and three of them at the provider.
const DEATHS_MIN: usize = 20;
/// Most of a rotation is waiting.
const AT_ONCE: usize = 8;

const FIELD: &str = r#"kind = "random"
field = "password"
refresh = "0s"
env = "PASSWORD"
"#;

fn bed(server: &OpenBao, path: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("token", server.root_token());
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(keyrota.path("token"), private).unwrap();
    let schedule = format!(
        "environment = \"development\"\n[providers.vault]\nkind = \"vault\"\naddress = \"{}\"\nmount = \"kv\"\n\
         ca_file = \"{}\"\nauth = {{ method = \"token\", token = {{ file = \"token\" }} }}\n\
         [secrets.x]\npath = \"{path}\"\n{FIELD}",
        server.address(),
        server.ca_file().display(),
    );
    keyrota.write("schedules/development.toml", &schedule);
    keyrota
}

/// What stands at a path: data and metadata, as root sees them.
async fn stands(server: &OpenBao, path: &str) -> (Value, Value) {
    (server.data(path).await, server.metadata(path).await)
}

/// One rotation that dies at `point` the n-th time; whether it did.
async fn one_death(server: &OpenBao, path: &str, point: &str, n: usize) -> bool {
    server
        .put(path, json!({"password": "by hand", "user": "app"}))
        .await;
    let keyrota = bed(server, path);
    let rotate = ["rotate", "x", "--wait"];
    let run = |kill: Option<String>| {
        let mut command = keyrota.command(&rotate);
        command.envs(kill.map(|kill| ("KEYROTA_KILL", kill)));
        let command = command.stdin(Stdio::null()).output();
        command.unwrap()
    };
    let first = tokio::task::block_in_place(|| run(None));
    assert!(first.status.success(), "{first:?}");
    let before = stands(server, path).await;
    let died = tokio::task::block_in_place(|| run(Some(format!("{point}:{n}"))));
    let killed = died.status.signal() == Some(9);
    assert!(killed || died.status.success(), "{died:?}");
    // Readers have a value that was made whole, whatever died.
    let (between, _) = stands(server, path).await;
    let over = |keyrota: &Keyrota| {
        let history = keyrota.run(&["history", "x", "--json"]).code(0).json();
        let all = history["rotations"].as_array().unwrap().clone();
        all.len() == 2 && all.iter().all(|r| r["outcome"] == "rotated")
    };
    tokio::task::block_in_place(|| {
        if !over(&keyrota) {
            let last = run(None);
            assert!(last.status.success(), "{point}:{n} {last:?}");
        }
        assert!(over(&keyrota), "{point}:{n}");
        keyrota.run(&["audit", "verify"]).code(0);
    });
    let (after, meta) = stands(server, path).await;
    assert!(
        between == before.0 || between == after,
        "{point}:{n}: a third value"
    );
    assert_ne!(after, before.0);
    assert_eq!(after["user"], before.0["user"]);
    let made = |m: &Value| m["current_version"].as_u64().unwrap();
    assert_eq!(made(&meta), made(&before.1) + 1, "{point}:{n}: one value");
    let versions = meta["versions"].as_object().unwrap();
    let living = versions.iter().filter(|(_, v)| v["destroyed"] == false);
    let living: Vec<_> = living.map(|(n, _)| n.parse::<u64>().unwrap()).collect();
    assert!(living.contains(&made(&meta)), "{point}:{n}");
    assert!(
        !living.contains(&made(&before.1)),
        "{point}:{n}: the old one is erased"
    );
    let sibling = format!("kv/metadata/{path}.keyrota-pending");
    let left = server.ask(reqwest::Method::GET, &sibling, None).await.0;
    assert_eq!(left, 404, "{point}:{n}: a candidate is left");
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_field_survives_every_death() {
    let server = std::sync::Arc::new(OpenBao::start().await);
    let deaths = std::sync::Arc::new(AtomicUsize::new(0));
    for point in POINTS {
        // Batches, until one has a rotation that outlived all its deaths.
        for batch in 0..EFFECTS_MAX / AT_ONCE {
            let cases = (1..=AT_ONCE).map(|n| {
                let (server, deaths) = (server.clone(), deaths.clone());
                let n = batch * AT_ONCE + n;
                let path = format!("field/{point}-{n}");
                tokio::spawn(async move {
                    let died = one_death(&server, &path, point, n).await;
                    deaths.fetch_add(usize::from(died), Ordering::SeqCst);
                    died
                })
            });
            let cases: Vec<_> = cases.collect();
            let mut all_died = true;
            for case in cases {
                all_died &= case.await.unwrap();
            }
            if !all_died {
                break;
            }
        }
    }
    let deaths = deaths.load(Ordering::SeqCst);
    assert!(deaths >= DEATHS_MIN, "only {deaths} deaths");
    println!("vault, a field: {deaths} deaths, 0 violations");
}
