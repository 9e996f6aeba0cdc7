//! The public key set as a file, for a web server to show.

use std::path::PathBuf;

use async_trait::async_trait;
use keyrota_contract::{Ack, Consumer, Delivery, DeliveryError};

use super::failure::file_failed;
use super::owner::Owner;
use crate::rotators::jwks::Jwks;
use keyrota_local::FileError;
use keyrota_local::atomic::{self, Options};

mod kind;
pub use kind::KIND;

/// Writes the public key set into a file.
#[derive(Debug)]
pub struct JwksFile {
    path: PathBuf,
    mode: u32,
    owner: Option<Owner>,
}

impl JwksFile {
    /// `mode` is 0644 unless the file states another.
    ///
    /// # Errors
    /// A sentence about the configuration: a relative path, a mode that lets others write, an
    /// owner that is not `user` or `user:group`.
    pub fn new(
        path: PathBuf,
        mode: Option<u32>,
        owner: Option<&str>,
    ) -> Result<Self, &'static str> {
        let mode = mode.unwrap_or(0o644);
        if !path.is_absolute() || path.file_name().is_none() {
            return Err("the path of a jwks consumer is absolute and names a file");
        }
        if mode & !0o664 != 0 || mode & 0o400 == 0 {
            return Err("the mode of a public key set is 0644, or less");
        }
        let owner = match owner {
            None => None,
            Some(text) => Some(Owner::parse(text).ok_or("owner is \"user\" or \"user:group\"")?),
        };
        Ok(Self { path, mode, owner })
    }

    fn owner(&self) -> Result<Option<(u32, u32)>, DeliveryError> {
        self.owner.as_ref().map(Owner::known).transpose()
    }
}

#[async_trait]
impl Consumer for JwksFile {
    async fn preflight(&self) -> Result<(), DeliveryError> {
        self.owner.as_ref().map_or(Ok(()), Owner::preflight)?;
        let (path, mode, owner) = (&self.path, self.mode, self.owner()?);
        atomic::can_replace(path, Options { mode, owner }).map_err(file_failed)
    }

    async fn deliver(&self, d: &Delivery<'_>) -> Result<Ack, DeliveryError> {
        let Some(text) = &d.exposure.jwks else {
            return Err(DeliveryError::Refused(
                "this secret has no public keys to show",
            ));
        };
        // The last door before the world: what is not a public key does not pass.
        Jwks::parse(text).map_err(|e| DeliveryError::Refused(e.sentence()))?;
        let owner = self.owner()?;
        let (path, mode, bytes) = (self.path.clone(), self.mode, text.clone().into_bytes());
        let written = tokio::task::spawn_blocking(move || {
            let as_stated = match atomic::read_target(&path, bytes.len(), owner) {
                Ok((old, looks)) if *old == bytes => {
                    looks.mode == mode && owner.is_none_or(|o| o == looks.owner)
                }
                Ok(_) | Err(FileError::NotFound | FileError::TooLarge) => false,
                Err(e) => return Err(e),
            };
            if as_stated {
                return Ok(Ack::Unchanged);
            }
            atomic::replace(&path, &bytes, Options { mode, owner }).map(|()| Ack::Told)
        });
        match written.await {
            Ok(outcome) => outcome.map_err(file_failed),
            Err(_) => Err(DeliveryError::Retry(
                "the file was not written: keyrota is stopping",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::super::testing::delivery;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use keyrota_contract::Exposure;

    const SET: &str = r#"{"keys":[{"kty":"OKP","kid":"one","alg":"EdDSA","use":"sig","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn showing(jwks: Option<&str>) -> Exposure {
        Exposure {
            variables: Vec::new(),
            jwks: jwks.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn it_is_written_once_for_everybody_to_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        let consumer = JwksFile::new(path.clone(), None, None).unwrap();
        consumer.preflight().await.unwrap();
        let exposure = showing(Some(SET));
        assert_eq!(consumer.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), SET);
        let first = std::fs::metadata(&path).unwrap();
        assert_eq!(first.mode() & 0o7777, 0o644);
        assert_eq!(
            consumer.deliver(&delivery(&exposure)).await,
            Ok(Ack::Unchanged)
        );
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), first.ino());
        assert_eq!(
            consumer
                .deliver(&delivery(&showing(Some(r#"{"keys":[]}"#))))
                .await,
            Ok(Ack::Told)
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"keys":[]}"#);
    }

    #[tokio::test]
    async fn a_private_key_is_never_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        let consumer = JwksFile::new(path.clone(), None, None).unwrap();
        for jwks in [
            None,
            Some("not json"),
            Some(&*SET.replace("\"x\"", "\"d\":\"secret\",\"x\"")),
        ] {
            let refused = consumer.deliver(&delivery(&showing(jwks))).await;
            assert!(
                matches!(refused, Err(DeliveryError::Refused(_))),
                "{jwks:?}"
            );
            assert!(!path.exists());
        }
    }

    #[test]
    fn configurations() {
        let at = |p: &str, mode| JwksFile::new(PathBuf::from(p), mode, None).is_ok();
        assert!(at("/srv/jwks.json", None) && at("/srv/jwks.json", Some(0o600)));
        assert!(!at("jwks.json", None) && !at("/srv/jwks.json", Some(0o666)) && !at("/", None));
    }
}
