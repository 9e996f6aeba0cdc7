//! A table that has been taken apart.

use std::time::Duration;

use jiff::civil;
use toml::Spanned;
use toml::de::DeValue;

use super::super::keys::Key;
use super::super::values::{Spot, Template};
use super::super::words;

/// A value and where it stands.
pub type Node<'a> = &'a Spanned<DeValue<'a>>;

/// A table whose keys are known and whose values have the right type.
pub struct Section<'t> {
    /// Where it stands.
    pub spot: Spot,
    /// Its path, as `secrets.name`.
    pub at: String,
    pub(super) entries: Vec<(&'static str, Spot, Node<'t>)>,
    /// All known keys, sound or not: what is wrong is not missing too.
    pub(super) stated: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// The value of a key and where it stands.
    pub fn get(&self, key: &str) -> Option<(Spot, Node<'t>)> {
        self.entries
            .iter()
            .find(|(k, ..)| *k == key)
            .map(|(_, spot, node)| (*spot, *node))
    }

    /// Takes over what `other` says and this does not, for the keys in `allowed`.
    pub fn inherit(&mut self, other: &Self, allowed: &[&'static Key], except: &[&str]) {
        let applies = |key: &str| allowed.iter().any(|k| k.name == key) && !except.contains(&key);
        let taken = other
            .entries
            .iter()
            .filter(|(key, ..)| applies(key) && self.get(key).is_none());
        let taken: Vec<_> = taken.copied().collect();
        self.entries.extend(taken);
        self.stated
            .extend(other.stated.iter().filter(|key| applies(key)));
    }

    /// Whether a key is there, sound or not.
    pub fn has(&self, key: &str) -> bool {
        self.stated.contains(&key)
    }

    /// Where a key stands; the table, if it has no such key.
    pub fn spot_of(&self, key: &str) -> Spot {
        self.get(key).map_or(self.spot, |(spot, _)| spot)
    }

    /// Text.
    pub fn text(&self, key: &str) -> Option<&'t str> {
        self.get(key)?.1.get_ref().as_str()
    }

    /// A whole number.
    pub fn count(&self, key: &str) -> Option<u32> {
        self.get(key)?
            .1
            .get_ref()
            .as_integer()?
            .as_str()
            .parse()
            .ok()
    }

    /// A flag.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.1.get_ref().as_bool()
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        words::duration(self.text(key)?).ok()
    }

    /// A time of day.
    pub fn clock(&self, key: &str) -> Option<civil::Time> {
        words::clock(self.text(key)?)
    }

    /// Text with fields.
    pub fn template(&self, key: &str) -> Option<Template> {
        words::template(self.text(key)?).ok()
    }

    /// A list of texts; empty if absent.
    pub fn texts(&self, key: &str) -> Vec<&'t str> {
        let items = self
            .get(key)
            .and_then(|(_, node)| node.get_ref().as_array());
        items
            .into_iter()
            .flatten()
            .filter_map(|item| item.get_ref().as_str())
            .collect()
    }
}
