//! The keys of `[defaults]` and `[secrets.*]`: those of all kinds, and groups that several kinds have.

use super::table::{Family, Key, Ty, may, must};

/// `[defaults]`.
pub static DEFAULTS: &[Key] = &[
    PROVIDER, PATH, SCHEDULE, NOT_BEFORE, WINDOW, BLACKOUTS, JITTER, MAX_AGE, REFRESH, SKEW,
    SETTLE, GRACE,
];

const PROVIDER: Key = may(
    "provider",
    Ty::Text,
    "The provider that stores it; the only one when absent.",
);
const PATH: Key = may(
    "path",
    Ty::Text,
    "The path in the provider; {environment} and {secret} are filled in.",
);
const SCHEDULE: Key = may(
    "schedule",
    Ty::Text,
    "When it rotates: five cron fields or @monthly. Without it, only on request.",
);
const NOT_BEFORE: Key = may(
    "not_before",
    Ty::Moment,
    "No scheduled rotation before this moment.",
);
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
    "Delays each rotation by a fixed share of this.",
);
const MAX_AGE: Key = may(
    "max_age",
    Ty::Duration,
    "Reported at 80 % of this age and at this age.",
);
const REFRESH: Key = may(
    "refresh",
    Ty::Duration,
    "How long until every reader has surely read a changed value again.",
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
    "From the switch until the old value is revoked; derived when absent.",
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
        "The path in the provider; {environment} and {secret} are filled in.",
    ),
    may(
        "field",
        Ty::Text,
        "The field of a secret that has several (vault); \"value\" when absent.",
    ),
    may(
        "render",
        Ty::Template,
        "What the copy contains, as in \"{password}\"; \"{value}\" when absent.",
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

/// The id of a key.
pub const KID: &[Key] = &[may(
    "env_kid",
    Ty::Variable,
    "The variable that shows the key's id.",
)];

/// The second value that readers accept, and how long it is announced.
pub const FALLBACK: &[Key] = &[
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
        "What fallback_path contains when there is no fallback: nothing, or text that is no key.",
    ),
    SETTLE,
];

/// What `rotate` does when nothing is kept yet.
pub const WHEN_ABSENT: &[Key] = &[may(
    "when_absent",
    Ty::Word(&["create", "refuse"]),
    "What rotate does when nothing is kept yet.",
)];

/// Who makes it.
pub const ORIGIN: &[Key] = &[may(
    "origin",
    Ty::Word(&["generated", "imported"]),
    "imported: only its issuer makes it.",
)];

/// When and how it is rotated, and who is told.
pub const TURNS: &[Key] = &[
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
        "The consumers, in the order in which they are notified.",
    ),
];
