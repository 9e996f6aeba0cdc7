//! `kind = "wireguard"`: the private key of a WireGuard peer, as `wg genkey` writes it.

use std::sync::Arc;

use async_trait::async_trait;
use data_encoding::BASE64;
use keyrota::config::keys::TURNS;
use keyrota::config::read::{Reader, Section};
use keyrota::config::registry::{
    BuildingSecret, ReadingSecret, SecretFacts, SecretKind, SecretRead, SecretSettings,
};
use keyrota_contract::{
    Entropy, Material, Minted, Probe, Public, Report, Rotator, RotatorError, SecretValue, Target,
    Which,
};
use keyrota_gate::{Format, Rule};

pub static KIND: SecretKind = SecretKind {
    word: "wireguard",
    keys: &[Keys::KEYS, TURNS],
    read,
};

keyrota::table! {
    struct Keys<'t> {
        /// The interface, which names the file that the key is for.
        required interface: &'t str,
    }
}

fn read(reader: &mut Reader<'_>, section: &Section<'_>, _: &ReadingSecret<'_>) -> SecretRead {
    let keys = Keys::read(section);
    if keys.interface.is_stated && keys.interface.len() > 15 {
        let what = "is longer than the 15 bytes of an interface's name";
        reader.refuse(&keys.interface, what, "write it as in: wg show interfaces");
    }
    // What the gate asks of a variable that holds the value.
    let rule = Rule {
        format: Some(Format::Base64),
        min_bytes: Some(KEY_BYTES),
        random: true,
        ..Rule::new("")
    };
    SecretRead {
        facts: SecretFacts::new(&["value"], rule),
        settings: Arc::new(WireGuard),
    }
}

/// A key of Curve25519.
const KEY_BYTES: usize = 32;

#[derive(Debug)]
struct WireGuard;

impl SecretSettings for WireGuard {
    fn build(&self, _: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str> {
        Ok(Box::new(Self))
    }

    fn setup(&self, _: bool) -> Vec<String> {
        Vec::new()
    }
}

impl WireGuard {
    fn check(value: &SecretValue) -> Result<(), &'static str> {
        value.expose_to(|bytes| match BASE64.decode(bytes) {
            Ok(key) if key.len() == KEY_BYTES => Ok(()),
            _ => Err("the value is not the base64 text of 32 bytes, as wg genkey prints it"),
        })
    }
}

#[async_trait]
impl Rotator for WireGuard {
    async fn preflight(&self, _: &Material) -> Result<Report, RotatorError> {
        Ok(Report::default())
    }

    fn create(&self, _: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let mut key = [0; KEY_BYTES];
        entropy.fill(&mut key);
        // The bits that every key of this curve has set or clear (RFC 7748, section 5).
        key[0] &= 248;
        key[31] = key[31] & 127 | 64;
        Ok(Minted {
            value: SecretValue::new(BASE64.encode(&key).into_bytes()),
            public: Public::new(),
        })
    }

    fn adopt(&self, value: SecretValue, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        Self::check(&value).map_err(RotatorError::Refused)?;
        Ok(Minted {
            value,
            public: Public::new(),
        })
    }

    /// No server knows the key, so the stored text is judged.
    async fn probe(&self, which: Which, material: &Material) -> Probe {
        let version = match which {
            Which::Current => &material.current,
            Which::Pending => &material.pending,
            Which::Previous => &material.previous,
        };
        match version.as_ref().map(|version| Self::check(&version.value)) {
            None => Probe::Unknown,
            Some(Ok(())) => Probe::Accepted,
            Some(Err(_)) => Probe::Rejected,
        }
    }

    fn public(&self, _: &SecretValue, stored: &Public) -> Public {
        stored.clone()
    }

    fn target(&self) -> Option<&dyn Target> {
        None
    }
}
