//! What stands in a version's `Description`: a person's text, then ours in brackets.
//!
//! ```text
//! the app's own key [keyrota1:0192f0c1-…:kid=a1b2&jwk=%7B…]
//! ```

use keyrota_contract::{Public, decode_public, encode_public};
use uuid::Uuid;

/// AWS takes so many characters.
const CHARACTERS_MAX: usize = 1024;
const OPENS: &str = "[keyrota1:";

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Description {
    /// A person's own words.
    pub text: String,
    /// `None`: keyrota did not write the version.
    pub id: Option<Uuid>,
    /// What may be known of it.
    pub public: Public,
}

impl Description {
    /// Ours, behind as much of `text` as there is room for; `None` if there is none for ours.
    pub(super) fn new(text: Option<String>, id: Uuid, public: &Public) -> Option<Self> {
        let mut description = Self {
            text: String::new(),
            id: Some(id),
            public: public.clone(),
        };
        let room = CHARACTERS_MAX.checked_sub(description.to_text().chars().count())?;
        let text = text.unwrap_or_default();
        description.text = text.chars().take(room.saturating_sub(1)).collect();
        Some(description)
    }

    pub(super) fn parse(whole: &str) -> Self {
        let ours = || {
            let (text, ours) = whole.strip_suffix(']')?.rsplit_once(OPENS)?;
            let (id, public) = ours.split_once(':')?;
            Some(Self {
                text: text.trim_end().to_owned(),
                id: Some(Uuid::try_parse(id).ok()?),
                public: decode_public(public)?,
            })
        };
        ours().unwrap_or_else(|| Self {
            text: whole.to_owned(),
            ..Self::default()
        })
    }

    pub(super) fn to_text(&self) -> String {
        let Some(id) = self.id else {
            return self.text.clone();
        };
        let space = if self.text.is_empty() { "" } else { " " };
        let public = encode_public(&self.public);
        format!("{}{space}{OPENS}{id}:{public}]", self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    fn public(length: usize) -> Public {
        Public::from([("jwk".to_owned(), "k".repeat(length))])
    }

    #[test]
    fn what_was_written_is_read() {
        let id = Uuid::from_u128(7);
        for text in [
            "",
            "a person's words",
            "brackets [too]",
            "ü ".repeat(900).trim(),
        ] {
            for public in [Public::new(), public(9), public(900)] {
                let made = Description::new(Some(text.to_owned()), id, &public).unwrap();
                let whole = made.to_text();
                assert!(whole.chars().count() <= CHARACTERS_MAX);
                let read = Description::parse(&whole);
                assert_eq!((read.id, &read.public), (Some(id), &public));
                assert!(text.starts_with(&read.text), "{}", read.text);
            }
        }
        assert_eq!(Description::new(None, id, &public(1_000)), None);
    }

    #[test]
    fn words_of_a_person_are_not_ours() {
        for text in ["", "words", "[keyrota1:x:]", "[keyrota1:", "a [keyrota1:]"] {
            let read = Description::parse(text);
            assert_eq!((read.id, read.text.as_str()), (None, text));
        }
    }
}
