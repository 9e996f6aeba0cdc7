//! From the checked model to what changes a secret.

use keyrota_contract::Rotator;

use crate::config::model::{self, ExternalFormat, JwtFormat, Kind, Secret};
use crate::rotators::{external, jwt, random, signing_key};

/// What changes a secret; `None` if the kind does not take its settings. No I/O.
pub(super) fn rotator(secret: &Secret) -> Option<Box<dyn Rotator>> {
    Some(match &secret.kind {
        Kind::Jwt(jwt) => {
            let algorithm = match jwt.algorithm {
                model::Algorithm::Hs256 => jwt::Algorithm::Hs256 {
                    bytes: jwt.bytes as usize,
                },
                model::Algorithm::Rs256 => jwt::Algorithm::Rs256 {
                    bits: jwt.bits as usize,
                },
                model::Algorithm::Es256 => jwt::Algorithm::Es256,
                model::Algorithm::EdDsa => jwt::Algorithm::EdDsa,
            };
            let format = match jwt.format {
                JwtFormat::Pem => jwt::Format::Pem,
                JwtFormat::Jwk => jwt::Format::Jwk,
                JwtFormat::Raw => jwt::Format::Raw,
            };
            Box::new(jwt::Jwt::new(algorithm, format).ok()?)
        }
        Kind::SigningKey(key) => {
            let origin = if secret.imported {
                signing_key::Origin::Imported
            } else {
                signing_key::Origin::Generated {
                    bytes: key.bytes as usize,
                    encoding: match key.encoding {
                        model::Encoding::Hex => signing_key::Encoding::Hex,
                        model::Encoding::Base64 => signing_key::Encoding::Base64,
                        model::Encoding::Base64Url => signing_key::Encoding::Base64Url,
                    },
                }
            };
            Box::new(signing_key::SigningKey::new(origin, key.prefix.clone())?)
        }
        Kind::Random(token) => {
            Box::new(random::Random::new(token.length as usize, token.alphabet.clone()).ok()?)
        }
        Kind::Postgres(_) | Kind::Mysql(_) | Kind::Command(_) => return None,
        Kind::External(external) => Box::new(external::External {
            format: match external.format {
                ExternalFormat::Raw => external::Format::Raw,
                ExternalFormat::Url => external::Format::Url,
                ExternalFormat::Json => external::Format::Json,
                ExternalFormat::RdsJson => external::Format::RdsJson,
            },
            min_bytes: (external.min_bytes as usize).max(1),
        }),
    })
}
