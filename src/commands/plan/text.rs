//! The plan on a terminal.

use jiff::Timestamp;
use keyrota_rotation::Outcome;

use super::outline::{Begins, Outline, Stands, after, limits, what};
use crate::commands::progress::clock;
use crate::commands::say;
use crate::config::model::Environment;

/// Steps and turns of each secret.
pub fn text(env: &Environment, outlines: &[Outline<'_>], now: Timestamp) -> String {
    let mut out = String::new();
    let due: Vec<_> = outlines
        .iter()
        .filter(|o| o.turns.iter().any(|t| t.due))
        .map(|o| o.secret.name.as_str())
        .collect();
    let due = if due.is_empty() {
        "nothing is due".to_owned()
    } else {
        format!("due: {}", due.join(", "))
    };
    out.push_str(&format!("{} ({}): {due}\n", env.name, env.timezone_name));
    for outline in outlines {
        out.push('\n');
        out.push_str(&one(env, outline, now));
    }
    out
}

fn one(env: &Environment, o: &Outline<'_>, now: Timestamp) -> String {
    let secret = o.secret;
    let mut out = format!(
        "{}: {}, kept by {} at {}\n",
        secret.name, secret.kind.word, secret.provider, secret.path
    );
    out.push_str(&format!("  {}\n", begins(env, o)));
    for start in &o.turns {
        let when = if start.due {
            "due now".to_owned()
        } else {
            say::moment(start.starts, now)
        };
        out.push_str(&format!("  rotation {} starts {when}\n", start.turn.civil));
    }
    let Some(forecast) = &o.forecast else {
        return out;
    };
    out.push_str(match o.stands {
        Stands::UnderWay => "  under way; what remains, at the earliest:\n",
        Stands::First => "  no value is known yet; the first, begun now, at the earliest:\n",
        Stands::Unseen => {
            "  nothing is known of it here; with a value to replace, begun now, at the earliest:\n"
        }
        Stands::Current => "  begun now, at the earliest:\n",
    });
    let since = |at| format!("    +{}", after(at, now));
    let mut rows: Vec<[String; 3]> = forecast
        .steps
        .iter()
        .map(|s| [since(s.at), s.phase.to_owned(), what(o, s)])
        .collect();
    let end = match forecast.outcome {
        Some(Outcome::Rotated) => format!("rotated, {}", clock(forecast.end)),
        Some(Outcome::Abandoned) => format!("abandoned, {}", clock(forecast.end)),
        None => "open".to_owned(),
    };
    rows.push([since(forecast.end), "done".to_owned(), end]);
    out.push_str(&say::table(&rows));
    out
}

/// What begins a rotation, with the limits on when.
fn begins(env: &Environment, o: &Outline<'_>) -> String {
    let (secret, turn) = (o.secret, &o.secret.turn);
    let command = |rest: &str| format!("keyrota --env {} {rest} {}", env.name, secret.name);
    match (o.begins, &turn.schedule) {
        (Begins::Schedule, Some(schedule)) => {
            let mut said = format!("rotates by {schedule}");
            for limit in limits(turn) {
                said.push_str(", ");
                said.push_str(&limit);
            }
            said
        }
        (Begins::Given, _) => format!(
            "only its issuer makes it: {} --value-stdin",
            command("rotate")
        ),
        (Begins::Never, _) => "kept and checked, never rotated by keyrota".to_owned(),
        _ => format!("when asked: {}", command("rotate")),
    }
}
