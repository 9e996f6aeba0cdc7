//! Providers at Vault, and what may be kept there.

use super::Case;

#[cfg(feature = "vault")]
pub const CASES: &[Case] = &[
    (
        "all of it",
        "[providers.v]\nkind = 'vault'\naddress = 'https://vault.internal:8200'\nmount = 'team/kv'\nnamespace = 'a/b'\nca_file = 'ca.pem'\nauth = { method = 'approle', mount = 'approle-ci', role_id = 'r', secret_id = { credential = 'c' } }\n[secrets.a]\nkind = 'random'\nprovider = 'v'\nfield = 'password'",
        &[],
    ),
    (
        "the other logins",
        "[providers.v]\nkind = 'vault'\naddress = 'http://127.0.0.1:8200'\nmount = 'kv'\nauth = { method = 'token', token = { env = 'T' } }\n[providers.w]\nkind = 'vault'\naddress = 'https://w'\nmount = 'kv'\nauth = { method = 'jwt', mount = 'kubernetes', role = 'r', jwt_file = '/t' }",
        &[],
    ),
    (
        "all of it wrong",
        "[providers.v]\nkind = 'vault'\naddress = 'http://vault.internal:8200'\nmount = '/kv'\nnamespace = 'a b'\nauth = { method = 'approle', token = 's.1', role = 'r' }\npath = 'x'",
        &[
            "9:11 values would cross the network in the clear",
            "10:9 has an empty part",
            "11:13 is not a namespace",
            "12:1 `role_id` is missing",
            "12:1 `secret_id` is missing",
            "12:1 token: does not belong to the method approle",
            "12:38 a sensitive input is never written here",
            "12:52 does not belong to the method approle",
            "13:1 `path` does not apply",
        ],
    ),
    (
        "a metadata service",
        "[providers.v]\nkind = 'vault'\naddress = 'https://[::ffff:169.254.169.254]:8200'\nmount = 'kv'\nauth = { method = 'token', token = { env = 'T' } }",
        &["9:11 leads to a link-local address or a metadata service"],
    ),
    (
        "nothing of it",
        "[providers.v]\nkind = 'vault'",
        &[
            "7:12 `address` is missing",
            "7:12 `mount` is missing",
            "7:12 `auth` is missing",
        ],
    ),
    (
        "no such method",
        "[providers.v]\nkind = 'vault'\naddress = 'https://v'\nmount = 'kv'\nauth = { method = 'userpass' }",
        &["11:19 "],
    ),
    (
        "a mount for a token, two at once",
        "[providers.v]\nkind = 'vault'\naddress = 'https://v'\nmount = 'kv'\nauth = { method = 'token', mount = 'm', token = { env = 'T' }, jwt_file = 'j' }",
        &[
            "11:36 does not belong to the method token",
            "11:75 does not belong to the method token",
        ],
    ),
    (
        "paths that a URL would bend",
        "[providers.v]\nkind = 'vault'\naddress = 'https://v'\nmount = 'kv'\nauth = { method = 'token', token = { env = 'T' } }\n[secrets.a]\nkind = 'random'\nprovider = 'v'\npath = 'a//b'\n[secrets.b]\nkind = 'random'\nprovider = 'v'\npath = 'b.keyrota-pending'",
        &["12:10 path: has an empty part", "16:10 path: ends as"],
    ),
    (
        "a field where there are none",
        "[secrets.a]\nkind = 'random'\nfield = 'password'",
        &["7:10 field: its provider keeps one value per path"],
    ),
];

#[cfg(not(feature = "vault"))]
pub const CASES: &[Case] = &[(
    "a build without Vault",
    "[providers.v]\nkind = 'vault'\nmount = 'kv'\n[defaults.x]",
    &[
        "8:8 the provider kind \"vault\" is not built in; this build has file",
        "10:11 ",
    ],
)];
