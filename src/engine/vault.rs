//! From the model of a Vault to its provider.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::{ErrorKind, Provider, ProviderError, SecretValue};
use keyrota_rest::vault::{Auth, Input, VaultConfig, VaultProvider};

use super::input::{self, InputError};
use super::parts::PartsError;
use crate::config::model::{self, Reference, VaultAuth};

/// A third of what an effect may take: its first lost request still leaves time to say so.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// More than any signed token has.
const JWT_BYTES_MAX: usize = 16 * 1024;

/// Puts it together; nothing is asked of the server. An input that is missing is told at once, and
/// read again at each login.
pub(super) fn provider(
    name: &str,
    vault: &model::VaultProvider,
) -> Result<Arc<dyn Provider>, PartsError> {
    let who = || format!("providers.{name}");
    let missing = |e| PartsError::Input(who(), e);
    let auth = match &vault.auth {
        VaultAuth::Token(token) => Auth::Token(sensitive(token).map_err(missing)?),
        VaultAuth::AppRole {
            mount,
            role_id,
            secret_id,
        } => Auth::AppRole {
            mount: mount.clone(),
            role_id: role_id.clone(),
            secret_id: sensitive(secret_id).map_err(missing)?,
        },
        VaultAuth::Jwt {
            mount,
            role,
            jwt_file,
        } => {
            let file = jwt_file.clone();
            Auth::Jwt {
                mount: mount.clone(),
                role: role.clone(),
                jwt: Box::new(move || {
                    signed_token(&file)
                        .map_err(|_| unreadable("the signed token (`jwt_file`) cannot be read"))
                }),
            }
        }
    };
    let config = VaultConfig {
        address: vault.address.clone(),
        mount: vault.mount.clone(),
        namespace: vault.namespace.clone(),
        ca_file: vault.ca_file.clone(),
        auth,
        timeout: REQUEST_TIMEOUT,
    };
    match VaultProvider::new(config) {
        Ok(provider) => Ok(Arc::new(provider)),
        Err(e) => Err(PartsError::Refused(who(), e.context)),
    }
}

/// Guarded by whoever puts it there: Kubernetes makes it a link that all of its pod may read.
fn signed_token(file: &Path) -> std::io::Result<SecretValue> {
    let mut bytes = Vec::with_capacity(JWT_BYTES_MAX);
    let limit = JWT_BYTES_MAX as u64;
    File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    Ok(SecretValue::new(bytes))
}

fn sensitive(reference: &Reference) -> Result<Input, InputError> {
    input::resolve(reference)?;
    let reference = reference.clone();
    Ok(Box::new(move || {
        input::resolve(&reference)
            .map_err(|_| unreadable("what the provider logs in with cannot be read any more"))
    }))
}

fn unreadable(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, context)
}
