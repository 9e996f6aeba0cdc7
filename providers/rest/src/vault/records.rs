//! What stands in a path's custom metadata: which version is whose, and what may be known of it.
//!
//! ```text
//! keyrota      7=ID 6=ID        the newest first
//! keyrota-7-0  {"kid": …        public parts of version 7, in pieces that the server takes
//! ```
//!
//! Other people's keys stay as they are.

use std::collections::{BTreeMap, HashMap};

use keyrota_contract::Public;
use uuid::Uuid;

const KEY: &str = "keyrota";
/// How many versions keep their id.
const IDS_MAX: usize = 8;
/// How many keep their public parts: current and previous.
const PUBLIC_MAX: usize = 2;
/// The server takes 512 bytes under a key, and 64 keys.
const PIECE_BYTES_MAX: usize = 500;
const KEYS_MAX: usize = 64;
/// A public RSA key of 8,192 bits as JWK takes a third of it.
pub(super) const PUBLIC_BYTES_MAX: usize = 4096;

/// The records of a path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    foreign: BTreeMap<String, String>,
    ids: BTreeMap<u64, Uuid>,
    public: BTreeMap<u64, String>,
}

impl Records {
    pub fn of(custom: HashMap<String, String>) -> Self {
        let mut records = Self::default();
        let mut pieces: BTreeMap<(u64, usize), String> = BTreeMap::new();
        for (key, value) in custom {
            if key == KEY {
                records.ids = value.split(' ').filter_map(id).collect();
            } else if let Some(piece) = piece(&key) {
                pieces.insert(piece, value);
            } else {
                records.foreign.insert(key, value);
            }
        }
        for ((version, _), piece) in pieces {
            records.public.entry(version).or_default().push_str(&piece);
        }
        records
    }

    pub fn of_version(&self, version: u64) -> Option<Uuid> {
        self.ids.get(&version).copied()
    }

    pub fn version_of(&self, id: Uuid) -> Option<u64> {
        let found = self.ids.iter().find(|(_, theirs)| **theirs == id);
        found.map(|(version, _)| *version)
    }

    pub fn newest(&self) -> Option<(u64, Uuid)> {
        self.ids
            .last_key_value()
            .map(|(version, id)| (*version, *id))
    }

    pub fn public(&self, version: u64) -> Public {
        let json = self.public.get(&version).map_or("{}", String::as_str);
        serde_json::from_str(json).unwrap_or_default()
    }

    /// Forgets versions that are gone.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.ids.retain(|version, _| is_there(*version));
    }

    /// Adds the newest version.
    pub fn add(&mut self, version: u64, id: Uuid, public: &Public) {
        self.ids.retain(|_, theirs| *theirs != id);
        self.ids.insert(version, id);
        while self.ids.len() > IDS_MAX {
            self.ids.pop_first();
        }
        if public.is_empty() {
            self.public.remove(&version);
        } else {
            self.public.insert(version, as_json(public));
        }
        let kept: Vec<_> = self.ids.keys().rev().take(PUBLIC_MAX).copied().collect();
        self.public.retain(|version, _| kept.contains(version));
    }

    /// As the server keeps them; `None` if it would not.
    pub fn into_custom(self) -> Option<BTreeMap<String, String>> {
        let mut custom = self.foreign;
        let ids = self.ids.iter().rev();
        let ids: Vec<_> = ids.map(|(version, id)| format!("{version}={id}")).collect();
        custom.insert(KEY.to_owned(), ids.join(" "));
        for (version, json) in &self.public {
            let mut rest = json.as_str();
            for number in 0.. {
                let (piece, more) = rest.split_at(rest.floor_char_boundary(PIECE_BYTES_MAX));
                custom.insert(format!("{KEY}-{version}-{number}"), piece.to_owned());
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
        }
        (custom.len() <= KEYS_MAX).then_some(custom)
    }
}

/// Whether public parts can be kept.
pub(super) fn public_fits(public: &Public) -> bool {
    as_json(public).len() <= PUBLIC_BYTES_MAX
}

fn as_json(public: &Public) -> String {
    serde_json::json!(public).to_string()
}

fn id(word: &str) -> Option<(u64, Uuid)> {
    let (version, id) = word.split_once('=')?;
    Some((version.parse().ok()?, Uuid::try_parse(id).ok()?))
}

fn piece(key: &str) -> Option<(u64, usize)> {
    let rest = key.strip_prefix(KEY)?.strip_prefix('-')?;
    let (version, number) = rest.split_once('-')?;
    Some((version.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(n: u64) -> Uuid {
        Uuid::from_u128(u128::from(n))
    }

    fn through(records: &Records) -> Records {
        let custom = records.clone().into_custom().expect("there is room");
        for (key, value) in &custom {
            assert!(key.len() <= 128 && value.len() <= 512, "{key}");
        }
        Records::of(custom.into_iter().collect())
    }

    #[test]
    fn come_back_and_leave_others_alone() {
        let foreign = [("owner", "ops"), ("keyrota-team", "x"), ("keyrota-1", "y")];
        let foreign = foreign.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let mut records = Records::of(HashMap::from(foreign));
        let public = Public::from([("jwk".to_owned(), "ü\"{}".repeat(700))]);
        assert!(public_fits(&Public::from([(
            "a".to_owned(),
            "x".repeat(4000)
        )])));
        assert!(!public_fits(&Public::from([(
            "a".to_owned(),
            "x".repeat(4096)
        )])));
        for n in 1..=20 {
            let public = if n % 2 == 0 { &public } else { &Public::new() };
            records.add(n, uuid(n), public);
            assert_eq!(through(&records), records);
            assert_eq!(records.newest(), Some((n, uuid(n))));
            assert_eq!(&records.public(n), public);
        }
        assert_eq!(records.public(19), Public::new());
        assert_eq!(
            (records.of_version(13), records.of_version(12)),
            (Some(uuid(13)), None)
        );
        assert_eq!(records.version_of(uuid(20)), Some(20));
        let custom = records.into_custom().expect("there is room");
        assert_eq!(custom["owner"], "ops");
        assert_eq!(custom["keyrota-team"], "x");
        assert_eq!(custom["keyrota-1"], "y");
        assert!(!custom.contains_key("keyrota-18-0"), "only the last two");
    }

    #[test]
    fn the_servers_number_of_keys_is_kept() {
        let many = (0..64).map(|n| (n.to_string(), String::new()));
        let mut records = Records::of(many.collect());
        records.add(1, uuid(1), &Public::new());
        assert_eq!(records.into_custom(), None);
    }
}
