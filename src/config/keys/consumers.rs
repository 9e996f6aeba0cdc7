//! The keys of `[[secrets.*.consumers]]`.

use super::table::{Key, Ty, may};

/// What every `[[secrets.*.consumers]]` has.
pub static CONSUMER: &[Key] = &[
    may(
        "required",
        Ty::Flag,
        "Whether the rotation waits for it; true when absent.",
    ),
    may(
        "host",
        Ty::NotBuiltIn("the host that rotates also delivers"),
        "Which host delivers.",
    ),
];
