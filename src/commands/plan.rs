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
    after_help = "Steps assume that every call succeeds at once, so times are the earliest possible. If a rotation is \
under way, plan shows its remaining steps. Needs only the schedule. If there is a state, the next \
rotations follow from what it knows. Changes nothing. To check whether a rotation could run now, use \
`keyrota rotate NAME --dry-run`.

--setup prints what must exist before the first rotation. For a database this is SQL, and everything \
else is a comment, so you can pipe `keyrota plan NAME --setup` into psql or mariadb.

--format markdown prints the rotation plan of the environment as a document: schedules, waits and \
where each number comes from, consumers, and what happens on failure."
)]
pub struct Plan {
    /// Show only this secret
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Number of upcoming rotations to show for each secret
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub next: u16,
    /// Print what must exist before the first rotation: keys, directories, first values
    #[arg(long, conflicts_with = "format")]
    pub setup: bool,
    /// With --setup: let the users of MySQL and MariaDB also change the tables of their database
    #[arg(long, requires = "setup")]
    pub owner: bool,
    /// The format
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
