//! What the tests of all kinds share.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use keyrota_contract::{Entropy, Material, Minted, SecretValue, Version};

/// Deterministic bytes (xorshift64*), so that a failing test fails again.
pub(super) struct Seeded(pub(super) u64);

impl Entropy for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for b in bytes {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            *b = (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8;
        }
    }
}

/// The value's text, for assertions.
pub(super) fn text(value: &SecretValue) -> String {
    value.expose_to(|b| String::from_utf8(b.to_vec()).unwrap())
}

pub(super) fn value(text: &str) -> SecretValue {
    SecretValue::copy_of(text.as_bytes())
}

pub(super) fn version(minted: Minted) -> Version {
    Version {
        id: None,
        value: minted.value,
        public: minted.public,
    }
}

pub(super) fn with_current(version: Version) -> Material {
    Material {
        current: Some(version),
        ..Material::default()
    }
}

pub(super) fn with_pending(version: Version) -> Material {
    Material {
        pending: Some(version),
        ..Material::default()
    }
}

/// Runs a future that only computes.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
