//! What kind of key was found, and whether it serves the wanted algorithm.

use crate::problem::{Code, Fault};
use crate::rule::{Algorithm, KeyPart};

/// RFC 7518 §3.3 and §3.2: what is smaller must not be used.
const RSA_BITS_MIN: usize = 2048;
/// The crypto library of keyrota, and that of several languages, take no larger one.
const RSA_BITS_MAX: usize = 8192;
const HS256_BITS_MIN: usize = 256;
const OTHER_ALGORITHM: &str = "the key is not of the algorithm the schedule states; \
     to change the algorithm, add a second secret and move the programs to it";

/// The kind of a key, in whatever form it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Symmetric {
        bits: usize,
    },
    Rsa {
        bits: usize,
    },
    P256,
    Ed25519,
    /// One that no wanted algorithm can use: its name.
    Other(&'static str),
}

/// Why a text is not the wanted key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What is wrong, for programs.
    pub code: Code,
    /// What is wrong and what to do: a fixed sentence.
    pub why: &'static str,
    /// The same with what was found, where there is more to say; never a part of the key.
    pub(crate) detail: Option<String>,
}

impl Unfit {
    pub(crate) fn new(code: Code, why: &'static str) -> Self {
        Self {
            code,
            why,
            detail: None,
        }
    }

    pub(crate) fn with(self, detail: String) -> Self {
        Self {
            detail: Some(detail),
            ..self
        }
    }
}

impl From<Unfit> for Fault {
    fn from(unfit: Unfit) -> Self {
        Fault::new(unfit.code, unfit.detail.unwrap_or(unfit.why.to_owned()))
    }
}

/// Whether a key of this kind serves `algorithm`; without one, every kind does.
pub(crate) fn serves(kind: Kind, algorithm: Option<Algorithm>) -> Result<(), Unfit> {
    let Some(algorithm) = algorithm else {
        return Ok(());
    };
    let too_short = |bits: usize, min: usize, why| {
        let name = algorithm.as_str();
        let detail = format!("{name} needs at least {min} bits, and this key has {bits}");
        Err(Unfit::new(Code::TooShort, why).with(detail))
    };
    match (algorithm, kind) {
        (Algorithm::Hs256, Kind::Symmetric { bits }) if bits < HS256_BITS_MIN => too_short(
            bits,
            HS256_BITS_MIN,
            "the symmetric key has fewer than 256 bits",
        ),
        (Algorithm::Rs256, Kind::Rsa { bits }) if bits < RSA_BITS_MIN => {
            too_short(bits, RSA_BITS_MIN, "the RSA key has fewer than 2048 bits")
        }
        (Algorithm::Rs256, Kind::Rsa { bits }) if bits > RSA_BITS_MAX => Err(Unfit::new(
            Code::WrongKeyKind,
            "the RSA key has more than 8192 bits, which many programs refuse",
        )),
        (Algorithm::Hs256, Kind::Symmetric { .. })
        | (Algorithm::Rs256, Kind::Rsa { .. })
        | (Algorithm::Es256, Kind::P256)
        | (Algorithm::EdDsa, Kind::Ed25519) => Ok(()),
        (_, kind) => {
            let (name, wanted) = (algorithm.as_str(), wanted(algorithm));
            let found = found(kind);
            let detail = format!("it is {found}, and {name} needs {wanted}");
            Err(Unfit::new(Code::WrongKeyKind, OTHER_ALGORITHM).with(detail))
        }
    }
}

/// The fault of one half standing where the other is wanted.
pub(crate) fn wrong_part(wanted: KeyPart) -> Unfit {
    Unfit::new(
        Code::WrongKeyKind,
        match wanted {
            KeyPart::Private => "it is the public half of a key: set the private one",
            KeyPart::Public => "it is a private key, which must not be here: set its public half",
        },
    )
}

fn wanted(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Hs256 => "a symmetric key",
        Algorithm::Rs256 => "an RSA key",
        Algorithm::Es256 => "an EC key on P-256",
        Algorithm::EdDsa => "an Ed25519 key",
    }
}

fn found(kind: Kind) -> &'static str {
    match kind {
        Kind::Symmetric { .. } => "a symmetric key",
        Kind::Rsa { .. } => "an RSA key",
        Kind::P256 => "an EC key on P-256",
        Kind::Ed25519 => "an Ed25519 key",
        Kind::Other(name) => name,
    }
}
