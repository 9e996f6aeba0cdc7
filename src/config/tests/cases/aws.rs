//! Providers at AWS, and what may be kept there.

use super::Case;

/// Sound providers, in lines 7 to 12.
macro_rules! with {
    ($rest:literal) => {
        concat!(
            "[providers.sm]\nkind = 'aws-secrets-manager'\nregion = 'eu-central-1'\n[providers.ssm]\nkind = 'aws-ssm'\nregion = 'us-gov-west-1'\n",
            $rest
        )
    };
}

#[cfg(feature = "aws")]
pub const CASES: &[Case] = &[
    (
        "all of it",
        "[providers.a]\nkind = 'aws-ssm'\nregion = 'eu-central-1'\nendpoint_url = 'http://127.0.0.1:4566'\nprofile = 'ops'\nrole_arn = 'arn:aws-cn:iam::123456789012:role/a/b'\nkms_key_id = 'alias/k'\ntier = 'advanced'\nwrites_per_second = 10",
        &[],
    ),
    (
        "all of it wrong",
        "[providers.a]\nkind = 'aws-ssm'\nregion = 'Frankfurt'\nendpoint_url = 'http://aws.example'\nrole_arn = 'arn:aws:iam::1:role/a'\nkms_key_id = 'arn:aws:kms:*:*:key/*'\ntier = 'large'\nwrites_per_second = 0\npath = 'x'",
        &[
            "9:10 region: is not an AWS region",
            "10:16 has to be an https URL",
            "11:12 is not a role's ARN",
            "12:14 is not a KMS key",
            "13:8 there is no choice of this name",
            "14:21 is less than 1",
            "15:1 `path` does not apply",
        ],
    ),
    (
        "no region",
        "[providers.a]\nkind = 'aws-secrets-manager'",
        &["7:12 `region` is missing"],
    ),
    (
        "a key of the other kind",
        "[providers.a]\nkind = 'aws-secrets-manager'\nregion = 'eu-central-1'\ntier = 'standard'",
        &["10:1 does not apply to this kind"],
    ),
    (
        "names that AWS takes",
        with!(
            "[secrets.a]\nkind = 'random'\nprovider = 'sm'\n[secrets.b]\nkind = 'external'\nprovider = 'sm'\npath = 'rds!db-1'\n[secrets.c]\nkind = 'random'\nprovider = 'ssm'\n[secrets.d]\nkind = 'random'\nprovider = 'ssm'\npath = '/a/b'"
        ),
        &[],
    ),
    (
        "an entry that AWS cannot take away",
        with!(
            "[secrets.a]\nkind = 'signing-key'\nprovider = 'ssm'\nfallback_path = 'x'\nfallback_idle = 'omit'\n[secrets.b]\nkind = 'signing-key'\nprovider = 'sm'\nfallback_path = 'y'\nfallback_idle = 'omit'"
        ),
        &[
            "17:17 Parameter Store cannot take an entry away",
            "22:17 Secrets Manager cannot take an entry away",
        ],
    ),
    (
        "names that AWS does not take",
        with!(
            "[secrets.a]\nkind = 'random'\nprovider = 'sm'\npath = 'a b'\n[secrets.b]\nkind = 'random'\nprovider = 'ssm'\npath = 'a+b'\n[secrets.c]\nkind = 'random'\nprovider = 'ssm'\npath = 'AWS/key'\n[secrets.d]\nkind = 'random'\nprovider = 'ssm'\npath = 'a/b/c/d/e/f/g/h/i/j/k/l/m/n'\n[secrets.e]\nkind = 'random'\nprovider = 'ssm'\npath = 'a/.keyrota/pending'\n[secrets.f]\nkind = 'external'\nprovider = 'sm'\npath = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf'"
        ),
        &[
            "13:10 path: is not a name that Secrets Manager takes",
            "17:10 path: is not a name that Parameter Store takes",
            "21:10 path: begins with aws or ssm",
            "25:10 path: has too many levels",
            "29:10 path: has a level that keyrota keeps",
            "33:10 path: is an ARN, and the same secret has a name too",
        ],
    ),
    (
        "a kid that is drawn",
        with!(
            "[secrets.a]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '5m'\naccept_invalidation = true\nenv_kid = 'KID'\nenv = 'KEY'\nprovider = 'sm'\n[secrets.b]\nkind = 'jwt'\nalgorithm = 'HS256'\ntoken_ttl = '5m'\naccept_invalidation = true\nenv_kid = 'KID2'\nenv = 'KEY2'\nprovider = 'ssm'"
        ),
        &["13:10 shows a kid that Secrets Manager does not keep"],
    ),
];

#[cfg(not(feature = "aws"))]
pub const CASES: &[Case] = &[(
    "a build without AWS",
    with!("[secrets.a]\nkind = 'random'\nprovider = 'local'"),
    &[
        "8:8 the provider kind \"aws-secrets-manager\" is not built in; this build has file",
        "11:8 the provider kind \"aws-ssm\" is not built in; this build has file",
    ],
)];
