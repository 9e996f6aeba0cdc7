//! keyrota's gate: every rule about a program's environment, and nothing else.
//!
//! The gate answers one question before a program starts: *is this environment fit to boot?* It is
//! given [rules](Rule) (made from `schedules/<environment>.toml`) and a way to look up a variable,
//! and it answers with every [`Problem`] at once, in the order of the rules.
//!
//! ```
//! use keyrota_gate::{check, Report, Rule};
//!
//! let rules = [Rule { secret: Some("database-url".into()), ..Rule::new("DATABASE_URL") }];
//! let report = Report { environment: "production".into(), problems: check(&rules, &|_| None), skipped: vec![] };
//! assert_eq!(
//!     report.to_string(),
//!     "keyrota: production is not fit to start: 1 problem\n  \
//!      DATABASE_URL   missing  set it from secret \"database-url\"\n"
//! );
//! ```
//!
//! # Layout
//!
//! * `rule`: what is asked of one variable
//! * `check`: the order in which it is asked, and which answer is told
//! * `problem`: a failed rule, and the codes scripts may match on
//! * `format`: URLs, key files, encodings: one file per family; `format/private.rs` is the reader of
//!   private keys that `import` and the rotators share
//! * `wrapping`: quotes, carriage returns and other residue around a value
//! * `placeholder`, `entropy`: values nobody chose, and values nobody should have chosen
//! * `env_file`: files of variables, read as bytes
//! * `unusual`: characters that look like ASCII, and text that is not UTF-8
//! * `report`: the answer as text and as JSON
//!
//! # What is deliberately absent
//!
//! No input or output, no clock, no randomness, no async: a variable is data. And no value: a
//! problem names variables, positions and what the *rule* says, but it never repeats a value or a
//! part of one, so all that this library returns may be logged (except [`Entry::value`] and
//! [`PrivateKey`], which are what an environment file and a key are read for).

mod check;
mod entropy;
mod env_file;
mod format;
mod nearest;
mod placeholder;
mod problem;
mod report;
mod rule;
mod unusual;
mod wrapping;

pub use check::check;
pub use env_file::{
    ENV_FILE_BYTES_MAX, Entry, EnvFile, LineProblem, Skipped, What, parse_env_file,
};
pub use format::{
    JwkNumbers, KID_BYTES_MAX, KeyBytes, KeyForm, PrivateKey, Unfit, check_kid, drawn, private_key,
};
pub use problem::{Code, Problem};
pub use report::Report;
pub use rule::{Algorithm, Condition, Format, KeyPart, Pattern, PatternError, Required, Rule};
pub use unusual::{Unusual, other_encoding};
