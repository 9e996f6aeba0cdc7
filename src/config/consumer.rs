//! `[[secrets.*.consumers]]`: who is told.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::effort;
use super::keys::Family;
use super::model::{Consumer, Secret};
use super::read::{Reader, Section, join};
use super::registry::{ConsumerRead, ForSecret, Registry, Sharing};
use super::values::Spot;

/// The consumers of one secret.
pub fn all(
    reader: &mut Reader<'_>,
    secret: &Section<'_>,
    of: &ForSecret<'_>,
    registry: &Registry,
) -> Vec<Consumer> {
    let items = secret
        .get("consumers")
        .and_then(|(_, node)| node.get_ref().as_array());
    let mut consumers = Vec::new();
    for (i, item) in items.into_iter().flatten().enumerate() {
        let at = format!("{}[{i}]", join(&secret.at, "consumers"));
        let Some(table) = item.get_ref().as_table() else {
            continue;
        };
        let spot = reader.spot(item);
        let Some((word, section)) = reader.kind(table, Family::Consumer, spot, &at) else {
            continue;
        };
        let Some(kind) = registry.consumer(word) else {
            continue;
        };
        let ConsumerRead { facts, settings } = (kind.read)(reader, &section, of);
        consumers.push(Consumer {
            kind,
            facts,
            settings,
            required: section.flag("required").unwrap_or(true),
            spot,
        });
    }
    consumers
}

/// Several secrets may share an environment file, if they agree about it and name different keys.
pub fn once(reader: &mut Reader<'_>, secrets: &[Secret]) {
    let mut files: BTreeMap<&Path, Shared<'_>> = BTreeMap::new();
    for secret in secrets {
        for (i, consumer) in secret.consumers.iter().enumerate() {
            let at = format!("{}[{i}]", join(&join("secrets", &secret.name), "consumers"));
            let Some(this) = &consumer.facts.file else {
                continue;
            };
            effort::spend(1);
            let key = this.path.as_path();
            let Some(file) = files.get_mut(key) else {
                files.insert(key, Shared::of(consumer, &this.sharing));
                continue;
            };
            if let Some((what, other)) = file.disagreement(consumer, &this.sharing) {
                let help = "give each a file or key of its own";
                reader.clash(consumer.spot, &at, what, help, other, "the other");
            }
            file.add(consumer);
        }
    }
}

/// A file that consumers share.
struct Shared<'a> {
    /// Its first consumer.
    spot: Spot,
    /// What that says of the file.
    first: &'a Sharing,
    /// The keys that are written, and by which consumer.
    keys: HashMap<&'a str, Spot>,
}

impl<'a> Shared<'a> {
    fn of(consumer: &'a Consumer, first: &'a Sharing) -> Self {
        let mut file = Self {
            spot: consumer.spot,
            first,
            keys: HashMap::new(),
        };
        file.add(consumer);
        file
    }

    fn add(&mut self, consumer: &'a Consumer) {
        for key in &consumer.facts.variables {
            self.keys.entry(&key.name).or_insert(consumer.spot);
        }
    }

    /// Why one more consumer cannot share the file, and with whom.
    fn disagreement(&self, new: &Consumer, sharing: &Sharing) -> Option<(&'static str, Spot)> {
        let what = match (self.first, sharing) {
            (Sharing::Never, _) | (_, Sharing::Never) => {
                "is written by two consumers, and each would replace the other's text"
            }
            (Sharing::OneValue, _) | (_, Sharing::OneValue) => {
                "a raw file holds one value, and two consumers write it"
            }
            (Sharing::Entries(first), Sharing::Entries(new)) if first.format != new.format => {
                "another consumer writes the same file in another format"
            }
            (Sharing::Entries(first), Sharing::Entries(new))
                if (&first.owner, first.mode) != (&new.owner, new.mode) =>
            {
                "another consumer gives the same file another owner or mode"
            }
            (Sharing::Entries(first), Sharing::Entries(new)) if first.in_place != new.in_place => {
                "another consumer writes the same file in another way (`write`)"
            }
            (Sharing::Entries(_), Sharing::Entries(_)) => {
                let mut keys = new.facts.variables.iter();
                let taken = keys.find_map(|k| self.keys.get(k.name.as_str()));
                let what = "another consumer writes the same key of the same file";
                return taken.map(|other| (what, *other));
            }
        };
        Some((what, self.spot))
    }
}
