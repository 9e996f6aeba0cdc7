//! Who wrote a document: a line behind its JSON that only a holder of an identity can make.
//!
//! age keeps a document secret, but anyone who knows a recipient, which is public, can seal another
//! one. So the writer adds a tag for every recipient: an HMAC-SHA-256 over the exact JSON text. Its key
//! comes (HKDF-SHA-256, RFC 5869) from the X25519 secret (RFC 7748) that the writer's identity and
//! that recipient share, which nobody else can compute. A reader accepts the tag of a writer
//! whose recipient is among the configured ones or its own, and only for the environment that the
//! document was written for: the document of staging says nothing about production.
//!
//! A tag does not say that the document is the newest: an older one of the same writer passes here.

use std::collections::BTreeMap;

use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::{hkdf, hmac};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::identity::Identities;

/// Which keys are derived for: another format of the line needs another text.
const PURPOSE: &[u8] = b"keyrota document 1";

/// The document was not written by a holder of an identity that this reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;

impl NotAuthentic {
    /// What is wrong, and what to do.
    pub const fn sentence(self) -> &'static str {
        "the document was not written by a keyrota that has one of the configured identities, for this environment; find out who wrote it, then put the last document of keyrota back; not overwritten"
    }
}

/// The line behind the JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The recipient that belongs to the writer's identity.
    writer: String,
    /// A tag for each recipient.
    tags: BTreeMap<String, String>,
}

/// `json`, which ends with a line break, and the line that says who wrote it: one of `ours`.
pub(crate) fn signed(
    json: &[u8],
    environment: &str,
    ours: &Identities,
    recipients: &[Recipient],
) -> Zeroizing<Vec<u8>> {
    let writer = ours
        .keys()
        .find(|own| recipients.iter().any(|r| same(r, &own.to_public())))
        .expect("one of the recipients is ours: checked when the provider was made");
    let own = writer.to_public();
    let tag = |to: &Recipient| {
        let key = key(writer, to, [&own, to], environment)?;
        Some((
            to.to_string(),
            BASE64URL_NOPAD.encode(hmac::sign(&key, json).as_ref()),
        ))
    };
    let line = Line {
        writer: own.to_string(),
        // A recipient that no secret can be shared with can read, and verify nothing.
        tags: recipients.iter().filter_map(tag).collect(),
    };
    let line = serde_json::to_string(&line).expect("texts have a JSON form");
    let mut whole = Zeroizing::new(Vec::with_capacity(
        json.len().saturating_add(line.len()).saturating_add(1),
    ));
    whole.extend_from_slice(json);
    whole.extend_from_slice(line.as_bytes());
    whole.push(b'\n');
    whole
}

/// The JSON of [`signed`], if a holder of one of the `writers`' or of our identities wrote it for one
/// of `ours`.
pub(crate) fn verified<'a>(
    whole: &'a [u8],
    environment: &str,
    ours: &Identities,
    writers: &[Recipient],
) -> Result<&'a [u8], NotAuthentic> {
    let lines = whole.strip_suffix(b"\n").ok_or(NotAuthentic)?;
    let end = lines
        .iter()
        .rposition(|byte| *byte == b'\n')
        .ok_or(NotAuthentic)?;
    let (json, line) = lines.split_at(end + 1);
    let line: Line = serde_json::from_slice(line).map_err(|_| NotAuthentic)?;
    let writer: Recipient = line.writer.parse().map_err(|_| NotAuthentic)?;
    let known = writers.iter().any(|known| same(known, &writer))
        || ours.keys().any(|own| same(&own.to_public(), &writer));
    let is_tagged = |own: &Identity| {
        let public = own.to_public();
        let tag = line.tags.get(&public.to_string())?;
        let tag = BASE64URL_NOPAD.decode(tag.as_bytes()).ok()?;
        let key = key(own, &writer, [&writer, &public], environment)?;
        hmac::verify(&key, json, &tag).ok()
    };
    let tagged = ours.keys().any(|own| is_tagged(own).is_some());
    (known && tagged).then_some(json).ok_or(NotAuthentic)
}

/// The key that the holder of `own` shares with the holder of `peer`, for what the first writes to the
/// second of `between`, and for an environment. `None` for a recipient that shares no secret with anyone (a point of low order).
fn key(
    own: &Identity,
    peer: &Recipient,
    between: [&Recipient; 2],
    environment: &str,
) -> Option<hmac::Key> {
    let secret = bytes(own.to_string().expose_secret())?;
    let private = PrivateKey::from_private_key(&X25519, &*secret).ok()?;
    let public = bytes(&peer.to_string())?;
    let public = UnparsedPublicKey::new(&X25519, &*public);
    agree(&private, public, (), |shared| {
        // All recipients have one length: nothing of one part can pass for another's.
        let [writer, reader] = between.map(ToString::to_string);
        let info = [writer, reader, environment.to_owned()];
        let info = info.each_ref().map(String::as_bytes);
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE).extract(shared);
        derived
            .expand(&info, hmac::HMAC_SHA256)
            .map(hmac::Key::from)
            .map_err(|_| ())
    })
    .ok()
}

/// The 32 bytes of a key as age writes it (Bech32, BIP 173).
fn bytes(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let decoded = bech32::primitives::decode::CheckedHrpstring::new::<bech32::Bech32>(text).ok()?;
    let mut bytes = Zeroizing::new([0; 32]);
    let mut filled = 0;
    for byte in decoded.byte_iter() {
        *bytes.get_mut(filled)? = byte;
        filled += 1;
    }
    (filled == bytes.len()).then_some(bytes)
}

fn same(a: &Recipient, b: &Recipient) -> bool {
    a.to_string() == b.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;
    use crate::identity::{generate, recipients};

    const JSON: &[u8] = b"{\n  \"keyrota\": 1\n}\n";

    const ENV: &str = "production";

    fn keys() -> Identities {
        generate().file.expose_to(Identities::parse).unwrap()
    }

    fn all(of: &[&Identities]) -> Vec<Recipient> {
        let texts: Vec<_> = of.iter().flat_map(|i| i.recipients()).collect();
        recipients(&texts, of[0]).unwrap()
    }

    #[test]
    fn only_a_holder_of_a_known_identity_writes_what_is_read() {
        let (host, second, outsider) = (keys(), keys(), keys());
        let known = all(&[&host, &second]);
        for writer in [&host, &second] {
            let whole = signed(JSON, ENV, writer, &known);
            for reader in [&host, &second] {
                assert_eq!(verified(&whole, ENV, reader, &known).unwrap(), JSON);
            }
            // Its key opens nothing here.
            assert!(verified(&whole, ENV, &outsider, &known).is_err());
        }
        // The attacker knows every recipient, and signs as itself, for itself and for them.
        let forged = signed(JSON, ENV, &outsider, &all(&[&outsider, &host, &second]));
        assert!(verified(&forged, ENV, &host, &known).is_err());
        // Or says that the host wrote it.
        let name = |i: &Identities| i.recipients().remove(0);
        let text = String::from_utf8(forged.to_vec()).unwrap();
        let posing = text.replace(
            &format!("\"writer\":\"{}\"", name(&outsider)),
            &format!("\"writer\":\"{}\"", name(&host)),
        );
        assert_ne!(text, posing);
        assert!(verified(posing.as_bytes(), ENV, &host, &known).is_err());
        // A holder who left the list is an outsider from then on.
        let left = signed(JSON, ENV, &second, &known);
        assert!(verified(&left, ENV, &host, &all(&[&host])).is_err());
    }

    #[test]
    fn an_identity_file_with_the_old_key_reads_what_the_old_key_wrote() {
        let (old, new) = (generate(), generate());
        let both = [&new, &old]
            .map(|i| i.file.expose_to(<[u8]>::to_vec))
            .concat();
        let old = old.file.expose_to(Identities::parse).unwrap();
        let whole = signed(JSON, ENV, &old, &all(&[&old]));
        let both = Identities::parse(&both).unwrap();
        assert_eq!(verified(&whole, ENV, &both, &all(&[&both])).unwrap(), JSON);
        let new = new.file.expose_to(Identities::parse).unwrap();
        assert!(verified(&whole, ENV, &new, &all(&[&new])).is_err());
    }

    #[test]
    fn no_byte_may_change() {
        let host = keys();
        let known = all(&[&host]);
        let whole = signed(JSON, ENV, &host, &known);
        for other in ["staging", "", "productio", "production2", "Production"] {
            assert!(verified(&whole, other, &host, &known).is_err(), "{other}");
        }
        for n in 0..whole.len() {
            let mut altered = whole.to_vec();
            altered[n] ^= 1;
            assert!(verified(&altered, ENV, &host, &known).is_err(), "byte {n}");
            assert!(
                verified(&whole[..n], ENV, &host, &known).is_err(),
                "cut at {n}"
            );
        }
        assert!(verified(JSON, ENV, &host, &known).is_err(), "no tag");
        assert!(verified(&[&whole[..], b"{}\n"].concat(), ENV, &host, &known).is_err());
    }
}
