//! `keyrota jwks`: the public set of an environment.

use clap::Args;

use super::context::Context;
use super::exit::{self, Failed};
use super::say;
use crate::engine::view::{self, is_asymmetric};

/// Options of `keyrota jwks`.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints a JWK Set (RFC 7517) with every public key that signs tokens, will sign soon, or has signed \
tokens that may still be valid. Serve it as /.well-known/jwks.json and let caches keep it no longer \
than jwks_max_age. A consumer of kind jwks keeps such a file up to date. Reads the provider and \
needs no state. With --json the set also has the member schema_version, which RFC 7517 allows \
readers to ignore."
)]
pub struct Jwks {
    /// Print only the keys of this secret
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
}

/// Does it; the exit code.
pub fn run(args: &Jwks, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    if let Some(name) = &args.secret
        && !is_asymmetric(say::secret(&chosen.env, name)?)
    {
        return Err(Failed::config(format!(
            "{name} has no public half: only jwt secrets with RS256, ES256 or EdDSA have"
        )));
    }
    let providers = chosen.providers()?;
    let set = context.block_on(async {
        Ok(view::jwks(&chosen.env, &providers, args.secret.as_deref()).await?)
    })?;
    if context.global.json {
        let mut set: serde_json::Value = serde_json::from_str(&set)
            .map_err(|_| Failed::new(exit::PERSON, "the public set is not JSON"))?;
        set["schema_version"] = 1.into();
        say::print_json(&set)?;
    } else {
        say::print_data(&format!("{}\n", set.trim_end()))?;
    }
    Ok(exit::DONE)
}
