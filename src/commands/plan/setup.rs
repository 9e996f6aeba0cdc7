//! What has to exist before the first rotation: in databases, in SQL; elsewhere, in words.

use serde_json::{Value, json};

use crate::commands::policy::rights;
use crate::config::model::{Environment, Secret, WhenAbsent};
use crate::config::registry::rights::Giver;

/// Something that has to exist, for one provider or secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Thing {
    /// `providers.local`, `secrets.token`.
    pub table: String,
    /// What it is, and how to make it.
    pub what: String,
}

/// What is run once in a database, for one secret.
#[derive(Debug, PartialEq, Eq)]
pub struct Statement {
    /// `secrets.database-url`.
    pub table: String,
    /// A statement, or a comment; no password is in it.
    pub sql: String,
}

/// For these secrets.
pub fn statements(secrets: &[&Secret], owner: bool) -> Vec<Statement> {
    let of = |secret: &&Secret| {
        let table = format!("secrets.{}", secret.name);
        let sql = secret.settings.setup(owner).into_iter();
        sql.map(move |sql| Statement {
            table: table.clone(),
            sql,
        })
        .collect::<Vec<_>>()
    };
    secrets.iter().flat_map(of).collect()
}

/// For these secrets and the providers that keep them.
pub fn setup(env: &Environment, secrets: &[&Secret]) -> Vec<Thing> {
    let mut all = Vec::new();
    for provider in &env.providers {
        let places: Vec<_> = secrets.iter().flat_map(|s| s.places()).collect();
        if !places.iter().any(|kept| kept.provider == provider.name) {
            continue;
        }
        let mut thing = |what: String| {
            all.push(Thing {
                table: format!("providers.{}", provider.name),
                what,
            })
        };
        match provider.settings.rights() {
            Giver::System { setup, .. } => setup.into_iter().for_each(&mut thing),
            Giver::Service(policy) => {
                for reference in provider.settings.inputs() {
                    thing(format!("what it logs in with as {}", reference.in_words()));
                }
                for right in rights::in_words(env, provider, policy, secrets) {
                    thing(right);
                }
            }
        }
    }
    for secret in secrets {
        let mut thing = |what: String| {
            all.push(Thing {
                table: format!("secrets.{}", secret.name),
                what,
            })
        };
        let command = |rest: &str| format!("keyrota --env {} {rest}", env.name);
        let name = &secret.name;
        thing(
            match (secret.facts.rotates(), secret.imported, secret.when_absent) {
                (false, _, _) | (_, _, WhenAbsent::Refuse) => {
                    format!("its value: {}", command(&format!("import {name} --stdin")))
                }
                (_, true, _) => format!(
                    "its value, from its issuer: {}",
                    command(&format!("rotate {name} --value-stdin"))
                ),
                _ => format!(
                    "its first value: {} makes it, {} adopts one that is in use",
                    command(&format!("rotate {name}")),
                    command(&format!("import {name} --stdin"))
                ),
            },
        );
        for consumer in &secret.consumers {
            thing(consumer.facts.setup.clone());
        }
    }
    all
}

/// For people; and where there is SQL, for the database's client as well: the rest is comments then.
pub fn as_text(env: &Environment, things: &[Thing], sql: &[Statement]) -> String {
    let mut out = String::new();
    let mut last = "";
    for statement in sql {
        if statement.table != last {
            out.push_str(&format!("-- {}: {}\n", env.name, statement.table));
            last = &statement.table;
        }
        out.push_str(&format!("{}\n", statement.sql));
    }
    let also = if sql.is_empty() { "" } else { " also" };
    let mut rest = format!(
        "{}: before the first rotation there has to be{also}\n",
        env.name
    );
    let mut last = "";
    for thing in things {
        if thing.table != last {
            rest.push_str(&format!("\n{}\n", thing.table));
            last = &thing.table;
        }
        rest.push_str(&format!("  {}\n", thing.what));
    }
    if sql.is_empty() {
        return rest;
    }
    out.push('\n');
    for line in rest.lines() {
        out.push_str(format!("-- {line}").trim_end());
        out.push('\n');
    }
    out
}

/// For programs.
pub fn as_json(env: &Environment, things: &[Thing], sql: &[Statement]) -> Value {
    let sql = sql.iter().map(|s| json!({"table": s.table, "sql": s.sql}));
    let things = things
        .iter()
        .map(|t| json!({"table": t.table, "what": t.what}));
    json!({
        "schema_version": 1,
        "environment": env.name,
        "statements": sql.collect::<Vec<_>>(),
        "setup": things.collect::<Vec<_>>(),
    })
}
