//! The audit log of one rotation, in plain words.

use serde_json::Value;

/// One line for what came of every effect, with the milliseconds since the rotation began.
pub fn rotation(list: &Value) {
    let entries = list["entries"].as_array().unwrap();
    let first = entries[0]["ts_us"].as_i64().unwrap();
    let mut process = &entries[0]["origin"]["instance"];
    for entry in entries {
        let acts = &entry["origin"]["instance"];
        if acts != process {
            println!("              KILLED     from here on the next keyrota acts");
            process = acts;
        }
        if entry["phase"] == "intent" {
            continue;
        }
        let ms = (entry["ts_us"].as_i64().unwrap() - first) / 1000;
        println!("   {ms:6} ms  {}", sentence(entry));
    }
}

/// What came of an effect, in plain words.
fn sentence(entry: &Value) -> String {
    let detail = |key: &str| entry["detail"][key].as_str().unwrap_or_default();
    let effect = entry["effect"].as_str().unwrap_or_default();
    let what = match (effect, detail("which"), detail("round")) {
        ("preflight", ..) => {
            "the current password works, a wrong one does not, the rights are there"
        }
        ("create", ..) => "a new password stands in the store as pending",
        ("install", ..) => "ALTER ROLE: the idle user gets it, as a SCRAM verifier",
        ("quiesce", ..) => "what the killed keyrota may have left on the server is ended",
        ("probe", "pending", _) => "a login with the new password",
        ("probe", "current", _) => "a login with the current password",
        ("probe", "previous", _) => "a login with the old password",
        ("promote", ..) => "the new password becomes current",
        ("deliver", _, "switch") => "app.env has the new URL",
        ("deliver", ..) => "app.env is told that the old one goes",
        ("refuse", ..) => "ALTER ROLE: every password of the old user is refused",
        _ => match entry["event"].as_str().unwrap_or_default() {
            "rotation.planned" => "the rotation is written down",
            "rotation.wake" => "the grace is over",
            "rotation.done" => "done",
            other => other,
        },
    };
    if entry["outcome"] == "ambiguous" {
        return format!("{effect:<10} was begun, and what came of it is unknown: it looks");
    }
    match detail("probe") {
        "" if entry["outcome"] == "rejected" => {
            format!("{effect:<10} not this time; it is tried again")
        }
        "" => format!("{effect:<10} {what}"),
        answer => format!("{effect:<10} {what}: {answer}"),
    }
}
