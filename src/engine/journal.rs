//! What the state keeps of a rotation under way: the machine's record, and the names it is about.

use keyrota_contract::Public;
use keyrota_rotation::Record;
use serde::{Deserialize, Serialize};

use crate::config::model::Secret;

/// The version of this form; a record of another one is refused, not guessed at.
const VERSION: u32 = 1;

/// Everything a restarted process, or another host, needs to go on. Names and times, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    v: u32,
    /// Kind, provider and path of the secret when it began: under others, a rotation would end what
    /// it did not begin.
    pub at: String,
    /// The machine's record.
    pub machine: Record,
    /// The provider's name for the version that was current when the rotation began; promoting
    /// compares with it, retiring ends it. `None`: there was none.
    pub from: Option<String>,
    /// The fingerprint of that version.
    pub from_fingerprint: Option<String>,
    /// The public parts of the candidate.
    pub public: Public,
    /// The candidate is a value that a person gives: it is never minted.
    pub given: bool,
    /// The last failure, as a fixed sentence; `None` after a success.
    pub failure: Option<String>,
    /// When it last wrote to the provider, in milliseconds since 1970 UTC: so long reads may lag behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrote_ms: Option<i64>,
    /// When it began a promote whose answer is missing, in milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoting_ms: Option<i64>,
}

/// A stored record that this binary cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl Journal {
    /// Of a rotation that has done nothing yet, of the secret [`at`](place) this place.
    pub fn new(at: String, machine: Record) -> Self {
        Self {
            v: VERSION,
            at,
            machine,
            from: None,
            from_fingerprint: None,
            public: Public::new(),
            given: false,
            failure: None,
            wrote_ms: None,
            promoting_ms: None,
        }
    }

    /// Moves every instant by `ms`, after the clock was set by so much.
    pub fn shift(&mut self, ms: i64) {
        self.machine.shift(ms);
        for wrote in [&mut self.wrote_ms, &mut self.promoting_ms] {
            *wrote = wrote.map(|at| at.saturating_add(ms));
        }
    }

    /// As the state stores it.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("names, numbers and enums have a JSON form")
    }

    /// As the state stored it.
    pub fn from_text(text: &str) -> Result<Self, Unreadable> {
        let journal: Self = serde_json::from_str(text).map_err(|_| Unreadable)?;
        if journal.v == VERSION {
            Ok(journal)
        } else {
            Err(Unreadable)
        }
    }
}

/// What a rotation of `secret` is bound to: [`Journal::at`].
pub fn place(secret: &Secret) -> String {
    let field = secret.field.as_deref().map(|field| format!(" {field}"));
    format!(
        "{} {} {}{}",
        secret.kind.word,
        secret.provider,
        secret.path,
        field.unwrap_or_default()
    )
}
