//! `keyrota policy`: what it prints is enough, and each part of it is needed; on servers that enforce it.

mod aws;
mod databases;
mod vault;

use serde_json::Value;

use crate::support::keyrota::Ran;

/// Everything a run said.
fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

/// An IAM policy without one action of one statement.
fn without(policy: &Value, sid: &str, action: &str) -> String {
    let mut policy = policy.clone();
    let statements = policy["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut().filter(|s| s["Sid"] == sid) {
        let actions = statement["Action"].as_array_mut().unwrap();
        actions.retain(|a| a != action);
    }
    statements.retain(|s| !s["Action"].as_array().unwrap().is_empty());
    policy.to_string()
}

/// Every action of every statement.
fn parts(policy: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let of = |s: &Value| {
        let actions = s["Action"].as_array().unwrap().iter();
        actions
            .map(|a| (text(&s["Sid"]), text(a)))
            .collect::<Vec<_>>()
    };
    statements.flat_map(of).collect()
}
