//! The keys of `[[secrets.*.consumers]]`.

use std::borrow::Cow;

use super::table::{Key, Kinds, TEXTS, Ty, may, must};

/// `[[secrets.*.consumers]]`.
pub static CONSUMERS: Kinds = Kinds {
    noun: "consumer",
    common: &[
        may(
            "required",
            Ty::Flag,
            "Whether the rotation waits for it; true when absent.",
        ),
        may("host", Ty::Text, "Which host delivers; any when absent."),
    ],
    built: Cow::Borrowed(&[
        ("file", &[FILE]),
        ("command", &[COMMAND]),
        ("jwks", &[JWKS]),
    ]),
    planned: &["systemd", "webhook"],
};

static FILE: &[Key] = &[
    must("path", Ty::Text, "The file."),
    must(
        "format",
        Ty::Word(&["systemd", "dotenv", "docker", "raw", "json"]),
        "Its dialect.",
    ),
    may(
        "keys",
        Ty::Map(&Ty::Template),
        "What is written; the secret's variables when absent.",
    ),
    may("owner", Ty::Owner, "Who owns it."),
    may("mode", Ty::Mode, "Its permission bits; 0600 when absent."),
    may(
        "write",
        Ty::Word(&["replace", "in-place"]),
        "`in-place` overwrites a bind-mounted file: not atomic, a reader may see a part. `replace` when absent.",
    ),
];

static COMMAND: &[Key] = &[
    must(
        "argv",
        TEXTS,
        "The program (absolute) and its arguments; no shell.",
    ),
    may(
        "timeout",
        Ty::Duration,
        "How long it may take; 30s when absent.",
    ),
    may(
        "value",
        Ty::Flag,
        "Whether its standard input holds the values too.",
    ),
];

static JWKS: &[Key] = &[
    must("path", Ty::Text, "The file that holds the public set."),
    may("owner", Ty::Owner, "Who owns it."),
    may("mode", Ty::Mode, "Its permission bits; 0644 when absent."),
];
