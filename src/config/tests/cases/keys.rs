//! Keys that sign, their waits and their turns.

use super::Case;

pub(super) const CASES: &[Case] = &[
    (
        "settle of a published key",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'ES256'\ntoken_ttl = '1h'\nsettle = '10m'",
        &["11:10 shorter than jwks_max_age + skew = 11m; write settle = \"11m\""],
    ),
    (
        "grace of tokens",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'ES256'\ntoken_ttl = '1h'\ngrace = '1h'",
        &["11:9 token_ttl + refresh + skew = 1h 2m; write grace = \"62m\""],
    ),
    (
        "just long enough",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'ES256'\ntoken_ttl = '1h'\nsettle = '11m'\ngrace = '62m'",
        &[],
    ),
    (
        "HS256 alone",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '1h'",
        &["7:10 tokens signed with the old key would be rejected"],
    ),
    (
        "HS256 accepted",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '1h'\naccept_invalidation = true",
        &[],
    ),
    (
        "HS256 fallback",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '1h'\nenv='A'\nenv_fallback = 'B'\nsettle='1m'",
        &["13:8 refresh + skew = 2m"],
    ),
    (
        "HS256 fallback in a file",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '1h'\n[[secrets.a.consumers]]\nkind = 'file'\npath = 'a'\nformat = 'json'\nkeys = { A = '{value}', B = '{fallback}' }",
        &[],
    ),
    (
        "HS256 published",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '1h'\nenv_fallback = 'B'\njwks_url = 'https://a/b'",
        &["12:12 never published"],
    ),
    (
        "HS256 short",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '1h'\nenv_fallback = 'B'\nbytes = 16",
        &["12:9 is less than 32"],
    ),
    (
        "RSA short",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'RS256'\ntoken_ttl = '1h'\nbits = 1024",
        &["11:8 is less than 2048"],
    ),
    (
        "bits of ES256",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'ES256'\ntoken_ttl = '1h'\nbits = 2048",
        &["11:8 does not apply to ES256"],
    ),
    (
        "alg none",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'none'\ntoken_ttl = '1h'",
        &["9:13 write one of HS256, RS256, ES256, EdDSA"],
    ),
    (
        "raw EdDSA",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\nformat = 'raw'",
        &["11:10 no raw form"],
    ),
    (
        "plain http",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'http://id.example.com/jwks'",
        &["11:12 https"],
    ),
    (
        "local http",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'http://127.0.0.1:9700/jwks'\njwks_private = true",
        &[],
    ),
    (
        "local, unsaid",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'http://localhost:9700/jwks'",
        &["11:12 leads to this host or a private network"],
    ),
    (
        "private",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'https://10.1.2.3/jwks'",
        &["11:12 leads to this host or a private network"],
    ),
    (
        "private, in another form",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'https://0x7f.1/jwks'",
        &["11:12 leads to this host or a private network"],
    ),
    (
        "metadata",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'https://[::ffff:169.254.169.254]/jwks'\njwks_private = true",
        &["11:12 leads to a link-local address or a metadata service"],
    ),
    (
        "metadata by name",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_url = 'https://metadata.google.internal/jwks'\njwks_private = true",
        &["11:12 leads to a link-local address or a metadata service"],
    ),
    (
        "an authority for nothing",
        "[secrets.a]\nkind = 'jwt'\nalgorithm = 'EdDSA'\ntoken_ttl = '1h'\njwks_ca_file = 'ca.pem'",
        &["11:16 says nothing without jwks_url"],
    ),
    (
        "who verifies",
        "[secrets.a]\nkind = 'signing-key'",
        &["7:10 set env_fallback or verifiers"],
    ),
    (
        "self settles at once",
        "[secrets.a]\nkind = 'signing-key'\nverifiers = 'self'\nenv_fallback = 'B'\nsettle = '1m'",
        &["11:10 no reader learns the new key in advance"],
    ),
    (
        "self without fallback",
        "[secrets.a]\nkind = 'signing-key'\nverifiers = 'self'",
        &["7:10 warning: secrets.a: signatures from before a rotation"],
    ),
    (
        "signature",
        "[secrets.a]\nkind = 'signing-key'\nenv_fallback = 'B'\nsignature_ttl = '5m'\ngrace = '6m'",
        &["11:9 signature_ttl + refresh + skew = 7m"],
    ),
    (
        "turn in a grace",
        "[secrets.a]\nkind = 'random'\nschedule = '@hourly'\ngrace = '2h'",
        &[
            "9:12 the schedule rotates every 1h, but a rotation takes 2h: settle 0s + grace 2h; write \"0 */6 * * *\"",
        ],
    ),
    (
        "turns",
        "[secrets.a]\nkind = 'random'\nschedule = '0 0 30 2 *'",
        &["9:12 never"],
    ),
    (
        "no schedule at all",
        "[secrets.a]\nkind = 'random'\nschedule = 'hunter2 * * * *'",
        &["9:12 is not a schedule"],
    ),
];
