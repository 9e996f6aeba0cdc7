//! A system clock that is wrong at the start. The clock of this machine stays as it is: the past
//! that the state remembers is moved instead, which is the same to the next process.

use serde_json::Value;

use crate::support::evidence::block_on;
use crate::support::keyrota::Keyrota;

const TEN_YEARS_MS: i64 = 3_652 * 24 * 3_600_000;

const SCHEDULE: &str = r#"environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.it]
kind = "random"
refresh = "1h"
env = "IT"
"#;

/// A token whose rotation is in a grace of an hour.
fn in_grace() -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    keyrota.run(&["rotate", "it"]).code(0);
    keyrota.run(&["rotate", "it"]).code(0);
    assert_eq!(phase(&keyrota), "grace");
    keyrota
}

fn status(keyrota: &Keyrota) -> Value {
    keyrota.run(&["status", "--json"]).code(0).json()
}

fn phase(keyrota: &Keyrota) -> String {
    let phase = &status(keyrota)["secrets"][0]["phase"];
    phase.as_str().unwrap_or("none").to_owned()
}

/// What is left of the grace, in seconds by this machine's clock.
fn left_s(keyrota: &Keyrota) -> i64 {
    let until = &status(keyrota)["secrets"][0]["rotation"]["until"];
    let until: jiff::Timestamp = until.as_str().unwrap().parse().unwrap();
    until.duration_since(jiff::Timestamp::now()).as_secs()
}

/// When the rotation under way last wrote to its provider, and when it began its promote.
fn wrote_ms(keyrota: &Keyrota) -> [i64; 2] {
    use sqlx::{ConnectOptions, Connection};
    let at = keyrota.path(".keyrota/state.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(at);
    block_on(async {
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        let record = "SELECT record FROM rotation WHERE outcome IS NULL";
        let record: String = sqlx::query_scalar(record)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let record: Value = serde_json::from_str(&record).unwrap();
        ["wrote_ms", "promoting_ms"].map(|name| record[name].as_i64().unwrap())
    })
}

/// Moves all that the state remembers of the time by `ms`.
fn move_the_past(keyrota: &Keyrota, ms: i64) {
    use sqlx::{ConnectOptions, Connection};
    let at = keyrota.path(".keyrota/state.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(at);
    block_on(async {
        let mut connection = options.disable_statement_logging().connect().await.unwrap();
        for statement in [
            "UPDATE facts SET value = json_set(value, '$.ms', json_extract(value, '$.ms') + $1) WHERE key LIKE 'clock/%'",
            "UPDATE rotation SET record = json_set(record,
                 '$.wrote_ms', json_extract(record, '$.wrote_ms') + $1,
                 '$.promoting_ms', json_extract(record, '$.promoting_ms') + $1,
                 '$.machine.phase.grace.since', json_extract(record, '$.machine.phase.grace.since') + $1,
                 '$.machine.phase.grace.until', json_extract(record, '$.machine.phase.grace.until') + $1)
             WHERE outcome IS NULL",
            "UPDATE secret SET changed_ms = changed_ms + $1, first_seen_ms = first_seen_ms + $1",
        ] {
            sqlx::query(statement).bind(ms).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    });
    // Another program changed the state: a person says that this is meant.
    keyrota
        .run(&["audit", "accept", "--reason", "the clock of this test"])
        .code(0);
}

#[test]
fn a_clock_that_is_ten_years_ahead_ends_no_grace() {
    let keyrota = in_grace();
    move_the_past(&keyrota, -TEN_YEARS_MS);
    keyrota.run(&["rotate", "--due"]).code(0);
    assert_eq!(phase(&keyrota), "grace");
    let ahead = status(&keyrota)["clock_ahead_seconds"].as_i64().unwrap();
    assert!((ahead - TEN_YEARS_MS / 1000).abs() < 60, "{ahead}");
    let said = keyrota.run(&["status", "--check"]).code(22).stdout;
    assert!(said.contains("clock --accept"), "{said}");
    keyrota.run(&["clock"]).code(22);
    keyrota
        .run(&["clock", "--accept", "--reason", "checked"])
        .code(0);
    // A clock that was set is no time that passed.
    keyrota.run(&["rotate", "--due"]).code(0);
    assert_eq!(phase(&keyrota), "grace");
    let left = left_s(&keyrota);
    assert!((3_400..=3_600).contains(&left), "{left}");
    keyrota.run(&["clock"]).code(0);
    assert_eq!(status(&keyrota)["clock_ahead_seconds"], Value::Null);
    let log = keyrota.run(&["audit", "list"]).code(0).stdout;
    for event in ["clock.suspect", "clock.accepted", "clock.followed"] {
        assert_eq!(log.matches(event).count(), 1, "{log}");
    }
    keyrota.run(&["audit", "verify"]).code(0);
}

#[test]
fn a_grace_that_began_under_a_clock_ten_years_ahead_ends_when_the_clock_is_accepted() {
    let keyrota = in_grace();
    let wrote = wrote_ms(&keyrota);
    move_the_past(&keyrota, TEN_YEARS_MS);
    keyrota.run(&["rotate", "--due"]).code(0);
    let behind = status(&keyrota)["clock_ahead_seconds"].as_i64().unwrap();
    assert!((behind + TEN_YEARS_MS / 1000).abs() < 60, "{behind}");
    keyrota
        .run(&["clock", "--accept", "--reason", "checked"])
        .code(0);
    keyrota.run(&["rotate", "--due"]).code(0);
    let left = left_s(&keyrota);
    assert!((3_400..=3_600).contains(&left), "{left}");
    // So do the instants from which reads are trusted again.
    for (before, after) in wrote.into_iter().zip(wrote_ms(&keyrota)) {
        assert!((before - after).abs() < 60_000, "{before} {after}");
    }
}

#[test]
fn a_schedule_follows_a_clock_that_was_corrected() {
    let keyrota = Keyrota::in_temp();
    let scheduled = format!("{SCHEDULE}schedule = \"0 0 1 * *\"\n").replace("1h", "0s");
    keyrota.write("schedules/development.toml", &scheduled);
    keyrota.run(&["rotate", "it"]).code(0);
    keyrota.run(&["rotate", "--due"]).code(0);
    move_the_past(&keyrota, TEN_YEARS_MS);
    keyrota.run(&["rotate", "--due"]).code(0);
    let status = status(&keyrota);
    assert_eq!(status["clock_ahead_seconds"], Value::Null, "nothing waits");
    let next = status["secrets"][0]["next_at"].as_str().unwrap().to_owned();
    let next: jiff::Timestamp = next.parse().unwrap();
    let days = next.duration_since(jiff::Timestamp::now()).as_hours() / 24;
    assert!(days <= 32, "{next}");
}
