//! `[providers.*]` at Vault or OpenBao.

use super::{Key, Ty, may, must};

/// The kind's own keys.
#[cfg(feature = "vault")]
pub static VAULT: &[Key] = &[
    must(
        "address",
        Ty::Text,
        "The server: https://HOST:PORT; http for this host only.",
    ),
    must(
        "mount",
        Ty::Text,
        "The mount of a key/value engine, version 2.",
    ),
    may(
        "namespace",
        Ty::Text,
        "The namespace of mount and login; none when absent.",
    ),
    may(
        "ca_file",
        Ty::Text,
        "The authorities that may vouch for the server; the system's when absent.",
    ),
    must("auth", Ty::Table(AUTH), "How it logs in."),
];

/// `auth`; which keys it has is decided by its `method`.
pub const AUTH: &[Key] = &[
    must(
        "method",
        Ty::Word(&["token", "approle", "jwt"]),
        "token: there is one already; approle; jwt: also Kubernetes.",
    ),
    may(
        "mount",
        Ty::Text,
        "Where approle or jwt is mounted; the method's name when absent.",
    ),
    may("token", Ty::Reference, "token: the token."),
    may("role_id", Ty::Text, "approle: the role's id."),
    may("secret_id", Ty::Reference, "approle: the secret half."),
    may("role", Ty::Text, "jwt: the role's name."),
    may(
        "jwt_file",
        Ty::Text,
        "jwt: the file with the signed token, read at each login.",
    ),
];
