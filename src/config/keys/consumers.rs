//! The keys of `[[secrets.*.consumers]]`.

use super::table::{Key, Ty, may};

/// What every `[[secrets.*.consumers]]` has.
pub static CONSUMER: &[Key] = &[
    may(
        "required",
        Ty::Flag,
        "Whether the rotation waits for it; true when absent.",
    ),
    may("host", Ty::Text, "Which host delivers; any when absent."),
];
