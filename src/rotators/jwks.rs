//! The public key set (RFC 7517): what verifiers of tokens read.
//!
//! A [`PublicJwk`] has no room for a private member, so none can be published: neither by a
//! mistake here, nor by whoever wrote the public parts beside a value.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use keyrota_contract::Public;
use serde::{Deserialize, Serialize};

/// The name of the public part that holds a [`PublicJwk`] as JSON text.
pub const JWK: &str = "jwk";
/// The name of the public part that holds the key's id.
pub const KID: &str = "kid";

/// One public key that verifies signatures (RFC 7517, RFC 7518 section 6, RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicJwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// The key's id, which tokens name.
    pub kid: String,
    /// The one algorithm it is used with.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// `P-256` or `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// EC and OKP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// EC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// RSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

impl PublicJwk {
    /// Reads one key.
    ///
    /// # Errors
    /// [`JwksError::Private`] for a private or symmetric key, else [`JwksError::NotAKey`].
    pub fn parse(text: &str) -> Result<Self, JwksError> {
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_| JwksError::NotAKey)?;
        if members
            .keys()
            .any(|k| PRIVATE_MEMBERS.contains(&k.as_str()))
        {
            return Err(JwksError::Private);
        }
        // From the text again: the map has kept only the last of two equal members.
        let key: Self = serde_json::from_str(text).map_err(|_| JwksError::NotAKey)?;
        let has = |m: &Option<String>| m.as_ref().is_some_and(|m| !m.is_empty());
        let whole = match (key.kty.as_str(), key.alg.as_str(), key.crv.as_deref()) {
            ("RSA", "RS256", None) => {
                has(&key.n) && has(&key.e) && key.x.is_none() && key.y.is_none()
            }
            ("EC", "ES256", Some("P-256")) => {
                has(&key.x) && has(&key.y) && key.n.is_none() && key.e.is_none()
            }
            ("OKP", "EdDSA", Some("Ed25519")) => {
                has(&key.x) && key.y.is_none() && key.n.is_none() && key.e.is_none()
            }
            _ => false,
        };
        if whole && key.usage == "sig" && !key.kid.is_empty() {
            Ok(key)
        } else {
            Err(JwksError::NotAKey)
        }
    }

    /// The RFC 7638 thumbprint, which names this key and no other one.
    pub fn thumbprint(&self) -> Option<String> {
        let jwk: Jwk = serde_json::from_str(&self.to_json()).ok()?;
        jwk.thumbprint(ThumbprintHash::SHA256).ok()
    }

    /// The compact JSON text, members in a fixed order.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts always serialise")
    }
}

/// A set of public keys, each id once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    keys: Vec<PublicJwk>,
}

impl Jwks {
    /// The set made of the public parts of versions, in the caller's order: pending, current,
    /// previous, for every secret of an environment. Parts without a [`JWK`] (symmetric keys) are
    /// passed over; the same key twice stands once.
    ///
    /// # Errors
    /// As [`PublicJwk::parse`]; [`JwksError::SameKid`] for two keys of one id.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a Public>) -> Result<Self, JwksError> {
        let mut set = Self::default();
        for jwk in parts.into_iter().filter_map(|p| p.get(JWK)) {
            set.add(PublicJwk::parse(jwk)?)?;
        }
        Ok(set)
    }

    /// Reads a set written by [`Jwks::to_json`], or one just as strict.
    ///
    /// # Errors
    /// [`JwksError::NotASet`], and those of [`Jwks::of`].
    pub fn parse(text: &str) -> Result<Self, JwksError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_str(text).map_err(|_| JwksError::NotASet)?;
        let mut set = Self::default();
        for key in &document.keys {
            set.add(PublicJwk::parse(&key.to_string())?)?;
        }
        Ok(set)
    }

    /// The keys, in order.
    pub fn keys(&self) -> &[PublicJwk] {
        &self.keys
    }

    /// The compact JSON document. The same keys in the same order give the same bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts always serialise")
    }

    fn add(&mut self, key: PublicJwk) -> Result<(), JwksError> {
        match self.keys.iter().find(|k| k.kid == key.kid) {
            Some(known) if *known == key => {}
            Some(_) => return Err(JwksError::SameKid),
            None => self.keys.push(key),
        }
        Ok(())
    }
}

/// Why a key or a set is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwksError {
    /// Not `{"keys": […]}`.
    NotASet,
    /// Not a public RS256, ES256 or EdDSA key with `kid`, `alg` and `use`.
    NotAKey,
    /// It has a member of a private or symmetric key.
    Private,
    /// Two different keys have one `kid`.
    SameKid,
}

impl JwksError {
    /// What a person reads.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotASet => "this is not a JSON Web Key Set",
            Self::NotAKey => {
                "the set has a key that is not a public signature key with kid, alg and use"
            }
            Self::Private => "the set has a private or symmetric key; it is not published",
            Self::SameKid => "the set has two keys with the same kid",
        }
    }
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for JwksError {}

/// RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    /// RFC 8037, appendix A.2.
    const ED: &str = r#"{"kty":"OKP","kid":"one","alg":"EdDSA","use":"sig","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    fn parts(jwk: &str) -> Public {
        Public::from([
            (JWK.to_owned(), jwk.to_owned()),
            (KID.to_owned(), "one".to_owned()),
        ])
    }

    #[test]
    fn order_is_kept_and_equal_keys_stand_once() {
        let other = ED.replace("one", "two").replace("11q", "22q");
        let symmetric = Public::from([(KID.to_owned(), "three".to_owned())]);
        let set = Jwks::of([&parts(&other), &symmetric, &parts(ED), &parts(&other)]).unwrap();
        assert_eq!(set.to_json(), format!(r#"{{"keys":[{other},{ED}]}}"#));
        assert_eq!(Jwks::parse(&set.to_json()).unwrap(), set);
        assert_eq!(Jwks::default().to_json(), r#"{"keys":[]}"#);
    }

    #[test]
    fn no_private_member_passes_by_any_way() {
        for member in PRIVATE_MEMBERS {
            let canary = "CANARY-0123456789";
            for text in [
                ED.replace(r#""x""#, &format!(r#""{member}":"{canary}","x""#)),
                ED.replace('}', &format!(r#","{member}":{{"deep":"{canary}"}}}}"#)),
                // Written with an escape, it is still the same member.
                ED.replace(
                    '}',
                    &format!(
                        r#","\u{:04x}{}":"{canary}"}}"#,
                        member.as_bytes()[0],
                        &member[1..]
                    ),
                ),
            ] {
                assert_eq!(PublicJwk::parse(&text), Err(JwksError::Private), "{text}");
                assert_eq!(Jwks::of([&parts(&text)]), Err(JwksError::Private));
                assert_eq!(
                    Jwks::parse(&format!(r#"{{"keys":[{text}]}}"#)),
                    Err(JwksError::Private)
                );
                assert!(!format!("{:?}", PublicJwk::parse(&text)).contains(canary));
            }
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (from, to) in [
            ("\"sig\"", "\"enc\""),
            ("\"kid\":\"one\",", ""),
            ("\"one\"", "\"\""),
            ("EdDSA", "none"),
            ("EdDSA", "HS256"),
            ("OKP", "oct"),
            ("Ed25519", "X25519"),
            ("\"x\"", "\"extra\":1,\"x\""),
            ("\"crv\":\"Ed25519\",", ""),
            ("}", ""),
            ("}", ",\"x\":\"twice\"}"),
        ] {
            assert_eq!(
                PublicJwk::parse(&ED.replace(from, to)),
                Err(JwksError::NotAKey),
                "{from} {to}"
            );
        }
        assert_eq!(Jwks::parse("[]"), Err(JwksError::NotASet));
        let twice = format!(r#"{{"keys":[{ED},{}]}}"#, ED.replace("11q", "22q"));
        assert_eq!(Jwks::parse(&twice), Err(JwksError::SameKid));
    }
}
