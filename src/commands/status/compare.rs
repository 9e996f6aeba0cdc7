//! What is stored now, against what keyrota recorded: for `status --check`, where keys are at hand.

use super::look::{Look, Need, recorded};
use crate::commands::context::Chosen;
use crate::commands::exit::Failed;
use crate::engine::Remedy;
use crate::engine::lag::recall;
use crate::engine::parts::Parts;
use crate::state::Store;
use jiff::Timestamp;
use keyrota_contract::lag::LAGS;
use keyrota_contract::{Stage, VersionRef};

/// Compares the current value of every secret that the state knows. A difference, and a store that
/// refuses to be read, need a person; an outage is no difference.
pub async fn compare(
    chosen: &Chosen,
    store: &Store,
    looks: &mut [Look<'_>],
    now: Timestamp,
) -> Result<(), Failed> {
    let keys = chosen.keys()?;
    let providers = chosen.providers()?;
    let env = &chosen.env;
    for look in looks {
        if look.need.is_some() || look.recorded.is_empty() {
            continue;
        }
        let name = &look.secret.name;
        let parts = Parts::new(env, look.secret, &providers);
        let parts = parts.map_err(|e| Failed::config(e.to_string()))?;
        recall(store, (&env.name, name), &parts, now.as_millisecond()).await?;
        let command = |rest: &str| format!("keyrota --env {} {rest}", env.name);
        look.need = match parts.version(&VersionRef::Stage(Stage::Current)).await {
            Ok(Some(current)) => {
                let found = keys.fingerprint(&env.name, name, &current.value);
                // A rotation may have come between the first look and this one.
                let differs = !look.recorded.contains(&found) && {
                    let known = store.secret(&env.name, name).await?;
                    let open = store.open_rotation(&env.name, name).await?;
                    !recorded(known.as_ref(), open.as_ref()).contains(&found)
                };
                differs.then(|| Need {
                    why: "its current value is not the one that keyrota recorded".to_owned(),
                    what: format!(
                        "find out who wrote it; to replace it: {}; to accept it: {}",
                        command(&format!("rotate {name}")),
                        command(&format!("import {name} --in-place")),
                    ),
                })
            }
            Ok(None) => Some(Need {
                why: "its provider has no current value, and keyrota recorded one".to_owned(),
                what: format!(
                    "find out who removed it: {}",
                    command(&format!("history {name}"))
                ),
            }),
            Err(why) if why == LAGS => {
                tracing::warn!(
                    secret = %name,
                    "the store may still answer with the value of before the last rotation: ask again ({})",
                    command("status --check"),
                );
                None
            }
            Err(why) if Remedy::of(why.kind) == Remedy::Wait => {
                tracing::warn!(secret = %name, %why, "the value could not be compared");
                None
            }
            Err(why) => Some(Need {
                why: format!("its current value cannot be read: {why}"),
                what: format!("correct that, then: {}", command("status --check")),
            }),
        };
    }
    Ok(())
}
