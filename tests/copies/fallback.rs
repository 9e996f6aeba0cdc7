//! `fallback_path`: what readers accept as well, where a platform reads only stored entries.

use super::bed::Stores;
use crate::support::keyrota::Keyrota;

const SECRET: &str = r#"environment = "development"
[defaults]
refresh = "2s"
skew = "0s"
provider = "vault"
[secrets.key]
kind = "signing-key"
path = "app/key"
fallback_path = "app/key-fallback"
fallback_idle = "filler"
env = "KEY"
env_fallback = "KEY_FALLBACK"
"#;

fn bed() -> (Stores, Keyrota) {
    bed_with("filler")
}

fn bed_with(idle: &str) -> (Stores, Keyrota) {
    let stores = Stores::start();
    let keyrota = Keyrota::in_temp();
    let providers = stores.providers(&keyrota, stores.bao.socket().port());
    keyrota.write(
        "schedules/development.toml",
        &format!(
            "{}{providers}",
            SECRET.replace("\"filler\"", &format!("{idle:?}"))
        ),
    );
    (stores, keyrota)
}

/// One version's value, if it is still to be had.
fn version(stores: &Stores, path: &str, version: usize) -> Option<String> {
    let version = format!("-version={version}");
    let get = ["kv", "get", "-mount=kv", "-field=value", &version, path];
    stores.bao.bao(&get).ok()
}

#[test]
fn the_place_of_the_fallback_holds_pending_then_previous_then_no_key() {
    let (stores, keyrota) = bed();
    let run = |args: &[&str]| stores.run(&keyrota, args, None);
    let stands = || ["app/key", "app/key-fallback"].map(|path| stores.in_vault(path).unwrap());
    let is_filler = |text: &str| text.starts_with("keyrota:no-key:") && text.len() > 36;
    run(&["rotate", "key", "--wait"]).code(0);
    let [first, idle] = stands();
    assert!(is_filler(&idle));
    // The gate takes it for nothing.
    let mut check = keyrota.command(&["check"]);
    check.env("KEY", &first).env("KEY_FALLBACK", &idle);
    crate::support::keyrota::Ran::fed(&mut check, "").code(0);
    run(&["rotate", "key"]).code(10);
    let [current, pending] = stands();
    assert!(current == first && pending != first && !is_filler(&pending));
    std::thread::sleep(std::time::Duration::from_secs(2));
    run(&["rotate", "key"]).code(0);
    assert_eq!(stands(), [pending.clone(), first.clone()]);
    run(&["rotate", "key", "--wait"]).code(0);
    let [last, filler] = stands();
    assert_eq!(last, pending);
    assert!(is_filler(&filler) && filler != idle);
    // A key that is taken back is not accepted any more.
    run(&["rotate", "key"]).code(10);
    run(&["abandon", "key", "--reason", "test"]);
    let [last, filler] = stands();
    assert!(last == pending && is_filler(&filler));
    run(&["audit", "verify"]).code(0);
    // What was accepted once can be had from no older version.
    let older: Vec<String> = (1..20)
        .filter_map(|n| version(&stores, "app/key-fallback", n))
        .filter(|text| !is_filler(text))
        .collect();
    assert!(older.is_empty(), "{} keys are left", older.len());
}

/// The way back writes something else over the same version than the way forward had begun to.
#[test]
fn a_fallback_that_was_half_written_is_taken_back() {
    let (stores, keyrota) = bed();
    let run = |args: &[&str], kill| stores.run(&keyrota, args, kill);
    run(&["rotate", "key", "--wait"], None).code(0);
    let first = stores.in_vault("app/key").unwrap();
    for point in ["after-effect:2", "after-effect:3"] {
        run(&["rotate", "key"], Some(point));
        run(&["abandon", "key"], None).code(20);
        let [current, fallback] =
            ["app/key", "app/key-fallback"].map(|path| stores.in_vault(path).unwrap());
        assert!(
            current == first && fallback.starts_with("keyrota:no-key:"),
            "{point}"
        );
    }
    run(&["rotate", "key", "--wait"], None).code(0);
    run(&["audit", "verify"], None).code(0);
}

#[test]
fn an_idle_fallback_is_no_entry_where_the_file_says_so() {
    let (stores, keyrota) = bed_with("omit");
    let run = |args: &[&str], kill| stores.run(&keyrota, args, kill);
    let stands = || ["app/key", "app/key-fallback"].map(|path| stores.in_vault(path));
    run(&["rotate", "key", "--wait"], None).code(0);
    let [first, idle] = stands();
    assert_eq!(idle, None);
    run(&["rotate", "key"], None).code(10);
    let [current, pending] = stands();
    assert!(current == first && pending.is_some() && pending != first);
    // Taken back, also in the middle of a write.
    run(&["abandon", "key"], None).code(20);
    assert_eq!(stands(), [first.clone(), None]);
    for point in ["after-effect:2", "after-effect:3"] {
        run(&["rotate", "key"], Some(point));
        run(&["abandon", "key"], None).code(20);
        assert_eq!(stands(), [first.clone(), None], "{point}");
        let candidate = stores.in_vault("app/key-fallback.keyrota-pending");
        assert_eq!(candidate, None, "{point}");
    }
    run(&["rotate", "key"], None).code(10);
    std::thread::sleep(std::time::Duration::from_secs(2));
    run(&["rotate", "key"], None).code(0);
    let [second, previous] = stands();
    assert!(second != first && previous == first);
    // The process dies between taking it away and writing that down.
    std::thread::sleep(std::time::Duration::from_secs(2));
    run(&["rotate", "key"], Some("after-effect:1"));
    run(&["rotate", "key", "--wait"], None).code(0);
    assert_eq!(stands()[1], None);
    // What somebody puts there is told, and taken away.
    let put = [
        "kv",
        "put",
        "-mount=kv",
        "app/key-fallback",
        "value=by-hand",
    ];
    stores.bao.bao(&put).unwrap();
    let looked = run(&["resume", "key"], None).code(0);
    assert!(looked.stdout.contains("fallback:vault"), "{looked:?}");
    assert_eq!(stands()[1], None);
    let older = (1..20).filter_map(|n| version(&stores, "app/key-fallback", n));
    assert_eq!(older.count(), 0);
    run(&["audit", "verify"], None).code(0);
}
