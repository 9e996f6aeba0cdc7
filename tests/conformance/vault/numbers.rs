//! Numbers that no healthy server sends: each is an error or an answer, never a panic and never a
//! loop over as many versions as a number says.

use std::sync::Arc;

use keyrota_contract::{Native, Place, Provider, Public, SecretValue, Stage, VersionRef};

use tokio::task::JoinSet;

use super::id;
use super::replies::{asking, fake, server};

/// Every number of every reply, and what a healthy server sends there.
const SPOTS: &[(&str, &str)] = &[
    ("TTL", "0"),
    ("VERSION", "7"),
    ("SIBLING", "3"),
    ("CURRENT", "7"),
    ("OLDEST", "1"),
    ("MOST", "10"),
    ("KEY", "7"),
    ("RECORD", "6"),
    ("BASE", "6"),
    ("MADE", "8"),
    ("AFTER", "0"),
];

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "null",
    "\"NaN\"",
];

fn answer(line: &str) -> (u16, String) {
    let id = id(2);
    let text = match line {
        l if l.contains("/internal/ui/mounts/") => {
            r#"{"data":{"path":"kv/","type":"kv","options":{"version":"2"}}}"#.to_owned()
        }
        l if l.contains("/lookup-self") => r#"{"data":{"ttl":TTL,"renewable":true}}"#.to_owned(),
        l if l.contains("/capabilities-self") => {
            let paths = [
                "kv/metadata/app/x",
                "kv/config",
                "kv/data/app/x",
                "kv/destroy/app/x",
            ];
            let more = [
                "kv/data/app/x.keyrota-pending",
                "kv/metadata/app/x.keyrota-pending",
            ];
            let paths = paths.iter().chain(&more);
            let rights: Vec<_> = paths.map(|p| format!(r#""{p}":["root"]"#)).collect();
            format!(r#"{{"data":{{{}}}}}"#, rights.join(","))
        }
        l if l.contains("/kv/config") => {
            r#"{"data":{"cas_required":false,"delete_version_after":"AFTERs","max_versions":MOST}}"#
                .to_owned()
        }
        l if l.starts_with("GET") && l.contains("/kv/metadata/") => format!(
            r#"{{"data":{{"current_version":CURRENT,"oldest_version":OLDEST,"max_versions":MOST,
            "cas_required":false,"delete_version_after":"AFTERs",
            "created_time":"2026-11-27T00:00:00Z","updated_time":"2026-11-27T00:00:00Z",
            "custom_metadata":{{"keyrota":"RECORD={id}","keyrota-RECORD-0":"{{}}"}},
            "versions":{{"KEY":{VERSION},"6":{VERSION},"1":{VERSION}}}}}}}"#
        ),
        l if l.starts_with("GET") && l.contains("keyrota-pending") => format!(
            r#"{{"data":{{"data":{{"id":"{id}","base":BASE,"public":{{}},"value":"v"}},
            "metadata":{{"version":SIBLING,"destroyed":false}}}}}}"#
        ),
        l if l.starts_with("GET") => {
            r#"{"data":{"data":{"value":"v"},"metadata":{"version":VERSION,"destroyed":false}}}"#
                .to_owned()
        }
        l if l.contains("/kv/data/") => r#"{"data":{"version":MADE,"destroyed":false}}"#.to_owned(),
        _ => return (204, String::new()),
    };
    (200, text)
}

const VERSION: &str =
    r#"{"created_time":"2026-11-27T00:00:00Z","deletion_time":"","destroyed":false}"#;

/// All at once: this server shows nothing of what is written, and that is waited for.
#[tokio::test]
async fn no_number_of_a_server_stops_the_program() {
    let mut cases = JoinSet::new();
    for (spot, _) in SPOTS {
        for number in NUMBERS {
            cases.spawn(answered(spot, number));
        }
    }
    let answered: usize = cases.join_all().await.into_iter().sum();
    println!("{answered} answers");
    assert!(
        answered > 500,
        "the replies are those of a server: {answered}"
    );
}

/// How many calls are answered where this number is odd, and no other.
async fn answered(spot: &'static str, number: &'static str) -> usize {
    let (address, _) = server(move |line| {
        let (status, mut text) = answer(line);
        for (name, usual) in SPOTS {
            let said = if *name == spot { number } else { usual };
            let within_text = text.contains(&format!("\"{name}")) || *name == "RECORD";
            let said = if within_text {
                said.trim_matches('"')
            } else {
                said
            };
            text = text.replace(name, said);
        }
        (status, text)
    });
    let at = Place::new("app/x");
    let versions = [
        VersionRef::Stage(Stage::Current),
        VersionRef::Stage(Stage::Previous),
        VersionRef::Stage(Stage::Pending),
        VersionRef::Ours(id(2)),
        VersionRef::Native(Native(number.trim_matches('"').to_owned())),
    ];
    let p = asking(address.clone());
    let mut answered = 0;
    let mut note = |ok: bool| answered += usize::from(ok);
    note(p.preflight(&at).await.is_ok());
    note(p.describe(&at).await.is_ok());
    for v in &versions {
        note(p.read(&at, v).await.is_ok());
    }
    let (p, mut writes) = (Arc::new(asking(address)), JoinSet::new());
    for v in versions {
        let (p, at) = (p.clone(), at.clone());
        writes.spawn(async move { p.destroy(&at, &v).await.is_ok() });
    }
    for from in [None, Some("7"), Some(number)] {
        let (p, at) = (p.clone(), at.clone());
        let from = from.map(|from| Native(from.to_owned()));
        writes.spawn(async move { p.promote(&at, id(2), from.as_ref()).await.is_ok() });
    }
    let value = SecretValue::copy_of(b"w");
    note(p.write(&at, id(3), &value, &Public::new()).await.is_ok());
    note(p.remove(&at, &Native("7".into())).await.is_ok());
    writes.join_all().await.into_iter().for_each(note);
    answered
}

#[tokio::test]
async fn a_token_for_ever_is_used_for_ever() {
    let at = Place::new("app/x");
    let (p, _) = fake(move |line| {
        let (status, text) = answer(line);
        let text = text.replace("TTL", "18446744073709551615");
        let usual = SPOTS
            .iter()
            .fold(text, |text, (name, usual)| text.replace(name, usual));
        (status, usual)
    });
    for _ in 0..2 {
        assert_eq!(p.describe(&at).await.unwrap().len(), 2);
    }
}
