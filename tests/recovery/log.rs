//! What the log must say of a rotation that processes died in.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::support::evidence::Evidence;

/// The log is whole, every intent has its outcome before the next, no value was made twice, and
/// processes followed one another.
pub fn judge(evidence: &Evidence, rotation: Uuid) {
    let report = &evidence.report;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert!(report.dangling.is_empty(), "{:?}", report.dangling);
    assert!(report.vouched.is_some(), "a checkpoint vouches for it");

    let mut open: Option<&Value> = None;
    let mut done = BTreeMap::<&str, u32>::new();
    let about = |entry: &&Value| entry["rotation"] == rotation.to_string();
    for entry in evidence.log.iter().filter(about) {
        match entry["phase"].as_str() {
            Some("intent") => {
                assert!(open.is_none(), "two effects at once: {open:?}, {entry}");
                open = Some(entry);
            }
            Some("outcome") => {
                let intent = open.take().expect("an outcome follows an intent");
                assert_eq!(intent["effect"], entry["effect"], "{intent} {entry}");
                if entry["outcome"] == "ok" {
                    *done.entry(entry["effect"].as_str().unwrap()).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    assert!(open.is_none(), "an intent without an outcome: {open:?}");
    for once in ["create", "promote", "destroy"] {
        let times = done.get(once).copied().unwrap_or_default();
        assert!(times <= 1, "{once} was done {times} times");
    }

    let mut last = (0, String::new());
    for entry in &evidence.log {
        let origin = &entry["origin"];
        let Some(epoch) = origin["epoch"].as_i64() else {
            continue;
        };
        let instance = origin["instance"].as_str().unwrap().to_owned();
        match instance == last.1 {
            true => assert_eq!(epoch, last.0, "one process, one epoch"),
            false => assert!(epoch > last.0, "epochs grow from process to process"),
        }
        last = (epoch, instance);
    }
}
