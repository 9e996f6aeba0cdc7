//! Who is notified of a rotation, as the machine knows them.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use keyrota_rotation::Listener;

use super::copies::place as copies;
use crate::config::model::{Consumer, EnvVar, Environment, Secret};

/// The listeners of `secret`, in the order in which they are notified. Copies come first, because
/// a program that a consumer calls may read them.
pub fn of(env: &Environment, secret: &Secret) -> Vec<Listener> {
    let copies = copies::listeners(env, secret).map(|(key, shows)| Listener {
        key,
        required: true,
        definition: digest_of(&shows),
    });
    let consumers = secret.consumers.iter().map(|consumer| Listener {
        key: consumer.key(),
        required: consumer.required,
        definition: definition(consumer),
    });
    copies.chain(consumers).collect()
}

/// A digest of how `consumer` is notified, beside what its key names. Under another one it has to
/// be notified again, even if the values are the same.
pub fn definition(consumer: &Consumer) -> String {
    let facts = &consumer.facts;
    digest_of(&format!("{} {}", facts.definition, shown(&facts.variables)))
}

/// Variables without their lines in the schedule, which say nothing about them.
fn shown(variables: &[EnvVar]) -> String {
    let each = variables.iter().map(|v| (&v.name, v.role, &v.template));
    format!("{:?}", each.collect::<Vec<_>>())
}

fn digest_of(text: &str) -> String {
    HEXLOWER.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..8])
}
