//! Private JSON Web Keys, as they are read.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

/// Members of a private JWK (RFC 7518 section 6, RFC 8037). Unknown ones are allowed and ignored,
/// as RFC 7517 section 4 asks.
#[derive(Deserialize)]
pub(super) struct PrivateJwk<'a> {
    #[serde(borrow)]
    pub(super) kty: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) kid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) alg: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "use")]
    pub(super) usage: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) crv: Option<Cow<'a, str>>,
    // Borrowed, never copied: base64url needs no escapes, so a text with one is refused.
    pub(super) x: Option<&'a str>,
    pub(super) y: Option<&'a str>,
    pub(super) n: Option<&'a str>,
    pub(super) e: Option<&'a str>,
    pub(super) d: Option<&'a str>,
    pub(super) p: Option<&'a str>,
    pub(super) q: Option<&'a str>,
    pub(super) dp: Option<&'a str>,
    pub(super) dq: Option<&'a str>,
    pub(super) qi: Option<&'a str>,
    pub(super) oth: Option<IgnoredAny>,
}

/// The bytes of a member that has to be there.
pub(super) fn number(member: Option<&str>) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let text = member.ok_or("the JWK is not a whole private key: a member is missing")?;
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new);
    bytes.map_err(|_| "a member of the private JWK is not base64url without padding")
}
