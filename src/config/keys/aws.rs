//! `[providers.*]` at AWS.

use super::{Key, Ty, may, must};

/// What both kinds have.
pub static AWS: &[Key] = &[
    must("region", Ty::Text, "The region, as eu-central-1."),
    may(
        "endpoint_url",
        Ty::Text,
        "Another address of the service: a VPC endpoint, a test server.",
    ),
    may(
        "profile",
        Ty::Text,
        "A profile of the shared configuration files; the default chain of credentials when absent.",
    ),
    may(
        "role_arn",
        Ty::Text,
        "A role to assume with those credentials.",
    ),
    may(
        "kms_key_id",
        Ty::Text,
        "The KMS key for what is made here; AWS' own key of the service when absent.",
    ),
];

/// What Parameter Store has beside.
pub static SSM: &[Key] = &[
    may(
        "tier",
        Ty::Word(&["standard", "advanced"]),
        "Up to 4 KiB, or up to 8 KiB at a charge; standard when absent.",
    ),
    may(
        "writes_per_second",
        Ty::Count(1, 1_000),
        "How many parameters AWS lets this account put in a second; 3 when absent.",
    ),
];
