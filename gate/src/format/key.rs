//! What kind of key was found, and whether it serves the wanted algorithm.

use crate::problem::{Code, Fault};
use crate::rule::{Algorithm, KeyPart};

/// RFC 7518 §3.3 and §3.2: what is smaller must not be used.
const RSA_BITS_MIN: usize = 2048;
const HS256_BITS_MIN: usize = 256;

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

/// Whether a key of this kind serves `algorithm`; without one, every kind does.
pub(crate) fn serves(kind: Kind, algorithm: Option<Algorithm>) -> Result<(), Fault> {
    let Some(algorithm) = algorithm else {
        return Ok(());
    };
    let too_short = |bits: usize, min: usize| {
        let name = algorithm.as_str();
        Err(Fault::new(
            Code::TooShort,
            format!("{name} needs at least {min} bits, and this key has {bits}"),
        ))
    };
    match (algorithm, kind) {
        (Algorithm::Hs256, Kind::Symmetric { bits }) if bits < HS256_BITS_MIN => {
            too_short(bits, HS256_BITS_MIN)
        }
        (Algorithm::Rs256, Kind::Rsa { bits }) if bits < RSA_BITS_MIN => {
            too_short(bits, RSA_BITS_MIN)
        }
        (Algorithm::Hs256, Kind::Symmetric { .. })
        | (Algorithm::Rs256, Kind::Rsa { .. })
        | (Algorithm::Es256, Kind::P256)
        | (Algorithm::EdDsa, Kind::Ed25519) => Ok(()),
        (_, kind) => {
            let (name, wanted) = (algorithm.as_str(), wanted(algorithm));
            let found = found(kind);
            Err(Fault::new(
                Code::WrongKeyKind,
                format!("it is {found}, and {name} needs {wanted}"),
            ))
        }
    }
}

/// The fault of one half standing where the other is wanted.
pub(crate) fn wrong_part(wanted: KeyPart) -> Fault {
    Fault::new(
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
