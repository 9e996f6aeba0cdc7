//! The places that a secret is kept in: its own, and those that follow it.

use super::{Secret, Spot, Template};

impl Secret {
    /// Every place it is kept in: its own first, then the fallback's, then its copies.
    pub fn places(&self) -> impl Iterator<Item = Kept<'_>> {
        let own = Kept {
            role: PlaceRole::Own,
            provider: &self.provider,
            path: &self.path,
            field: self.field.as_deref(),
            spot: self.spot,
        };
        let fallback = self.fallback.iter().map(|fallback| Kept {
            role: PlaceRole::Fallback,
            provider: &self.provider,
            path: &fallback.path,
            field: None,
            spot: fallback.spot,
        });
        let copies = self.copies.iter().enumerate().map(|(n, copy)| Kept {
            role: PlaceRole::Copy(n),
            provider: &copy.provider,
            path: &copy.path,
            field: copy.field.as_deref(),
            spot: copy.spot,
        });
        std::iter::once(own).chain(fallback).chain(copies)
    }
}

/// One `[[secrets.<name>.copies]]`: a further place that follows the secret.
#[derive(Debug, Clone)]
pub struct CopyTo {
    /// The provider that keeps it; one of [`Environment::providers`].
    pub provider: String,
    /// Its path there, `{environment}` and `{secret}` filled in.
    pub path: String,
    /// Which field of what stands at the path, where it has several.
    pub field: Option<String>,
    /// What of the secret stands there.
    pub render: Template,
    /// Where it stands.
    pub spot: Spot,
}

/// `fallback_path`: where the secret's provider keeps what readers accept as well.
#[derive(Debug, Clone)]
pub struct FallbackPlace {
    /// The path, `{environment}` and `{secret}` filled in.
    pub path: String,
    /// While there is nothing of that kind: whether nothing stands there, or a filler.
    pub omit: bool,
    /// Where that stands in the file.
    pub idle: Spot,
    /// Where it stands.
    pub spot: Spot,
}

/// One place of a secret, whichever it is.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// Which.
    pub role: PlaceRole,
    /// The provider's name.
    pub provider: &'a str,
    /// The path there.
    pub path: &'a str,
    /// The field there.
    pub field: Option<&'a str>,
    /// Where it stands in the file.
    pub spot: Spot,
}

/// Which of its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceRole {
    /// Where the secret itself is kept.
    Own,
    /// Its fallback's.
    Fallback,
    /// That of a copy, by its number in the file, from 0.
    Copy(usize),
}

impl PlaceRole {
    /// The key or table below the secret's that names it; empty for its own.
    pub fn key(self) -> String {
        match self {
            Self::Own => String::new(),
            Self::Fallback => ".fallback_path".to_owned(),
            Self::Copy(n) => format!(".copies[{n}]"),
        }
    }
}
