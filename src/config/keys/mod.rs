//! Every key of every file: its name, its type, what it is for. Unknown keys, wrong types, the
//! printed JSON Schema and what may be shown of a line all come from these tables and nowhere else.

mod catalog;
mod consumers;
mod secrets;
mod table;

pub use catalog::Catalog;
pub use consumers::CONSUMER;
pub use secrets::{
    CONFIRM, COPY, DEFAULTS, FALLBACK, KID, ORIGIN, SECRET, SPAN_OF_DAY, SPAN_OF_TIME, TURNS,
    WHEN_ABSENT,
};
use table::VARIABLES;
pub use table::{Family, Key, KindKeys, Kinds, TEXTS, Ty, may, must};

/// `schedules/<environment>.toml`.
pub static ENVIRONMENT: &[Key] = &[
    must(
        "environment",
        Ty::Text,
        "The environment; equals the file's name.",
    ),
    may(
        "timezone",
        Ty::Text,
        "IANA time zone of schedules, windows and blackouts; UTC when absent.",
    ),
    may(
        "defaults",
        Ty::Table(DEFAULTS),
        "For every secret that does not say otherwise.",
    ),
    may(
        "providers",
        Ty::Map(&Ty::Kinds(Family::Provider)),
        "The providers that store values.",
    ),
    may(
        "secrets",
        Ty::Map(&Ty::Kinds(Family::Secret)),
        "The secrets: what is stored, rotated and delivered.",
    ),
    may(
        "env",
        Ty::Map(&Ty::Table(BOOT)),
        "Variables that programs need and keyrota does not create.",
    ),
    may(
        "programs",
        Ty::Map(&Ty::Table(PROGRAM)),
        "Which program may see which variables.",
    ),
];

/// `[env.*]`.
pub static BOOT: &[Key] = &[
    may("format", Ty::Word(BOOT_FORMATS), "What it looks like."),
    may("schemes", TEXTS, "Schemes a URL may have."),
    may(
        "min_length",
        Ty::Count(1, 1_048_576),
        "The least length in characters.",
    ),
    may("one_of", TEXTS, "All values it may have."),
    may(
        "pattern",
        Ty::Text,
        "A regular expression the whole value matches.",
    ),
    may(
        "required",
        Ty::Flag,
        "Whether it must be there; true when absent.",
    ),
    may(
        "required_if",
        Ty::Either(&Ty::Variable, &Ty::Table(REQUIRED_IF)),
        "It must be there when another variable is.",
    ),
    may("forbidden", Ty::Flag, "It must not be there."),
    may("default", Ty::Text, "Used by run when it is absent."),
];

static BOOT_FORMATS: &[&str] = &[
    "url",
    "integer",
    "boolean",
    "port",
    "email",
    "hex",
    "base64",
    "base64url",
    "json",
    "jwk",
    "pem",
];
/// `required_if` as a table.
pub const REQUIRED_IF: &[Key] = &[
    must("variable", Ty::Variable, "The other variable."),
    may(
        "equals",
        Ty::Text,
        "The value it has to have; any when absent.",
    ),
];

/// `[programs.*]`.
pub static PROGRAM: &[Key] = &[must("env", VARIABLES, "The variables it may see.")];

/// `{ credential | file | env }`; exactly one.
pub static REFERENCE: &[Key] = &[
    may("credential", Ty::Text, "A file in $CREDENTIALS_DIRECTORY."),
    may(
        "file",
        Ty::Text,
        "A file of mode 0600 or 0400 with the right owner.",
    ),
    may("env", Ty::Variable, "An environment variable."),
];

/// `keyrota.toml`.
pub static HOST: &[Key] = &[
    may(
        "host",
        Ty::Text,
        "This host's name; the machine's when absent.",
    ),
    may("schedules", Ty::Text, "The directory of the schedules."),
    may(
        "state",
        Ty::Text,
        "A path, or a postgres:// URL without a password.",
    ),
    may(
        "state_password",
        Ty::Reference,
        "The state database's password.",
    ),
    may(
        "state_ca_file",
        Ty::Text,
        "The CA certificates for the state database.",
    ),
    may("keys", Ty::Reference, "The seed of this host's keys."),
    may(
        "checkpoints",
        Ty::Text,
        "The directory for checkpoints outside the state.",
    ),
    may(
        "server",
        Ty::NotBuiltIn("keyrota serves no health, metrics and key set yet"),
        "Health, metrics and the public key set.",
    ),
    may(
        "alerts",
        Ty::NotBuiltIn("keyrota sends no alerts yet"),
        "Alerts for administrators.",
    ),
];
