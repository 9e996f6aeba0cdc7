//! A document as JSON text, without leaving copies of values behind: they are read where they
//! stand and written into a buffer that never grows.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use data_encoding::BASE64;
use keyrota_contract::{Native, Public, SecretValue, Stage};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Document, Version};

/// The format this code writes, and the newest it reads.
const FORMAT: u64 = 1;

/// Why a decrypted document was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentError {
    /// No JSON, or not an object with a number under `keyrota`.
    NotOurs,
    /// A format that a newer keyrota wrote.
    Newer,
    /// Something is missing, of the wrong type, named twice or unknown.
    Malformed,
    /// A secret has two versions of one stage, or two under one id.
    Ambiguous,
}

impl DocumentError {
    /// What a person reads.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotOurs => {
                "the document decrypts to something that keyrota did not write; not overwritten"
            }
            Self::Newer => {
                "the document was written by a newer keyrota; upgrade this one; not overwritten"
            }
            Self::Malformed => {
                "the document's content is damaged: a member is missing, unknown, repeated or of the wrong type; not overwritten"
            }
            Self::Ambiguous => {
                "the document has two versions of one stage or under one id; not overwritten"
            }
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for DocumentError {}

impl Document {
    /// Reads what [`Document::to_json`] writes, and what a person made of it with an editor.
    pub fn from_json(plain: &[u8]) -> Result<Self, DocumentError> {
        #[derive(Deserialize)]
        struct Head {
            keyrota: u64,
        }
        let head: Head = serde_json::from_slice(plain).map_err(|_| DocumentError::NotOurs)?;
        if head.keyrota > FORMAT {
            return Err(DocumentError::Newer);
        }
        // The library's message can quote what stands there, so it goes no further.
        let text: DocumentText =
            serde_json::from_slice(plain).map_err(|_| DocumentError::Malformed)?;
        if text.keyrota != FORMAT {
            return Err(DocumentError::NotOurs);
        }
        let mut secrets = BTreeMap::new();
        for (path, secret) in text.secrets.0 {
            let versions = secret.versions.into_iter().map(VersionText::decode);
            let versions = versions
                .collect::<Option<Vec<_>>>()
                .ok_or(DocumentError::Malformed)?;
            for (n, v) in versions.iter().enumerate() {
                if versions[..n]
                    .iter()
                    .any(|w| w.stage == v.stage || w.id == v.id || w.native == v.native)
                {
                    return Err(DocumentError::Ambiguous);
                }
            }
            secrets.insert(path, versions);
        }
        Ok(Self {
            host: text.host,
            generation: text.generation,
            secrets,
        })
    }

    /// Pretty-printed, for the person who decrypts it by hand on a bad day.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let capacity = self.json_bytes_max();
        let mut plain = Zeroizing::new(Vec::with_capacity(capacity));
        serde_json::to_writer_pretty(&mut *plain, self).expect("a vector takes every write");
        plain.push(b'\n');
        debug_assert!(
            plain.capacity() == capacity,
            "a buffer that grows leaves copies behind"
        );
        plain
    }

    /// Every byte of a string may become six (`\u0000`); the rest is counted generously.
    fn json_bytes_max(&self) -> usize {
        let room = |fixed: usize, bytes: usize| bytes.saturating_mul(6).saturating_add(fixed);
        let version = |v: &Version| {
            let public: usize = v
                .public
                .iter()
                .map(|(k, p)| room(32, k.len().saturating_add(p.len())))
                .sum();
            room(512, v.value.expose_to(<[u8]>::len)).saturating_add(public)
        };
        let secret = |(path, versions): (&String, &Vec<Version>)| {
            let versions: usize = versions.iter().map(version).sum();
            room(128, path.len()).saturating_add(versions)
        };
        let secrets: usize = self.secrets.iter().map(secret).sum();
        room(256, self.host.len()).saturating_add(secrets)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let secrets: BTreeMap<_, _> = self
            .secrets
            .iter()
            .map(|(path, versions)| (path, BTreeMap::from([("versions", versions)])))
            .collect();
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("keyrota", &FORMAT)?;
        map.serialize_entry("host", &self.host)?;
        map.serialize_entry("generation", &self.generation)?;
        map.serialize_entry("secrets", &secrets)?;
        map.end()
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("native", &self.native.0)?;
        map.serialize_entry("stage", word(self.stage))?;
        map.serialize_entry("created", &self.created)?;
        self.value
            .expose_to(|bytes| match std::str::from_utf8(bytes) {
                Ok(text) => map.serialize_entry("value", text),
                Err(_) => {
                    let encoded = Zeroizing::new(BASE64.encode(bytes));
                    map.serialize_entry("value", &BTreeMap::from([("base64", encoded.as_str())]))
                }
            })?;
        map.serialize_entry("public", &self.public)?;
        map.end()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentText<'a> {
    keyrota: u64,
    host: String,
    generation: u64,
    #[serde(borrow)]
    secrets: Unique<SecretText<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretText<'a> {
    #[serde(borrow)]
    versions: Vec<VersionText<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionText<'a> {
    id: Uuid,
    native: String,
    stage: String,
    created: Option<i64>,
    #[serde(borrow)]
    value: &'a RawValue,
    public: Unique<String>,
}

impl VersionText<'_> {
    fn decode(self) -> Option<Version> {
        let stage = [Stage::Pending, Stage::Current, Stage::Previous]
            .into_iter()
            .find(|s| word(*s) == self.stage)?;
        let public: Public = self.public.0;
        let value = decode_value(self.value.get())?;
        Some(Version {
            id: self.id,
            native: Native(self.native),
            stage,
            created: self.created,
            value,
            public,
        })
    }
}

/// A JSON object whose names are all different; serde's own maps would keep the last.
struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Names<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Names<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique<V>, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((name, value)) = members.next_entry()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name is repeated"));
                    }
                }
                Ok(Unique(map))
            }
        }
        d.deserialize_map(Names(PhantomData))
    }
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Pending => "pending",
        Stage::Current => "current",
        Stage::Previous => "previous",
    }
}

/// A string, or `{"base64": …}`. `json` is what the library has already found to be valid JSON.
fn decode_value(json: &str) -> Option<SecretValue> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bytes<'a> {
        base64: &'a str,
    }
    if json.starts_with('"') {
        return unescape(json).map(SecretValue::new);
    }
    let bytes: Bytes = serde_json::from_str(json).ok()?;
    BASE64
        .decode(bytes.base64.as_bytes())
        .ok()
        .map(SecretValue::new)
}

/// The bytes of a JSON string (RFC 8259 §7), into a buffer that is large enough from the start.
/// The library's own would be another copy, and one that nobody wipes.
pub(super) fn unescape(json: &str) -> Option<Vec<u8>> {
    let mut rest = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Vec::with_capacity(rest.len());
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = *rest.as_bytes().get(at.saturating_add(1))?;
        rest = rest.get(at.saturating_add(2)..)?;
        let plain = match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut unit = code_unit(&mut rest)?;
                if (0xd800..0xdc00).contains(&unit) {
                    rest = rest.strip_prefix("\\u")?;
                    let low = code_unit(&mut rest)?
                        .checked_sub(0xdc00)
                        .filter(|low| *low < 0x400)?;
                    unit = ((unit & 0x3ff) << 10 | low).saturating_add(0x10000);
                }
                out.extend_from_slice(char::from_u32(unit)?.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

fn code_unit(rest: &mut &str) -> Option<u32> {
    let unit = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
    *rest = &rest[4..];
    Some(unit)
}
