//! `keyrota import`: what a service has already becomes known, and nobody notices.

use crate::support::keyrota::Keyrota;

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

const ISSUED: &str = r#"[secrets.issued]
kind = "signing-key"
origin = "imported"
prefix = "PREFIX"
verifiers = "self"
signature_ttl = "0s"
env = "ISSUED"
"#;

fn with(secrets: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", &format!("{HEAD}{secrets}"));
    keyrota
}

fn outcomes(keyrota: &Keyrota, secret: &str) -> Vec<String> {
    let ran = keyrota.run(&["history", secret, "--json"]).code(0).json();
    let rotations = ran["rotations"].as_array().unwrap().iter();
    let outcome = |r: &serde_json::Value| r["outcome"].as_str().unwrap().to_owned();
    rotations.map(outcome).collect()
}

#[test]
fn what_nobody_means_is_refused_before_anything_is_stored() {
    let keyrota = with(
        "[secrets.token]\nkind = \"random\"\nenv = \"TOKEN\"\n\
         [secrets.hook]\nkind = \"signing-key\"\nprefix = \"sk-\"\nverifiers = \"self\"\nenv = \"HOOK\"\n\
         [secrets.database]\nkind = \"external\"\nformat = \"url\"\nenv = \"DATABASE_URL\"\n\
         [secrets.partner]\nkind = \"external\"\nenv = \"PARTNER\"\n\
         [secrets.fit]\nkind = \"random\"\nenv = \"FIT\"\n",
    );
    keyrota.write(
        "old.env",
        "FIT=kW8vq2Lx0pZr41nT\nTOKEN=changeme\nHOOK=sk-replace-with-a-long-random-string\n\
         DATABASE_URL=postgres://app:changeme@db/app\nPARTNER='\"zq4v8\"'\n",
    );
    let ran = keyrota
        .run(&["import", "--env-file", "old.env", "--json"])
        .code(78);
    let unfit: Vec<_> = ran.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["name"].as_str().unwrap().to_owned(), l["result"].clone()))
        .collect();
    let names: Vec<&str> = unfit.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["token", "hook", "database", "partner"], "{ran:?}");
    assert!(unfit.iter().all(|(_, result)| result == "unfit"));
    for value in ["changeme", "random-string", "zq4v8"] {
        assert!(!ran.stdout.contains(value) && !ran.stderr.contains(value));
    }
    assert!(!keyrota.path(".keyrota/development.age").exists());

    for (given, word) in [
        ("changeme", "example"),
        ("${PARTNER}", "reference"),
        ("op://vault/partner/token", "reference"),
        ("'zq4v8tok'", "quotes"),
        ("zq4v8tok\r", "carriage return"),
        (" zq4v8tok", "white space"),
        ("zq4v8tok\n\n", "line break"),
        ("zq4v8\0tok", "NUL"),
        ("\u{feff}zq4v8tok", "byte order mark"),
    ] {
        for secret in ["token", "partner"] {
            let ran = keyrota.run_with_stdin(&["import", secret, "--stdin"], given);
            let ran = ran.code(78);
            assert!(ran.stdout.contains(word), "{given:?}: {ran:?}");
            assert!(!ran.stdout.contains("zq4v8") && !ran.stderr.contains("zq4v8"));
        }
    }
    // All that is wrong with one value is told at once.
    let twice = keyrota.run_with_stdin(&["import", "token", "--stdin"], "\u{feff}'zq4v8'");
    assert_eq!(twice.code(78).stdout.lines().count(), 2);
    assert!(!keyrota.path(".keyrota/development.age").exists());
    assert!(outcomes(&keyrota, "token").is_empty());
}

#[test]
fn what_may_be_in_use_is_taken_however_poor_it_is() {
    let keyrota = with(
        "[secrets.token]\nkind = \"random\"\nenv = \"TOKEN\"\n\
         [secrets.database]\nkind = \"external\"\nformat = \"url\"\nenv = \"DATABASE_URL\"\n\
         [secrets.other]\nkind = \"external\"\nformat = \"url\"\nenv = \"OTHER_URL\"\n\
         [secrets.password]\nkind = \"external\"\nenv = \"DB_PASSWORD\"\n\
         [secrets.account]\nkind = \"external\"\nformat = \"json\"\nenv = \"ACCOUNT\"\n",
    );
    for (secret, value) in [
        ("token", "tr0ub4dor"),
        (
            "database",
            "postgres://app:%40:%2F%25%23%3Fq@db.internal/app",
        ),
        ("other", "mysql://app:4:/%#?q@db.internal/app"),
        ("password", "@:/%#?\"'x"),
        ("account", " {\"key\": \"a b\"}\r\n"),
    ] {
        keyrota
            .run_with_stdin(&["import", secret, "--stdin"], value)
            .code(0);
        assert_eq!(outcomes(&keyrota, secret), ["imported"]);
    }
}

/// A value that was no example under one schedule may be one under the next.
#[test]
fn what_the_provider_holds_is_held_to_the_same_rules() {
    let keyrota = with("[secrets.issued]\nkind = \"random\"\nenv = \"ISSUED\"\n");
    let value = "acme-replace-with-a-long-random-string";
    keyrota
        .run_with_stdin(&["import", "issued", "--stdin"], value)
        .code(0);
    let in_place = ["import", "issued", "--in-place"];
    keyrota.run(&in_place).code(0);
    let schedule = format!("{HEAD}{}", ISSUED.replace("PREFIX", "acme-"));
    keyrota.write("schedules/development.toml", &schedule);
    let ran = keyrota.run(&in_place).code(78);
    assert!(ran.stdout.contains("example"), "{ran:?}");
}

#[test]
fn a_rotation_does_not_take_it_either() {
    let keyrota = with(&ISSUED.replace("prefix = \"PREFIX\"\n", ""));
    let first = "9f86d081884c7d659a2feaa0c55ad015";
    let give = ["rotate", "issued", "--value-stdin", "--json"];
    keyrota.run_with_stdin(&give, first).code(0);
    for given in [
        "'3c9909afec25354d551dae21590bb26e'",
        "\u{feff}3c9909afec25354d551dae21590bb26e",
        "replace-with-a-long-random-string",
    ] {
        let ran = keyrota.run_with_stdin(&give, given).code(20);
        let note = ran.json()["results"][0]["note"].to_string();
        assert!(note.contains("still current"), "{note}");
    }
    let shown = keyrota.run(&["run", "--", "printenv", "ISSUED"]).code(0);
    assert_eq!(shown.stdout.trim(), first);
}
