//! The kinds that a file may name, as far as its readers know them: words and keys.

use std::sync::OnceLock;

use super::table::{Family, Key, KindKeys, Kinds, Ty};
use super::{BOOT, CONFIRM, CONSUMER, SECRET};

/// The kinds of the three families.
#[derive(Debug)]
pub struct Catalog {
    providers: Kinds,
    secrets: Kinds,
    consumers: Kinds,
    words: OnceLock<Vec<&'static str>>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            providers: Kinds::new("provider", &[]),
            secrets: Kinds::new("secret", SECRET),
            consumers: Kinds::new("consumer", CONSUMER),
            words: OnceLock::new(),
        }
    }
}

impl Catalog {
    /// Adds a kind.
    pub fn add(&mut self, family: Family, kind: KindKeys) {
        self.of_mut(family).built.push(kind);
        self.words = OnceLock::new();
    }

    /// Adds words of kinds that files may know and this build has not.
    pub fn leave_out(&mut self, family: Family, words: &'static [&'static str]) {
        self.of_mut(family).planned.extend(words);
        self.words = OnceLock::new();
    }

    /// The kinds of one family.
    pub fn of(&self, family: Family) -> &Kinds {
        match family {
            Family::Provider => &self.providers,
            Family::Secret => &self.secrets,
            Family::Consumer => &self.consumers,
        }
    }

    fn of_mut(&mut self, family: Family) -> &mut Kinds {
        match family {
            Family::Provider => &mut self.providers,
            Family::Consumer => &mut self.consumers,
            Family::Secret => &mut self.secrets,
        }
    }

    /// All words a file may hold as a value: they are ours, so they may be shown.
    pub fn words(&self) -> &[&'static str] {
        let all = [Family::Provider, Family::Secret, Family::Consumer];
        self.words
            .get_or_init(|| words(all.map(|family| self.of(family))))
    }
}

/// The words that any table of these kinds, or any other of a file, may hold as a value.
fn words<'k>(kinds: impl IntoIterator<Item = &'k Kinds>) -> Vec<&'static str> {
    let mut words = vec![
        "development",
        "staging",
        "production",
        "@hourly",
        "@daily",
        "@midnight",
        "@weekly",
        "@monthly",
        "@yearly",
        "@annually",
        "true",
        "false",
        "UTC",
    ];
    words.extend(CONFIRM.iter().chain(BOOT).flat_map(words_at));
    for kinds in kinds {
        words.extend(kinds.names().chain(kinds.planned.iter().copied()));
        let tables = kinds
            .built
            .iter()
            .flat_map(|(_, keys)| keys.iter().copied());
        words.extend(tables.flatten().flat_map(words_at));
    }
    words
}

fn words_at(key: &Key) -> Vec<&'static str> {
    match &key.ty {
        Ty::Word(words) => words.to_vec(),
        Ty::Table(keys) => keys.iter().flat_map(words_at).collect(),
        _ => Vec::new(),
    }
}
