//! A table whose `kind` decides its keys.

use toml::de::DeTable;

use super::super::keys::{Family, Key, Ty};
use super::super::plain::meant;
use super::super::values::Spot;
use super::{Reader, Section, in_order, is_secret, join};

impl Reader<'_> {
    /// Takes a table apart by its `kind`; `None` if that is missing, unknown or not built in.
    pub fn kind<'t>(
        &mut self,
        table: &'t DeTable<'t>,
        family: Family,
        spot: Spot,
        at: &str,
    ) -> Option<(&'static str, Section<'t>)> {
        let kinds = self.kinds.of(family);
        let list = kinds.names().collect::<Vec<_>>().join(", ");
        let Some(node) = table.get("kind") else {
            if !self.broken {
                self.error(
                    spot,
                    at,
                    "`kind` is missing",
                    format!("add kind = …: one of {list}"),
                );
            }
            return None;
        };
        let (kind_spot, path) = (self.spot(node), join(at, "kind"));
        let Some(word) = node.get_ref().as_str() else {
            self.error(
                kind_spot,
                &path,
                "has to be text",
                format!("write one of {list}"),
            );
            return None;
        };
        if let Some(planned) = kinds.planned.iter().find(|k| **k == word) {
            self.error(
                kind_spot,
                &path,
                format!("the {} kind \"{planned}\" is not built in", kinds.noun),
                format!("this build has {list}"),
            );
            for (spot, key, node) in in_order(self.source, table)
                .into_iter()
                .filter(|(_, key, node)| is_secret(key, node))
            {
                self.unknown(spot, key, node, &[], at, &[]);
            }
            return None;
        }
        let Some((known, _)) = kinds.built.iter().find(|(k, _)| *k == word) else {
            let guess = self.guess(word, kinds.names().chain(kinds.planned.iter().copied()));
            let what = format!("there is no {} kind {}", kinds.noun, self.shown(word));
            self.error(
                kind_spot,
                &path,
                what,
                meant(guess, &format!("this build has {list}")),
            );
            return None;
        };
        let mut keys = kinds.keys(known)?;
        keys.push(&KIND);
        let elsewhere: Vec<&str> = kinds
            .names()
            .filter_map(|k| kinds.keys(k))
            .flatten()
            .map(|k| k.name)
            .collect();
        Some((known, self.section(table, &keys, spot, at, &elsewhere)))
    }
}

static KIND: Key = Key {
    name: "kind",
    ty: Ty::Text,
    required: true,
    default: None,
    doc: "What it is.",
};
