//! What a checked schedule says, in plain types: nothing here is raw text that still has to be
//! understood, every default is filled in, every relative path is resolved, and nothing is secret.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::registry::{Settings, StoreKind};
pub use super::values::*;

mod consumer;
mod place;
mod secret;

pub use consumer::*;
pub use place::*;
pub use secret::*;

/// One file `schedules/<name>.toml`.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `development`, `staging`, `production`, …: the file's name without `.toml`.
    pub name: String,
    /// The file, as it was opened; diagnostics name it so.
    pub file: PathBuf,
    /// The parent of the schedules directory, absolute: relative paths in the file resolve from it.
    pub root: PathBuf,
    /// SHA-256 of the file's bytes, in lower-case hex: two hosts compare it.
    pub digest: String,
    /// The zone that schedules, windows and blackouts are read in.
    pub timezone: TimeZone,
    /// Its IANA name; `UTC` when the file names none.
    pub timezone_name: String,
    /// `[providers.*]`, in the file's order.
    pub providers: Vec<Provider>,
    /// `[secrets.*]`, in the file's order.
    pub secrets: Vec<Secret>,
    /// `[env.*]`: variables that programs need and keyrota does not make, in the file's order.
    pub boot: Vec<BootRule>,
    /// `[programs.*]`; empty: one program sees everything.
    pub programs: Vec<Program>,
}

/// `[providers.<name>]`: keeps values.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name in this file.
    pub name: String,
    /// What it is.
    pub kind: &'static StoreKind,
    /// What it says of itself.
    pub settings: Arc<dyn Settings>,
    /// Where it stands.
    pub spot: Spot,
}

/// `[env.<NAME>]`: a variable that must be right at boot and is not keyrota's to make.
#[derive(Debug, Clone, Default)]
pub struct BootRule {
    /// The variable.
    pub variable: String,
    /// What it looks like, as a word of the gate (`url`, `integer`, `port`, …).
    pub format: Option<String>,
    /// Schemes a URL may have; empty: any.
    pub schemes: Vec<String>,
    /// The least length in characters.
    pub min_length: Option<u32>,
    /// All values it may have; empty: any.
    pub one_of: Vec<String>,
    /// A regular expression the whole value matches.
    pub pattern: Option<String>,
    /// When it has to be there.
    pub required: Required,
    /// It must not be there.
    pub forbidden: bool,
    /// Used by `run` when it is absent.
    pub default: Option<String>,
    /// Where it stands.
    pub spot: Spot,
}

/// When a variable has to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Required {
    /// Always.
    #[default]
    Always,
    /// Never.
    Optional,
    /// When another variable is there, and has this value if one is given.
    If {
        /// The other variable.
        variable: String,
        /// The value it has to have; `None`: any.
        equals: Option<String>,
    },
}

/// `[programs.<name>]`.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name in this file.
    pub name: String,
    /// The variables it may see, each known to this environment.
    pub env: BTreeSet<String>,
    /// Where it stands.
    pub spot: Spot,
}

/// `keyrota.toml`: this host. `None` is "not said here": flags, variables and defaults follow.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// This host's name.
    pub host: Option<String>,
    /// The directory of the schedules.
    pub schedules: Option<PathBuf>,
    /// Where the state is: a path or a `postgres://` URL without a password.
    pub state: Option<String>,
    /// The state database's password.
    pub state_password: Option<Reference>,
    /// The authorities that may vouch for the state database.
    pub state_ca_file: Option<PathBuf>,
    /// The seed of this host's keys.
    pub keys: Option<Reference>,
    /// The directory for checkpoints outside the state.
    pub checkpoints: Option<PathBuf>,
}
