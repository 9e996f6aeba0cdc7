//! What the tests of all consumers share.

use keyrota_contract::{Delivery, Exposure, Round, SecretValue, Variable};
use uuid::Uuid;

pub(super) fn variable(name: &str, value: Option<&str>) -> Variable {
    let value = value.map(|v| SecretValue::copy_of(v.as_bytes()));
    Variable {
        name: name.to_owned(),
        value,
    }
}

pub(super) fn showing<const N: usize>(variables: [(&str, Option<&str>); N]) -> Exposure {
    let variables = variables.into_iter().map(|(n, v)| variable(n, v)).collect();
    Exposure {
        variables,
        jwks: None,
    }
}

pub(super) fn delivery(exposure: &Exposure) -> Delivery<'_> {
    Delivery {
        round: Round::Switch,
        environment: "staging",
        secret: "token",
        rotation: Uuid::from_u128(1),
        version: Some(Uuid::from_u128(2)),
        fingerprint: "f1",
        exposure,
    }
}
