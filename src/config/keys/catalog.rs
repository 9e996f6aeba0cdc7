//! The kinds that a file may name, as far as its readers know them: words and keys.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::table::{Family, Key, KindKeys, Kinds, Ty};
use super::{BOOT, CONFIRM, CONSUMERS, SECRETS};

/// The kinds of the three families.
#[derive(Debug)]
pub struct Catalog {
    providers: Kinds,
    words: OnceLock<Vec<&'static str>>,
}

impl Catalog {
    /// No kind of provider, but those of `planned`, which files may know and this build has not.
    pub fn new(planned: &'static [&'static str]) -> Self {
        Self {
            providers: Kinds {
                noun: "provider",
                common: &[],
                built: Cow::Borrowed(&[]),
                planned,
            },
            words: OnceLock::new(),
        }
    }

    /// Adds a kind of provider.
    pub fn add(&mut self, kind: KindKeys) {
        self.providers.built.to_mut().push(kind);
        self.words = OnceLock::new();
    }

    /// The kinds of one family.
    pub fn of(&self, family: Family) -> &Kinds {
        match family {
            Family::Provider => &self.providers,
            Family::Secret => &SECRETS,
            Family::Consumer => &CONSUMERS,
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
