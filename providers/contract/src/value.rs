//! The one type that holds a secret.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret's bytes: wiped when dropped, and unable to leave by accident.
///
/// There is no `Clone`, `Display`, `Serialize` or `PartialEq`; `Debug` prints a fixed word. A value
/// leaves only through [`SecretValue::expose_to`], so a review of every exit is one search.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes the bytes over without copying them. Build them in a buffer of the final size: a
    /// vector that grows leaves copies behind that nothing wipes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A copy of `bytes`; the caller still owns, and wipes, the original.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }

    /// Lends the bytes to `f`. Whatever `f` returns must not hold them, unless it is on its way to
    /// a place that is meant to keep them.
    pub fn expose_to<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.0)
    }

    /// Equality in constant time (for equal lengths).
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    /// Whether the value is at most `bytes` long. The length itself is not given away: for a short
    /// secret it says something about the value.
    pub fn fits(&self, bytes: usize) -> bool {
        self.0.len() <= bytes
    }

    /// Whether the value is UTF-8 text, for stores that keep nothing else.
    pub fn is_text(&self) -> bool {
        std::str::from_utf8(&self.0).is_ok()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(redacted)")
    }
}
