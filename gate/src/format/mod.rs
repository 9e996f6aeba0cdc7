//! What a value must be readable as.

mod der;
mod drawn;
mod encoding;
mod jwk;
mod key;
mod pem;
mod private;
mod scalar;
#[cfg(test)]
mod testkeys;
mod url;

use crate::problem::Fault;
use crate::rule::{Algorithm, Format, KeyPart};
use crate::wrapping::Tolerance;

pub use drawn::drawn;
pub(crate) use jwk::kid;
pub use jwk::{KID_BYTES_MAX, check_kid};
pub use key::Unfit;
pub use private::{JwkNumbers, KeyBytes, KeyForm, PrivateKey, private_key};
pub(crate) use url::parts as url_parts;

/// What reading a value gave.
#[derive(Debug)]
pub(crate) enum Read {
    /// It is sound, and its bytes are the text itself.
    Text,
    /// It is sound, and these are the bytes it encodes.
    Bytes(Vec<u8>),
}

/// Reads `value` as `format`.
pub(crate) fn read(format: &Format, value: &str) -> Result<Read, Fault> {
    match format {
        Format::Url { schemes } => url::check(value, schemes),
        Format::Integer => scalar::integer(value),
        Format::Boolean => scalar::boolean(value),
        Format::Port => scalar::port(value),
        Format::Email => scalar::email(value),
        Format::Json { members } => scalar::json(value, members),
        Format::Pem { part, algorithm } => {
            pem::check_key(value, *part, *algorithm).map_err(Fault::from)
        }
        Format::Jwk { part, algorithm } => jwk::check(value, *part, *algorithm),
        Format::Certificate => pem::check_certificates(value),
        Format::Hex => return encoding::hex(value).map(Read::Bytes),
        Format::Base64 => return encoding::base64(value).map(Read::Bytes),
        Format::Base64Url => return encoding::base64url(value).map(Read::Bytes),
    }
    .map(|()| Read::Text)
}

/// What the format allows around a value.
pub(crate) fn tolerance(format: Option<&Format>) -> Tolerance {
    let structured = matches!(
        format,
        Some(Format::Json { .. } | Format::Pem { .. } | Format::Jwk { .. } | Format::Certificate)
    );
    Tolerance {
        space: structured,
        quotes: matches!(format, Some(Format::Json { .. })),
    }
}

/// The format in words, to tell what to set a missing variable to.
pub(crate) fn describe(format: &Format) -> String {
    let plain = match format {
        Format::Url { schemes } => match schemes.as_slice() {
            [] => "a URL",
            schemes => return format!("a URL ({}://)", schemes.join("://, ")),
        },
        Format::Integer => "a whole number",
        Format::Boolean => "true or false",
        Format::Port => "a port",
        Format::Email => "an e-mail address",
        Format::Hex => "hexadecimal digits",
        Format::Base64 => "base64",
        Format::Base64Url => "base64url",
        Format::Json { .. } => "JSON",
        Format::Pem { part, algorithm } => return key(*part, *algorithm, "PEM"),
        Format::Jwk { part, algorithm } => return key(*part, *algorithm, "a JWK"),
        Format::Certificate => "a certificate as PEM",
    };
    plain.to_owned()
}

fn key(part: Option<KeyPart>, algorithm: Option<Algorithm>, form: &str) -> String {
    let part = match part {
        Some(KeyPart::Private) => "private key",
        Some(KeyPart::Public) => "public key",
        None => "key",
    };
    match algorithm {
        Some(algorithm) => format!("the {} {part} as {form}", algorithm.as_str()),
        None => format!("a {part} as {form}"),
    }
}
