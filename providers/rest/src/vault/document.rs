//! A secret's fields: JSON that is read where it stands, and written back as it was.

use std::collections::BTreeMap;

use keyrota_contract::{ErrorKind, ProviderError, Public, SecretValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::wire::{Effect, Reply, not_vault};
use super::{conflict, invalid};

/// What `GET data/PATH` answers.
pub(super) enum Held {
    /// A version that is there.
    Here(Document),
    /// A version of this number that can be brought back.
    SoftDeleted(u64),
    /// Nothing, or a version of this number that was destroyed.
    Gone(u64),
}

/// One version of a path.
pub(super) struct Document {
    reply: Reply,
    /// Its number.
    pub version: u64,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Option<BTreeMap<String, &'a RawValue>>,
    metadata: About,
}

#[derive(Deserialize)]
struct About {
    version: u64,
    destroyed: bool,
}

impl Held {
    /// The number of the version that was answered with; 0: there is none.
    pub fn number(&self) -> u64 {
        match self {
            Self::Here(document) => document.version,
            Self::SoftDeleted(version) | Self::Gone(version) => *version,
        }
    }

    /// `Err` for what is neither a version nor its absence.
    pub fn from_reply(reply: Reply) -> Result<Self, ProviderError> {
        match reply.status {
            200 => {
                let body: Body<'_> = reply.data()?;
                let version = body.metadata.version;
                let here = body.data.is_some();
                match here {
                    true => Ok(Self::Here(Document { reply, version })),
                    false => Err(not_vault()),
                }
            }
            404 if reply.is_absent() => Ok(Self::Gone(0)),
            404 => match reply.data::<Body<'_>>() {
                Ok(body) if body.metadata.destroyed => Ok(Self::Gone(body.metadata.version)),
                Ok(body) => Ok(Self::SoftDeleted(body.metadata.version)),
                Err(_) => Err(reply.refusal(Effect::None)),
            },
            _ => Err(reply.refusal(Effect::None)),
        }
    }
}

/// The number of the version that a write made.
pub(super) fn version_of(reply: &Reply) -> Result<u64, ProviderError> {
    let about: Result<About, _> = reply.data();
    // It was written all the same.
    about.map(|about| about.version).map_err(|_| {
        ProviderError::new(
            ErrorKind::Ambiguous,
            "the server wrote a version and did not say which",
        )
    })
}

impl Document {
    /// The text of one field.
    pub fn value(&self, field: &str) -> Result<SecretValue, ProviderError> {
        let fields = self.fields()?;
        let raw = fields.get(field).ok_or(invalid(
            "the secret has no such field: set `field` to the one that holds the value",
        ))?;
        text(raw)
    }

    /// All fields as they are, with `value` as the text of this one.
    pub fn with(
        &self,
        field: &str,
        value: &SecretValue,
    ) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let mut fields = self.fields()?;
        fields.remove(field);
        Ok(object(&fields, field, value))
    }

    /// Whether other fields stand beside this one.
    pub fn has_others(&self, field: &str) -> Result<bool, ProviderError> {
        Ok(self.fields()?.keys().any(|name| name != field))
    }

    fn fields(&self) -> Result<BTreeMap<String, &RawValue>, ProviderError> {
        let body: Body<'_> = self.reply.data()?;
        body.data.ok_or(not_vault())
    }
}

/// A secret of one field.
pub(super) fn only(field: &str, value: &SecretValue) -> Zeroizing<Vec<u8>> {
    object(&BTreeMap::new(), field, value)
}

fn object(
    fields: &BTreeMap<String, &RawValue>,
    field: &str,
    value: &SecretValue,
) -> Zeroizing<Vec<u8>> {
    let others: usize = fields
        .iter()
        .map(|(k, v)| k.len().saturating_mul(6).saturating_add(v.get().len()))
        .fold(0, |all: usize, size| {
            all.saturating_add(size).saturating_add(4)
        });
    value.expose_to(|value| {
        // No character takes more than six bytes; a vector that grows leaves copies behind.
        let own = field.len().saturating_add(value.len()).saturating_mul(6);
        let capacity = others.saturating_add(own).saturating_add(16);
        let mut json = Zeroizing::new(Vec::with_capacity(capacity));
        json.push(b'{');
        for (key, raw) in fields {
            push_text(&mut json, key);
            json.push(b':');
            json.extend_from_slice(raw.get().as_bytes());
            json.push(b',');
        }
        push_text(&mut json, field);
        json.push(b':');
        push_text(&mut json, std::str::from_utf8(value).unwrap_or_default());
        json.push(b'}');
        json
    })
}

fn push_text(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("text can be written to memory");
}

fn text(raw: &RawValue) -> Result<SecretValue, ProviderError> {
    serde_json::from_str::<String>(raw.get())
        .map(|text| SecretValue::new(text.into_bytes()))
        .map_err(|_| invalid("the field of the secret holds something that is not text"))
}

/// What stands at a sibling path.
pub(super) struct Pending {
    /// Whose value.
    pub id: Uuid,
    /// The newest version of the main path when it was written.
    pub base: u64,
    /// What may be known of it.
    pub public: Public,
    value: SecretValue,
}

impl Pending {
    /// The fields of a candidate.
    pub fn compose(
        id: Uuid,
        base: u64,
        public: &Public,
        value: &SecretValue,
    ) -> Zeroizing<Vec<u8>> {
        let raw = |value: serde_json::Value| {
            RawValue::from_string(value.to_string()).expect("a tree of JSON is JSON")
        };
        let ours = [
            ("id", raw(id.to_string().into())),
            ("base", raw(base.into())),
            ("public", raw(serde_json::json!(public))),
        ];
        let fields = ours.iter().map(|(key, raw)| ((*key).to_owned(), &**raw));
        object(&fields.collect(), "value", value)
    }

    /// Only what keyrota wrote is one.
    pub fn from_document(document: &Document) -> Result<Self, ProviderError> {
        let foreign =
            conflict("another tool wrote to a path that keyrota reserves (….keyrota-pending)");
        let fields = document.fields()?;
        let of = |name| fields.get(name).map(|raw: &&RawValue| raw.get());
        let id = of("id").and_then(|json| serde_json::from_str(json).ok());
        let base = of("base").and_then(|json| serde_json::from_str(json).ok());
        let public = of("public").and_then(|json| serde_json::from_str(json).ok());
        Ok(Self {
            public: public.ok_or(foreign)?,
            id: id.ok_or(foreign)?,
            base: base.ok_or(foreign)?,
            value: text(fields.get("value").ok_or(foreign)?)?,
        })
    }

    /// A copy of the value.
    pub fn value(&self) -> SecretValue {
        self.value.expose_to(SecretValue::copy_of)
    }

    /// Whether this is the value.
    pub fn holds(&self, value: &SecretValue) -> bool {
        self.value.same_as(value)
    }
}
