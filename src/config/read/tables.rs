//! Tables of names that the file chooses.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::super::values::Spot;
use super::super::words::is_name;
use super::{Reader, Section, in_order};

/// Names that a file knows.
pub type Names<'a> = BTreeSet<&'a str>;

/// The tables under a key of the file, with sound names, in order.
pub fn tables<'t>(
    reader: &mut Reader<'_>,
    top: &Section<'t>,
    key: &str,
) -> Vec<(Spot, &'t str, &'t DeTable<'t>)> {
    let map = top.get(key).and_then(|(_, node)| node.get_ref().as_table());
    let entries = map.map(|t| in_order(reader.source, t)).unwrap_or_default();
    entries
        .into_iter()
        .filter_map(|(spot, name, node)| Some((spot, name, node.get_ref().as_table()?)))
        .collect()
}

/// Reports a name that could not be part of a path, a label or a file's name.
pub fn check_name(reader: &mut Reader<'_>, spot: Spot, name: &str, at: &str) {
    if !is_name(name) {
        reader.error(
            spot,
            at,
            "is not a good name",
            "use a-z, 0-9, - and _, starting with a letter or digit, at most 63",
        );
    }
}
