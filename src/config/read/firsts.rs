//! Where a repeated key or header stands first.

use std::collections::HashMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::super::effort;
use super::super::source::Source;
use super::super::values::Spot;

/// The headers and keys of a file, found once however many are repeated.
pub struct Firsts<'t> {
    /// The first line of each `[header]`.
    headers: HashMap<&'t str, u32>,
    /// Where each key stands, from front to back.
    keys: HashMap<&'t str, Vec<Range<usize>>>,
}

impl<'t> Firsts<'t> {
    /// Looks through the file and its tree.
    pub fn of(source: &'t Source, tree: &'t DeTable<'_>) -> Self {
        effort::spend(source.text.len());
        let mut headers = HashMap::new();
        for (line, text) in (1..).zip(source.text.split('\n')) {
            let text = text.trim();
            if text.starts_with('[') {
                headers.entry(text).or_insert(line);
            }
        }
        let mut keys = HashMap::new();
        collect(tree, &mut keys);
        for places in keys.values_mut() {
            places.sort_unstable_by_key(|span| span.start);
        }
        Self { headers, keys }
    }

    /// The first line that repeats the header at `spot`, or the nearest key of this name before it.
    pub fn before(&self, source: &Source, spot: Spot, key: &str) -> Option<Spot> {
        let (header, _) = source.line(spot.line);
        effort::spend(key.len());
        let repeated = self.headers.get(header.trim());
        if let Some(line) = repeated.filter(|line| **line < spot.line) {
            let (text, first) = source.line(*line);
            let start = first + text.len() - text.trim_start().len();
            return Some(source.spot(start..start + text.trim().len()));
        }
        let places = self.keys.get(key.trim_matches(['"', '\'']))?;
        let after = places.partition_point(|span| span.start < spot.start);
        let nearest = places[..after].last()?;
        Some(source.spot(nearest.clone()))
    }
}

fn collect<'t>(table: &'t DeTable<'_>, keys: &mut HashMap<&'t str, Vec<Range<usize>>>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        keys.entry(name).or_default().push(key.span());
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, keys),
            DeValue::Array(items) => {
                let tables = items.iter().filter_map(|item| item.get_ref().as_table());
                tables.for_each(|inner| collect(inner, keys));
            }
            _ => {}
        }
    }
}
