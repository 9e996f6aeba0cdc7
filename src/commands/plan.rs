//! `keyrota plan`: what is due, and what each step would do.

mod document;
mod outline;
mod setup;
mod text;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::context::{Chosen, Context};
use super::exit::{self, Failed};
use super::progress::{clock, second};
use super::say;
use crate::config::model::Secret;
use crate::engine::daemon::glance;
use crate::engine::forecast::What;
use crate::engine::journal::Journal;
use outline::{Known, Outline};

/// Options of `keyrota plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "The steps are those of the machine that rotates, told as if everything answered at once and \
nothing failed: the times are the earliest possible ones. Where a rotation is under way, its remaining steps \
are told. Needs the schedule only; where there is a state, the turns count from what it knows. Changes \
nothing; whether a rotation could be done now is what `keyrota rotate NAME --dry-run` looks at.

--setup prints what has to exist first. For a database that is SQL, and everything else stands in comments, so that \
`keyrota plan NAME --setup` can be piped into psql or mariadb.

--format markdown is the rotation plan of the environment as a document: what rotates when, how long each \
wait is and where that number comes from, who is told, and what happens on failure."
)]
pub struct Plan {
    /// Only this secret
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// So many turns of each secret
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub next: u16,
    /// What has to exist before the first rotation: keys, directories, first values
    #[arg(long, conflicts_with = "format")]
    pub setup: bool,
    /// With --setup: users of MySQL and MariaDB may also change the tables of their database
    #[arg(long, requires = "setup")]
    pub owner: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Steps and turns.
    Text,
    /// A document.
    Markdown,
    /// One JSON document.
    Json,
}

/// Does it; the exit code.
pub fn run(args: &Plan, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let secrets: Vec<&Secret> = match &args.name {
        Some(name) => vec![say::secret(&chosen.env, name)?],
        None => chosen.env.secrets.iter().collect(),
    };
    if args.setup {
        let told = setup::setup(&chosen.env, &secrets);
        let sql = setup::statements(&secrets, args.owner);
        if context.global.json {
            say::print_json(&setup::as_json(&chosen.env, &told, &sql))?;
        } else {
            say::print_data(&setup::as_text(&chosen.env, &told, &sql))?;
        }
        return Ok(exit::DONE);
    }
    let now = context.now();
    let known = known(context, &chosen, &secrets)?;
    let outlines: Vec<Outline<'_>> = secrets
        .into_iter()
        .zip(&known)
        .map(|(secret, known)| outline::outline(&chosen.env, secret, known, args.next.into(), now))
        .collect::<Result<_, _>>()
        .map_err(|why| Failed::config(why.to_string()))?;
    match args.format {
        _ if context.global.json => say::print_json(&as_json(&chosen, &outlines))?,
        Format::Json => say::print_json(&as_json(&chosen, &outlines))?,
        Format::Text => say::print(&text::text(&chosen.env, &outlines, now))?,
        Format::Markdown => say::print(&document::document(&chosen.env, &outlines, now))?,
    }
    Ok(exit::DONE)
}

/// What the state knows of each secret. A host that keeps no state of this environment plans from
/// the file alone.
fn known(
    context: &Context<'_>,
    chosen: &Chosen,
    secrets: &[&Secret],
) -> Result<Vec<Known>, Failed> {
    if chosen.location(context.global).is_err() {
        return Ok(secrets.iter().map(|_| Known::default()).collect());
    }
    let env = &chosen.env.name;
    context.block_on(async {
        let store = chosen.read_state(context.global).await?;
        let mut all = Vec::new();
        for secret in secrets {
            let mut known = Known::default();
            if let Some(store) = &store {
                known.secret = glance(store, &chosen.env, secret, context.now()).await?;
                if let Some(row) = store.open_rotation(env, &secret.name).await? {
                    let journal = Journal::from_text(&row.record)
                        .map_err(|_| crate::engine::EngineError::UnreadableRecord)?;
                    known.under_way = Some(journal.machine);
                }
            }
            all.push(known);
        }
        Ok(all)
    })
}

fn as_json(chosen: &Chosen, outlines: &[Outline<'_>]) -> Value {
    let secrets = outlines.iter().map(|o| {
        let turns = o.turns.iter().map(|t| {
            json!({"turn": t.turn.civil.to_string(), "at": second(t.turn.at), "starts": second(t.starts), "due": t.due})
        });
        let steps = o.forecast.iter().flat_map(|f| &f.steps).map(|s| {
            let (effect, until) = match &s.what {
                What::Effect(effect) => (effect.name(), None),
                What::Wait { until } => ("wait", Some(clock(*until))),
                What::Confirm => ("confirm", None),
                What::Person => ("person", None),
            };
            json!({
                "phase": s.phase, "effect": effect, "at": clock(s.at), "until": until,
                "what": outline::what(o, s),
            })
        });
        json!({
            "name": o.secret.name,
            "kind": o.secret.kind.word,
            "provider": o.secret.provider,
            "path": o.secret.path,
            "begins": o.begins.as_str(),
            "schedule": o.secret.turn.schedule,
            "turns": turns.collect::<Vec<_>>(),
            "settle_seconds": o.secret.waits.settle.as_secs(),
            "grace_seconds": o.secret.waits.grace.as_secs(),
            "stands": o.stands.as_str(),
            "steps": steps.collect::<Vec<_>>(),
            "earliest_end": o.forecast.as_ref().map(|f| clock(f.end)),
        })
    });
    json!({
        "schema_version": 1,
        "environment": chosen.env.name,
        "timezone": chosen.env.timezone_name,
        "schedule_digest": chosen.env.digest,
        "secrets": secrets.collect::<Vec<_>>(),
    })
}
