//! The keys of `[defaults]` and `[secrets.*]`.

use super::table::{Family, Key, KindKeys, TEXTS, Ty, may, must};

/// `[defaults]`.
pub static DEFAULTS: &[Key] = &[
    PROVIDER, PATH, SCHEDULE, NOT_BEFORE, WINDOW, BLACKOUTS, JITTER, MAX_AGE, REFRESH, SKEW,
    SETTLE, GRACE,
];

const PROVIDER: Key = may(
    "provider",
    Ty::Text,
    "The provider that keeps it; the only one when absent.",
);
const PATH: Key = may(
    "path",
    Ty::Text,
    "Where it stands there; {environment} and {secret} are filled in.",
);
const SCHEDULE: Key = may(
    "schedule",
    Ty::Text,
    "When its turn comes: five cron fields or @monthly; only when asked if absent.",
);
const NOT_BEFORE: Key = may("not_before", Ty::Moment, "No turn before this.");
const WINDOW: Key = may(
    "window",
    Ty::Table(SPAN_OF_DAY),
    "Rotations begin only in this part of the day.",
);
const BLACKOUTS: Key = may(
    "blackouts",
    Ty::List(&Ty::Table(SPAN_OF_TIME)),
    "Rotations never begin in these spans.",
);
const JITTER: Key = may(
    "jitter",
    Ty::Duration,
    "Each turn is put off by a fixed share of this.",
);
const MAX_AGE: Key = may(
    "max_age",
    Ty::Duration,
    "Reported at 80 % of this age and at this age.",
);
const REFRESH: Key = may(
    "refresh",
    Ty::Duration,
    "Until every reader surely re-read a changed value.",
);
const SKEW: Key = may(
    "skew",
    Ty::Duration,
    "How far two clocks may differ; 60s when absent.",
);
const SETTLE: Key = may(
    "settle",
    Ty::Duration,
    "From the announcement of a key until it is used; derived when absent.",
);
const GRACE: Key = may(
    "grace",
    Ty::Duration,
    "From the switch until the old value dies; derived when absent.",
);

/// A span within a day.
pub const SPAN_OF_DAY: &[Key] = &[
    must("from", Ty::Clock, "First moment inside."),
    must("to", Ty::Clock, "First moment outside."),
];
/// A span of dates.
pub const SPAN_OF_TIME: &[Key] = &[
    must("from", Ty::Moment, "First moment inside."),
    must("to", Ty::Moment, "First moment outside."),
];
/// `confirm`.
pub const CONFIRM: &[Key] = &[
    must("after", Ty::Word(&["switch"]), "After which step."),
    must("ask", Ty::Text, "What the person has to do."),
];

/// `[[secrets.*.copies]]`.
pub const COPY: &[Key] = &[
    must("provider", Ty::Text, "The provider that keeps the copy."),
    must(
        "path",
        Ty::Text,
        "Where it stands there; {environment} and {secret} are filled in.",
    ),
    may(
        "field",
        Ty::Text,
        "The field of a secret that has several (vault); \"value\" when absent.",
    ),
    may(
        "render",
        Ty::Template,
        "What stands there, as in \"{password}\"; \"{value}\" when absent.",
    ),
];

/// What every `[secrets.*]` has.
pub static SECRET: &[Key] = &[
    PROVIDER,
    PATH,
    may(
        "field",
        Ty::Text,
        "The field of a secret that has several (vault); \"value\" when absent.",
    ),
    MAX_AGE,
    may(
        "env",
        Ty::Either(&Ty::Variable, &Ty::Map(&Ty::Template)),
        "The variable that shows it, or several with templates.",
    ),
    may(
        "copies",
        Ty::List(&Ty::Table(COPY)),
        "Further places that follow it; a grace begins when all have the new value.",
    ),
];

/// The kinds of secret.
pub static SECRETS: &[KindKeys] = &[
    ("jwt", &[JWT, FALLBACK, TURNS, ORIGIN, WHEN_ABSENT]),
    (
        "signing-key",
        &[SIGNING_KEY, FALLBACK, TURNS, ORIGIN, WHEN_ABSENT],
    ),
    ("random", &[RANDOM, TURNS, ORIGIN, WHEN_ABSENT]),
    ("postgres", &[DATABASE, POSTGRES, TURNS]),
    ("mysql", &[DATABASE, TURNS]),
    ("command", &[COMMAND, RANDOM, TURNS, WHEN_ABSENT]),
    ("external", &[EXTERNAL]),
];

static JWT: &[Key] = &[
    must(
        "algorithm",
        Ty::Word(&["HS256", "RS256", "ES256", "EdDSA"]),
        "The alg of its tokens.",
    ),
    may(
        "format",
        Ty::Word(&["pem", "jwk", "raw"]),
        "How the private key is written: pem when absent, raw for HS256.",
    ),
    may(
        "bytes",
        Ty::Count(32, 1024),
        "Length of an HS256 key; 32 when absent.",
    ),
    may(
        "bits",
        Ty::Count(2048, 8192),
        "Length of an RS256 key: 2048 (when absent), 3072, 4096 or 8192.",
    ),
    must("token_ttl", Ty::Duration, "The longest life of a token."),
    may(
        "jwks_max_age",
        Ty::Duration,
        "How long verifiers may keep the public set; 10m when absent.",
    ),
    may(
        "jwks_url",
        Ty::Text,
        "Where verifiers read the public set: settle begins when the kid is seen there.",
    ),
    may(
        "jwks_ca_file",
        Ty::Text,
        "The authorities that may vouch for the server of jwks_url; the system's when absent.",
    ),
    may(
        "jwks_private",
        Ty::Flag,
        "jwks_url may lead to this host or a private network.",
    ),
    may(
        "accept_invalidation",
        Ty::Flag,
        "HS256 without env_fallback: living tokens die at the switch.",
    ),
    may(
        "env_kid",
        Ty::Variable,
        "The variable that shows the key's id.",
    ),
];

static SIGNING_KEY: &[Key] = &[
    may(
        "bytes",
        Ty::Count(16, 1024),
        "Random bytes before encoding; 32 when absent.",
    ),
    may(
        "encoding",
        Ty::Word(&["hex", "base64", "base64url"]),
        "How they are written; hex when absent.",
    ),
    may("prefix", Ty::Text, "Fixed text before them."),
    may(
        "verifiers",
        Ty::Word(&["fallback", "self"]),
        "Who checks: readers of env and env_fallback, or the signer itself.",
    ),
    may(
        "signature_ttl",
        Ty::Duration,
        "How long a signature may still be presented; 0s when absent.",
    ),
];

static RANDOM: &[Key] = &[
    may(
        "length",
        Ty::Count(1, 4096),
        "Characters; 32 when absent. At least 128 bit with the alphabet.",
    ),
    may(
        "alphabet",
        Ty::Text,
        "Characters and ranges, as in A-Za-z0-9_-; A-Za-z0-9 when absent.",
    ),
];

static EXTERNAL: &[Key] = &[
    may(
        "format",
        Ty::Word(&["raw", "url", "json", "rds-json"]),
        "What the value looks like; raw when absent.",
    ),
    may("min_bytes", Ty::Count(1, 1_048_576), "The least length."),
];

static FALLBACK: &[Key] = &[
    may(
        "env_fallback",
        Ty::Variable,
        "A second variable readers accept: pending, else previous, else absent.",
    ),
    may(
        "fallback_path",
        Ty::Text,
        "A place in the same provider that holds the same; for platforms that read only stored entries.",
    ),
    may(
        "fallback_idle",
        Ty::Word(&["omit", "filler"]),
        "What stands at fallback_path when there is no fallback: nothing, or text that is no key.",
    ),
    SETTLE,
];

static DATABASE: &[Key] = &[
    must(
        "strategy",
        Ty::Word(&["alternating-users", "single-user"]),
        "Two users in turns, without an outage; or one, whose password changes.",
    ),
    must("users", TEXTS, "The users: two that alternate, or one."),
    must(
        "url",
        Ty::Template,
        "Where the application logs in, with {user} and {password}: postgres://{user}:{password}@host:5432/app",
    ),
    may(
        "server",
        Ty::Text,
        "host:port of the server itself, if url names a pooler in front of it.",
    ),
    may(
        "ca_file",
        Ty::Text,
        "The authorities that may vouch for the server; TLS is always verified.",
    ),
    may(
        "admin",
        Ty::Text,
        "The external secret that may change the users.",
    ),
    may(
        "format",
        Ty::Word(&["url", "rds-json"]),
        "How the value is written; url when absent.",
    ),
    may(
        "accept_gap",
        Ty::Flag,
        "single-user: readers cannot log in from the change until they have the new value.",
    ),
];

static POSTGRES: &[Key] = &[may(
    "require_auth",
    TEXTS,
    "How the server may ask for a password: scram-sha-256, md5, password; scram-sha-256 alone when absent.",
)];

static COMMAND: &[Key] = &[
    must(
        "argv",
        TEXTS,
        "The program that changes it, and its arguments; no shell.",
    ),
    must(
        "slots",
        Ty::Word(&["dual", "single"]),
        "Whether its target accepts the old and the new value at once.",
    ),
    may(
        "timeout",
        Ty::Duration,
        "The longest one call may take; 30s when absent.",
    ),
    may(
        "uses",
        TEXTS,
        "The external secrets that the program needs beside its own.",
    ),
];

static WHEN_ABSENT: &[Key] = &[may(
    "when_absent",
    Ty::Word(&["create", "refuse"]),
    "What rotate does when nothing is kept yet.",
)];

static ORIGIN: &[Key] = &[may(
    "origin",
    Ty::Word(&["generated", "imported"]),
    "imported: only its issuer makes it.",
)];

static TURNS: &[Key] = &[
    SCHEDULE,
    NOT_BEFORE,
    WINDOW,
    BLACKOUTS,
    JITTER,
    REFRESH,
    SKEW,
    GRACE,
    may(
        "confirm",
        Ty::Table(CONFIRM),
        "A person must act after the switch before the grace starts.",
    ),
    may(
        "consumers",
        Ty::List(&Ty::Kinds(Family::Consumer)),
        "Who is told, in this order.",
    ),
];
