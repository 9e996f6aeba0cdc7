//! `keyrota import`: adopts what exists, without rotating.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use keyrota_contract::SecretValue;
use keyrota_gate::{EnvFile, Skipped};
use serde_json::json;

use super::context::Context;
use super::engage::{Patience, actor, engage, with};
use super::exit::{self, Failed};
use super::handed;
use super::say::{print, print_json, table};
use keyrota_gate::KeyForm;

use crate::config::model::{Environment, Part, Role};
use crate::engine::adopt::Adopted;
use crate::engine::{Engine, Given, Stop};

/// Options of `keyrota import`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["env_file", "stdin", "in_place"]),
    after_help = "keyrota checks all values first. If one is unfit, it stores none. Consumers are not notified, \
because they already have these values. Importing the same value again changes nothing.")]
pub struct Import {
    /// The secret; needed with --stdin and --in-place
    #[arg(value_name = "NAME", conflicts_with = "env_file")]
    pub name: Option<String>,
    /// Import every variable in this file or pipe that belongs to a secret of the schedule
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// Read the value of NAME from standard input; on a terminal, ask for it without echo
    #[arg(long, requires = "name")]
    pub stdin: bool,
    /// The key id (kid) in tokens that are in use; the key keeps this id
    #[arg(long, value_name = "KID", requires = "name")]
    pub kid: Option<String>,
    /// Record the value that the provider already stores for NAME; write nothing to the provider
    #[arg(long, requires = "name")]
    pub in_place: bool,
}

/// What became of one name.
struct Line {
    name: String,
    secret: Option<String>,
    result: &'static str,
    note: Option<String>,
    code: u8,
}

const DERIVED_KID: &str = "its key id is now its thumbprint: after the next rotation verifiers refuse tokens with another kid \
     header. If yours have one, remove the key from its provider and import it with --kid KID";

/// Does it; the exit code.
pub fn run(args: &Import, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(true)?;
    let take = |name: &String, value| Take {
        name: name.clone(),
        value,
        kid: args.kid.clone(),
        kid_variable: None,
    };
    let one = |take| FromFile {
        takes: vec![take],
        ..FromFile::default()
    };
    let FromFile {
        mut takes,
        left: mut lines,
        skipped,
    } = match (&args.env_file, &args.name) {
        (Some(file), _) => from_file(&chosen.env, file, context.global.json)?,
        (None, Some(name)) if args.stdin => one(take(name, Some(handed::value(name)?))),
        (None, Some(name)) => one(take(name, None)),
        (None, None) => {
            return Err(Failed::new(
                exit::USAGE,
                "name a secret, or a file with --env-file",
            ));
        }
    };
    // What another one's look needs comes before that one.
    let is_used = |name: &String| chosen.env.secrets.iter().any(|s| s.facts.needs(name));
    let names = |take: &Take| [Some(take.name.clone()), take.kid_variable.clone()];
    let order: Vec<_> = takes.iter().flat_map(names).flatten().collect();
    takes.sort_by_key(|take| !is_used(&take.name));
    context.block_on(async {
        let engine = engage(context, chosen, Patience::None).await?;
        with(engine, async |engine| {
            let unfit = unfit(engine, &takes).await?;
            if unfit.is_empty() {
                let by = actor();
                for take in &takes {
                    let (value, kid) = (take.value.as_ref(), take.kid.as_deref());
                    let taken = match engine.adopt(&take.name, value, kid, &by).await {
                        Ok(Adopted::Imported) if take.derives_kid(engine.env()) => Line {
                            note: Some(DERIVED_KID.to_owned()),
                            ..line(&take.name, &Adopted::Imported)
                        },
                        Ok(adopted) => line(&take.name, &adopted),
                        Err(why) if why.is_of_state() => return Err(why.into()),
                        Err(why) => failed(&take.name, why.into()),
                    };
                    lines.extend(take.kid_line(taken.code == exit::DONE));
                    lines.push(taken);
                }
            } else {
                lines = unfit;
            }
            // What was not taken, then the rest as it was given.
            lines.sort_by_key(|line| order.iter().position(|name| *name == line.name));
            report(context, &engine.env().name, &lines, &skipped)?;
            Ok(exit::worst(lines.iter().map(|l| l.code)))
        })
        .await
    })
}

/// What is taken for one secret.
struct Take {
    name: String,
    /// `None`: what the provider holds.
    value: Option<SecretValue>,
    /// The key id that it has in the field.
    kid: Option<String>,
    /// The variable that held the key id.
    kid_variable: Option<String>,
}

impl Take {
    /// Whether its tokens may carry another key id than the one that follows from the key.
    fn derives_kid(&self, env: &Environment) -> bool {
        let secret = env.secrets.iter().find(|s| s.name == self.name);
        self.kid.is_none()
            && secret
                .and_then(|s| s.facts.key)
                .is_some_and(|key| key.form == Some(KeyForm::Pem))
    }

    /// What became of the variable that held the key id.
    fn kid_line(&self, taken: bool) -> Option<Line> {
        let (result, verb) = match taken {
            true => ("imported", "stays"),
            false => ("not-taken", "was to stay"),
        };
        self.kid_variable.as_ref().map(|variable| Line {
            name: variable.clone(),
            secret: Some(self.name.clone()),
            result,
            note: Some(format!("{verb} the key id of secret {:?}", self.name)),
            code: exit::DONE,
        })
    }
}

/// What of a file is taken, what is left and why, and the lines that were passed over.
#[derive(Default)]
struct FromFile {
    takes: Vec<Take>,
    left: Vec<Line>,
    skipped: Vec<Skipped>,
}

fn from_file(env: &Environment, file: &Path, json: bool) -> Result<FromFile, Failed> {
    let wanted = |name: &str| {
        let mut variables = env.secrets.iter().flat_map(|s| &s.env);
        variables.any(|v| v.name == name)
    };
    let (mut takes, mut left) = (Vec::<Take>::new(), Vec::new());
    let mut kids = Vec::new();
    let EnvFile { entries, skipped } = handed::env_file(file, &wanted, json)?;
    for entry in entries {
        let from = env
            .secrets
            .iter()
            .find_map(|s| Some((s, s.env.iter().find(|v| v.name == entry.name)?)));
        let note = match from {
            Some((secret, var))
                if var.role == Role::Value
                    && var.template.parts == [Part::Field("value".into())] =>
            {
                takes.push(Take {
                    name: secret.name.clone(),
                    value: Some(SecretValue::new(entry.into_value())),
                    kid: None,
                    kid_variable: None,
                });
                continue;
            }
            Some((secret, var)) => match var.role {
                Role::Value => format!(
                    "composed from parts of secret {:?}: import that secret by itself",
                    secret.name
                ),
                Role::Kid => {
                    kids.push((secret.name.clone(), entry));
                    continue;
                }
                Role::Fallback => format!("set by the next rotation of secret {:?}", secret.name),
            },
            None if env.boot.iter().any(|b| b.variable == entry.name) => {
                "needed at boot, and not a secret of keyrota's".to_owned()
            }
            None => "not in the schedule".to_owned(),
        };
        left.push(not_taken(&entry.name, note));
    }
    for (secret, entry) in kids {
        let variable = entry.name.clone();
        let Some(take) = takes.iter_mut().find(|take| take.name == secret) else {
            let note = format!("the key id of secret {secret:?}, whose key is not in the file");
            left.push(not_taken(&variable, note));
            continue;
        };
        let kid = String::from_utf8(entry.into_value()).ok();
        if kid.is_none() || take.kid.is_some() && take.kid != kid {
            let why = format!(
                "{variable}: not the one key id of secret {secret:?}: it is not UTF-8, or another variable holds another one"
            );
            return Err(Failed::new(exit::CONFIG, why));
        }
        (take.kid, take.kid_variable) = (kid, Some(variable));
    }
    Ok(FromFile {
        takes,
        left,
        skipped,
    })
}

fn not_taken(name: &str, note: String) -> Line {
    Line {
        name: name.to_owned(),
        secret: None,
        result: "not-taken",
        note: Some(note),
        code: exit::DONE,
    }
}

/// Every value that cannot be taken, before any is.
async fn unfit(engine: &Engine, takes: &[Take]) -> Result<Vec<Line>, Failed> {
    let mut all = Vec::new();
    for take in takes {
        let Some(value) = &take.value else { continue };
        let given = Given {
            value,
            kid: take.kid.as_deref(),
        };
        let complaints = engine.unfit(&take.name, given).await?;
        all.extend(complaints.into_iter().map(|why| Line {
            name: take.name.clone(),
            secret: Some(take.name.clone()),
            result: "unfit",
            note: Some(why.to_owned()),
            code: exit::CONFIG,
        }));
    }
    Ok(all)
}

/// What went wrong with one of several.
fn failed(name: &str, why: Failed) -> Line {
    Line {
        name: name.to_owned(),
        secret: Some(name.to_owned()),
        result: "failed",
        note: Some(why.say),
        code: why.code,
    }
}

fn line(name: &str, adopted: &Adopted) -> Line {
    let (result, note, code) = match adopted {
        Adopted::Imported => ("imported", None, exit::DONE),
        Adopted::Known => (
            "known",
            Some("nothing to do: this value is known already"),
            exit::DONE,
        ),
        Adopted::Differs => (
            "differs",
            Some(
                "the provider holds another value: nothing was changed. Record that one with --in-place, or rotate",
            ),
            exit::PERSON,
        ),
        Adopted::Absent => (
            "absent",
            Some("the provider holds nothing for it yet"),
            exit::CONFIG,
        ),
        Adopted::Unfit(why) => ("unfit", Some(*why), exit::CONFIG),
        Adopted::Running => (
            "running",
            Some("a rotation is under way: let it end first (keyrota status)"),
            exit::RUNNING,
        ),
        Adopted::Stopped(Stop::Over(_)) => (
            "abandoned",
            Some("it could not be stored, and nothing was changed: `keyrota history` says why"),
            exit::ABANDONED,
        ),
        Adopted::Stopped(stop) => (
            "stopped",
            Some("begun and not ended: run it again"),
            exit::of_stop(*stop, None),
        ),
    };
    Line {
        name: name.to_owned(),
        secret: Some(name.to_owned()),
        result,
        note: note.map(str::to_owned),
        code,
    }
}

fn report(
    context: &Context<'_>,
    env: &str,
    lines: &[Line],
    skipped: &[Skipped],
) -> Result<(), Failed> {
    if context.global.json {
        let results: Vec<_> = lines
            .iter()
            .map(|l| json!({"name": l.name, "secret": l.secret, "result": l.result, "note": l.note, "exit": l.code}))
            .collect();
        let mut answer = json!({"schema_version": 1, "environment": env, "results": results});
        if !skipped.is_empty() {
            answer["skipped"] = skipped.iter().map(Skipped::to_json).collect();
        }
        return print_json(&answer);
    }
    let rows: Vec<_> = lines
        .iter()
        .map(|l| {
            [
                l.name.clone(),
                l.result.to_owned(),
                l.note.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print(&table(&rows))
}
