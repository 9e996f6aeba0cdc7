//! One key as a JWK (RFC 7517, RFC 7518 section 6, RFC 8037).

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::format::der::{bits, is_p256_scalar, is_rsa_exponent};
use crate::format::encoding::base64url;
use crate::format::key::{Kind, Unfit, serves, wrong_part};
use crate::format::private::{JwkNumbers, KeyBytes, PrivateKey};
use crate::format::scalar;
use crate::problem::{Code, Fault};
use crate::rule::{Algorithm, KeyPart};

/// The longest key id: every token carries it.
pub const KID_BYTES_MAX: usize = 256;

/// Checks a key id, which tokens carry and verifiers compare as it stands.
///
/// # Errors
/// What is wrong with it, in a fixed sentence.
pub fn check_kid(kid: &str) -> Result<(), &'static str> {
    if kid.is_empty() || kid.len() > KID_BYTES_MAX {
        return Err("the key id (kid) is empty or longer than 256 bytes");
    }
    if kid.trim() != kid || kid.chars().any(char::is_control) {
        return Err("the key id (kid) has white space around it or a control character in it");
    }
    Ok(())
}

pub(crate) fn check(
    value: &str,
    part: Option<KeyPart>,
    algorithm: Option<Algorithm>,
) -> Result<(), Fault> {
    let read_private = || Ok(private(value, algorithm).map(|_| ())?);
    if part == Some(KeyPart::Private) {
        return read_private();
    }
    if value.contains(BEGIN) {
        return Err(format(PEM).into());
    }
    let Value::Object(jwk) = scalar::parse(value)? else {
        return Err(format(NO_OBJECT).into());
    };
    if jwk.contains_key("keys") {
        return Err(format(A_SET).into());
    }
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let shape = shape(text("kty"), text("crv"))?;
    if jwk.contains_key(shape.secret) {
        return match part {
            Some(_) => Err(wrong_part(KeyPart::Public).into()),
            None => read_private(),
        };
    }
    if shape.public.is_empty() {
        return Err(lacking(&[shape.secret]).into());
    }
    lacks(shape.public, |name| jwk.contains_key(name))?;
    let mut kind = shape.kind;
    for name in shape.public {
        let bytes = member(&jwk, name)?;
        shape.check_length(name, &bytes)?;
        if let (Kind::Rsa { bits: length }, "n") = (&mut kind, *name) {
            *length = bits(&bytes);
        }
    }
    serves(kind, algorithm)?;
    Ok(check_purpose(text("alg"), text("use"), algorithm)?)
}

/// Reads a private JWK, or a symmetric one.
pub(crate) fn private(text: &str, algorithm: Option<Algorithm>) -> Result<PrivateKey, Unfit> {
    let mut jwk = parse(text)?;
    let shape = shape(jwk.kty.as_deref(), jwk.crv.as_deref())?;
    if jwk.member(shape.secret).is_none() && !shape.public.is_empty() {
        return Err(wrong_part(KeyPart::Private));
    }
    let names = [shape.public, &[shape.secret], shape.extra].concat();
    lacks(&names, |name| jwk.member(name).is_some())?;
    let is_rsa = matches!(shape.kind, Kind::Rsa { .. });
    if is_rsa && jwk.oth.is_some() {
        return Err(format("RSA keys with more than two primes are not taken"));
    }
    let mut numbers = JwkNumbers::default();
    for name in names {
        let bytes = number(jwk.member(name).unwrap_or_default(), name)?;
        shape.check_length(name, &bytes)?;
        let zeros = bytes
            .iter()
            .take_while(|byte| is_rsa && **byte == 0)
            .count();
        *numbers.member(name) = Zeroizing::new(bytes[zeros..].to_vec());
    }
    let kind = match shape.kind {
        Kind::Rsa { .. } => rsa(&numbers)?,
        Kind::Symmetric { .. } => Kind::Symmetric {
            bits: numbers.k.len() * 8,
        },
        Kind::P256 if !is_p256_scalar(&numbers.d) => {
            return Err(format("the private key of the JWK is not one on its curve"));
        }
        kind => kind,
    };
    serves(kind, algorithm)?;
    check_purpose(jwk.alg.as_deref(), jwk.usage.as_deref(), algorithm)?;
    let signs = |uses: &Vec<Cow<'_, str>>| uses.iter().any(|one| one == "sign");
    if algorithm.is_some() && jwk.key_ops.as_ref().is_some_and(|uses| !signs(uses)) {
        return Err(Unfit::new(
            Code::WrongKeyKind,
            "the JWK's key_ops does not name sign: the key is not meant to sign",
        ));
    }
    let kid = jwk.kid.take().map(Cow::into_owned);
    if let Some(why) = kid.as_deref().and_then(|kid| check_kid(kid).err()) {
        return Err(format(why));
    }
    Ok(PrivateKey {
        bytes: KeyBytes::Jwk(Box::new(numbers)),
        kid,
    })
}

/// The key id that a JWK states; `None` for anything else.
pub(crate) fn kid(value: &str) -> Option<String> {
    // Most keys are PEM: not worth a JSON parser.
    if !value.trim_start().starts_with('{') {
        return None;
    }
    let document: Value = serde_json::from_str(value).ok()?;
    document.get("kid")?.as_str().map(str::to_owned)
}

/// Members of a private JWK. Unknown ones are ignored, as RFC 7517 section 4 asks; one that stands
/// twice is refused, since readers differ in which they take.
#[derive(Deserialize)]
struct PrivateJwk<'a> {
    keys: Option<IgnoredAny>,
    #[serde(borrow)]
    kty: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    alg: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "use")]
    usage: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key_ops: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    crv: Option<Cow<'a, str>>,
    // Borrowed, never copied: base64url needs no escapes, so a text with one is refused.
    x: Option<&'a str>,
    y: Option<&'a str>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    dp: Option<&'a str>,
    dq: Option<&'a str>,
    qi: Option<&'a str>,
    k: Option<&'a str>,
    oth: Option<IgnoredAny>,
}

impl<'a> PrivateJwk<'a> {
    fn member(&self, name: &str) -> Option<&'a str> {
        match name {
            "x" => self.x,
            "y" => self.y,
            "n" => self.n,
            "e" => self.e,
            "d" => self.d,
            "p" => self.p,
            "q" => self.q,
            "dp" => self.dp,
            "dq" => self.dq,
            "qi" => self.qi,
            _ => self.k,
        }
    }
}

impl JwkNumbers {
    fn member(&mut self, name: &str) -> &mut Zeroizing<Vec<u8>> {
        match name {
            "x" => &mut self.x,
            "y" => &mut self.y,
            "n" => &mut self.n,
            "e" => &mut self.e,
            "d" => &mut self.d,
            "p" => &mut self.p,
            "q" => &mut self.q,
            "dp" => &mut self.dp,
            "dq" => &mut self.dq,
            "qi" => &mut self.qi,
            _ => &mut self.k,
        }
    }
}

fn parse(text: &str) -> Result<PrivateJwk<'_>, Unfit> {
    let start = text.trim_start();
    if text.contains(BEGIN) {
        return Err(format(PEM));
    }
    if start.starts_with('[') {
        return Err(format(NO_OBJECT));
    }
    if start.starts_with("eyJ") || start.starts_with("ewog") {
        return Err(format(
            "it is JSON in base64: decode it (base64 -d) before it is set",
        ));
    }
    let jwk: PrivateJwk<'_> = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        match error.classify() {
            Category::Eof => format("it is not JSON: it ends too early"),
            Category::Data => format("a member of the JWK is repeated or has a wrong type")
                .with(std::format!("it is not a private JWK: a member is wrong or repeated, at line {line}, column {column}")),
            _ => format("it is not JSON").with(std::format!("it is not JSON: wrong at line {line}, column {column}")),
        }
    })?;
    match jwk.keys {
        Some(_) => Err(format(A_SET)),
        None => Ok(jwk),
    }
}

/// Which members a kind of key has.
struct Shape {
    kind: Kind,
    public: &'static [&'static str],
    secret: &'static str,
    extra: &'static [&'static str],
    /// The length of every member, where the curve fixes it.
    member_bytes: Option<usize>,
}

impl Shape {
    fn check_length(&self, name: &str, bytes: &[u8]) -> Result<(), Unfit> {
        if self.member_bytes.is_none_or(|length| bytes.len() == length) {
            return Ok(());
        }
        let detail = std::format!("its member {name} has the wrong length: it was cut or joined");
        Err(Unfit::new(Code::HalfKey, CUT).with(detail))
    }
}

fn shape(kty: Option<&str>, crv: Option<&str>) -> Result<Shape, Unfit> {
    let curved = |kind, public, member_bytes| Shape {
        kind,
        public,
        secret: "d",
        extra: &[],
        member_bytes,
    };
    Ok(match (kty, crv) {
        (Some("oct"), _) => Shape {
            kind: Kind::Symmetric { bits: 0 },
            public: &[],
            secret: "k",
            extra: &[],
            member_bytes: None,
        },
        (Some("RSA"), _) => Shape {
            kind: Kind::Rsa { bits: 0 },
            public: &["n", "e"],
            secret: "d",
            extra: &["p", "q", "dp", "dq", "qi"],
            member_bytes: None,
        },
        (Some("EC"), Some("P-256")) => curved(Kind::P256, &["x", "y"], Some(32)),
        (Some("OKP"), Some("Ed25519")) => curved(Kind::Ed25519, &["x"], Some(32)),
        (Some("EC"), Some(_)) => curved(
            Kind::Other("an EC key on another curve than P-256"),
            &["x", "y"],
            None,
        ),
        (Some("OKP"), Some(_)) => curved(
            Kind::Other("a key on another curve than Ed25519"),
            &["x"],
            None,
        ),
        (Some("EC" | "OKP"), None) => return Err(lacking(&["crv"])),
        (Some(_), _) => return Err(format("its kty must be oct, RSA, EC or OKP")),
        (None, _) => return Err(lacking(&["kty"])),
    })
}

/// The bytes of a public member, which need not be wiped.
fn member(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Fault> {
    let text = jwk.get(name).and_then(Value::as_str);
    let bytes = text
        .and_then(|text| base64url(text).ok())
        .filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| not_base64url(name).into())
}

/// The bytes of a member of a private key.
fn number(text: &str, name: &str) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.ok().filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| not_base64url(name))
}

/// The kind of an RSA key whose numbers have lengths that can belong together: one that is much
/// shorter than its prime or its modulus was cut.
fn rsa(numbers: &JwkNumbers) -> Result<Kind, Unfit> {
    let modulus = bits(&numbers.n);
    let (p, q) = (bits(&numbers.p), bits(&numbers.q));
    let near = |number: &[u8], whole: usize| {
        (whole.saturating_sub(SLACK_BITS)..=whole).contains(&bits(number))
    };
    let whole = (modulus..=modulus + 1).contains(&(p + q))
        && near(&numbers.d, modulus)
        && near(&numbers.dp, p)
        && near(&numbers.dq, q)
        && near(&numbers.qi, p);
    match whole && is_rsa_exponent(&numbers.e) {
        true => Ok(Kind::Rsa { bits: modulus }),
        false => Err(Unfit::new(Code::HalfKey, CUT)),
    }
}

/// `alg` and `use`, where the key states them, must not contradict what it is wanted for.
fn check_purpose(
    alg: Option<&str>,
    usage: Option<&str>,
    algorithm: Option<Algorithm>,
) -> Result<(), Unfit> {
    let Some(algorithm) = algorithm else {
        return Ok(());
    };
    let name = algorithm.as_str();
    let wrong = |why| Unfit::new(Code::WrongKeyKind, why);
    if alg.is_some_and(|alg| alg != name) {
        return Err(wrong("its alg is another one than the schedule states")
            .with(std::format!("its alg is another one than {name}")));
    }
    if usage.is_some_and(|usage| usage != "sig") {
        return Err(wrong(
            "its use is not sig: the key is not meant for signatures",
        ));
    }
    Ok(())
}

fn lacks(names: &[&'static str], has: impl Fn(&str) -> bool) -> Result<(), Unfit> {
    let absent: Vec<&str> = names.iter().copied().filter(|name| !has(name)).collect();
    match absent.is_empty() {
        true => Ok(()),
        false => Err(lacking(&absent)),
    }
}

fn lacking(names: &[&str]) -> Unfit {
    let why = "the JWK is not a whole private key: a member is missing";
    let detail = std::format!("the JWK lacks {}", names.join(", "));
    Unfit::new(Code::HalfKey, why).with(detail)
}

fn not_base64url(name: &str) -> Unfit {
    format("a member of the JWK is not base64url without padding").with(std::format!(
        "its member {name} is not base64url without padding"
    ))
}

fn format(why: &'static str) -> Unfit {
    Unfit::new(Code::WrongFormat, why)
}

/// A number is rarely a byte shorter than it could be, and never four.
const SLACK_BITS: usize = 32;
const BEGIN: &str = "-----BEGIN ";
const PEM: &str = "it is PEM, and a JWK is wanted";
const NO_OBJECT: &str = "it is not a JWK: it must be a JSON object";
const A_SET: &str = "it is a set of keys: set one of them, the JWK alone";
const CUT: &str = "a member of the JWK has a wrong length: it was cut or joined";

#[cfg(test)]
mod tests;
