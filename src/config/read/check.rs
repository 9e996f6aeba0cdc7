//! Whether a value has the type its key wants.

use std::path::Path;

use toml::de::DeValue;

use super::super::keys::{Key, REFERENCE, Ty};
use super::super::values::{Reference, Spot};
use super::super::words;
use super::{Node, Reader, Section, in_order, join};

impl Reader<'_> {
    /// Whether a value has the type; what has not is reported.
    pub(super) fn check(&mut self, node: Node<'_>, ty: &Ty, key_spot: Spot, at: &str) -> bool {
        let spot = self.spot(node);
        let value = node.get_ref();
        let wrong = match (ty, value) {
            (Ty::NotBuiltIn(why), _) => {
                let what = format!("is not built in: {why}");
                self.error(key_spot, at, what, "remove it; this build does without");
                return false;
            }
            (Ty::Count(min, max), DeValue::Integer(n)) => {
                let number = n.as_str().parse::<u32>().ok().filter(|_| n.radix() == 10);
                if number.is_some_and(|n| (*min..=*max).contains(&n)) {
                    return true;
                }
                let what = if number.is_some_and(|n| n < *min) {
                    format!("is less than {min}")
                } else {
                    format!("is not a number from {min} to {max}")
                };
                self.error(
                    spot,
                    at,
                    what,
                    format!("write a number from {min} to {max}"),
                );
                return false;
            }
            (Ty::Flag, DeValue::Boolean(_)) => return true,
            (Ty::Moment, DeValue::Datetime(d)) if d.date.is_some() => return true,
            (Ty::List(of), DeValue::Array(items)) => {
                // Tables of a kind and nested tables are taken apart, and reported, by their reader.
                let deep = matches!(of, Ty::Kinds(_) | Ty::Table(_));
                let mut sound = true;
                for (i, item) in items.iter().enumerate() {
                    let path = format!("{at}[{i}]");
                    sound &= if deep {
                        self.is_table(item, &path)
                    } else {
                        self.check(item, of, key_spot, &path)
                    };
                }
                return sound;
            }
            (Ty::Map(of), DeValue::Table(t)) => {
                let mut sound = true;
                for (_, key, item) in in_order(self.source, t) {
                    let path = join(at, key);
                    sound &= match of {
                        Ty::Kinds(_) | Ty::Table(_) => self.is_table(item, &path),
                        of => self.check(item, of, key_spot, &path),
                    };
                }
                // One bad entry does not hide the others.
                return sound || matches!(of, Ty::Kinds(_) | Ty::Table(_));
            }
            (Ty::Either(text, _), DeValue::String(_)) => {
                return self.check(node, text, key_spot, at);
            }
            (Ty::Either(_, table), DeValue::Table(_)) => {
                return self.check(node, table, key_spot, at);
            }
            (Ty::Table(_) | Ty::Kinds(_) | Ty::Reference, DeValue::Table(_)) => return true,
            (Ty::Reference, DeValue::String(_)) => {
                let what = "a sensitive input is never written here";
                let help = "say where it is found: { credential = \"name\" }, { file = \"/path\" } or { env = \"NAME\" }; if this was a secret value, rotate it";
                self.error(spot, at, what, help);
                return false;
            }
            (_, DeValue::String(text)) => match words::check(ty, text, &|word| self.shown(word)) {
                Ok(()) => return true,
                Err(Some((what, help))) => {
                    self.error(spot, at, what, help);
                    return false;
                }
                Err(None) => "text",
            },
            (_, other) => other.type_str(),
        };
        let mut what = format!("has to be {}, not {}", words::noun(ty), article(wrong));
        if matches!((ty, value), (Ty::Duration, DeValue::Integer(_))) {
            what = "a duration needs a unit".to_owned();
        }
        self.error(spot, at, what, format!("write {}", words::example(ty)));
        false
    }

    pub(super) fn is_table(&mut self, node: Node<'_>, at: &str) -> bool {
        if node.get_ref().is_table() {
            return true;
        }
        self.error(
            self.spot(node),
            at,
            format!(
                "has to be a table, not {}",
                article(node.get_ref().type_str())
            ),
            "write a table: [name] or { key = value }",
        );
        false
    }

    /// A reference, if exactly one of its three forms is there.
    pub fn reference(
        &mut self,
        section: &Section<'_>,
        key: &str,
        root: &Path,
    ) -> Option<Reference> {
        let (spot, node) = section.get(key)?;
        let keys: Vec<&'static Key> = REFERENCE.iter().collect();
        let inner = self.section(
            node.get_ref().as_table()?,
            &keys,
            spot,
            &join(&section.at, key),
            &[],
        );
        let found = [
            inner
                .text("credential")
                .map(|t| Reference::Credential(t.to_owned())),
            inner.text("file").map(|t| Reference::File(root.join(t))),
            inner.text("env").map(|t| Reference::Env(t.to_owned())),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(Reference::Credential(n)), None)
                if n.is_empty() || n.contains('/') || n.starts_with('.') =>
            {
                self.error(
                    spot,
                    &inner.at,
                    "a credential's name has no slash in it and does not start with a dot",
                    "write the name given to LoadCredential=",
                );
                None
            }
            (Some(one), None) => Some(one),
            (None, _) if self.broken => None,
            _ => {
                self.error(
                    spot,
                    &inner.at,
                    "has to say exactly one of credential, file, env",
                    "write { credential = \"name\" }",
                );
                None
            }
        }
    }
}

fn article(type_name: &str) -> String {
    match type_name {
        "text" | "string" => "text".to_owned(),
        t if t.starts_with(['a', 'i']) => format!("an {t}"),
        t => format!("a {t}"),
    }
}
