//! Every key of every file: its name, its type, what it is for. Unknown keys, wrong types, the
//! printed JSON Schema and what may be shown of a line all come from these tables and nowhere else.

use std::borrow::Cow;

mod consumers;
mod secrets;

pub use consumers::CONSUMERS;
pub use secrets::{CONFIRM, COPY, DEFAULTS, SECRETS, SPAN_OF_DAY, SPAN_OF_TIME};

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub ty: Ty,
    /// Whether it must be there.
    pub required: bool,
    /// What it is for, in one line.
    pub doc: &'static str,
}

impl Key {
    /// Whether this build understands it.
    pub fn is_built_in(&self) -> bool {
        !matches!(self.ty, Ty::NotBuiltIn)
    }
}

/// What may stand at a key.
#[derive(Debug)]
pub enum Ty {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `90s 10m 24h 7d 12w`.
    Duration,
    /// A whole number in this range.
    Count(u32, u32),
    /// `true` or `false`.
    Flag,
    /// A date, or a date and time; without an offset in the environment's zone.
    Moment,
    /// `"HH:MM"`.
    Clock,
    /// The name of an environment variable.
    Variable,
    /// Text with `{field}`.
    Template,
    /// Octal permission bits, `"0600"`.
    Mode,
    /// `"user:group"`.
    Owner,
    /// `{ credential = … }`, `{ file = … }` or `{ env = … }`.
    Reference,
    /// A list.
    List(&'static Ty),
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table of names of the file's own choosing.
    Map(&'static Ty),
    /// Either of two.
    Either(&'static Ty, &'static Ty),
    /// A table whose `kind` decides its keys.
    Kinds(Family),
    /// Known, and not in this build.
    NotBuiltIn,
}

/// The three families of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `[providers.*]`.
    Provider,
    /// `[secrets.*]`.
    Secret,
    /// `[[secrets.*.consumers]]`.
    Consumer,
}

/// The word of a kind, and the keys only it has.
pub type KindKeys = (&'static str, &'static [&'static [Key]]);

/// The kinds of one family.
#[derive(Debug)]
pub struct Kinds {
    /// What they are called together.
    pub noun: &'static str,
    /// Keys every kind has.
    pub common: &'static [Key],
    /// The kinds of this build and the keys only they have.
    pub built: Cow<'static, [KindKeys]>,
    /// Kinds the file format knows and this build has not.
    pub planned: &'static [&'static str],
}

impl Kinds {
    /// The kinds of this build.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.built.iter().map(|(name, _)| *name)
    }

    /// The keys of one kind of this build; `None` for any other word.
    pub fn keys(&self, kind: &str) -> Option<Vec<&'static Key>> {
        let (_, own) = self.built.iter().find(|(name, _)| *name == kind)?;
        Some(
            self.common
                .iter()
                .chain(own.iter().copied().flatten())
                .collect(),
        )
    }
}

/// A key that has to be there.
pub const fn must(name: &'static str, ty: Ty, doc: &'static str) -> Key {
    Key {
        name,
        ty,
        required: true,
        doc,
    }
}

/// A key that may be there.
pub const fn may(name: &'static str, ty: Ty, doc: &'static str) -> Key {
    Key {
        name,
        ty,
        required: false,
        doc,
    }
}

/// A list of texts.
pub const TEXTS: Ty = Ty::List(&Ty::Text);
const VARIABLES: Ty = Ty::List(&Ty::Variable);

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
        "What keeps values.",
    ),
    may(
        "secrets",
        Ty::Map(&Ty::Kinds(Family::Secret)),
        "What is kept, changed and told.",
    ),
    may(
        "env",
        Ty::Map(&Ty::Table(BOOT)),
        "Variables programs need that keyrota does not make.",
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
        "The authorities that may vouch for the state database.",
    ),
    may("keys", Ty::Reference, "The seed of this host's keys."),
    may(
        "checkpoints",
        Ty::Text,
        "The directory for checkpoints outside the state.",
    ),
    may(
        "server",
        Ty::NotBuiltIn,
        "Health, metrics and the public key set.",
    ),
    may("alerts", Ty::NotBuiltIn, "What pages a person."),
];

/// The words that any table of these kinds, or any other of a file, may hold as a value.
pub fn words<'k>(kinds: impl IntoIterator<Item = &'k Kinds>) -> Vec<&'static str> {
    let mut words = vec![
        "development",
        "staging",
        "production",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
        "true",
        "false",
        "UTC",
    ];
    words.extend(CONFIRM.iter().chain(BOOT).flat_map(words_at));
    for kinds in kinds {
        words.extend(kinds.names().chain(kinds.planned.iter().copied()));
        let tables = kinds
            .built
            .iter()
            .flat_map(|(_, keys)| keys.iter().copied());
        words.extend(tables.flatten().flat_map(words_at));
    }
    words
}

fn words_at(key: &Key) -> Vec<&'static str> {
    match &key.ty {
        Ty::Word(words) => words.to_vec(),
        Ty::Table(keys) => keys.iter().flat_map(words_at).collect(),
        _ => Vec::new(),
    }
}

/// Whether a template is made of `{fields}` alone.
pub fn is_field_only(text: &str) -> bool {
    let mut rest = text;
    while let Some(inner) = rest.strip_prefix('{') {
        let Some((field, after)) = inner.split_once('}') else {
            return false;
        };
        if ![
            "value",
            "kid",
            "fallback",
            "username",
            "password",
            "host",
            "port",
            "environment",
            "secret",
        ]
        .contains(&field)
        {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}
