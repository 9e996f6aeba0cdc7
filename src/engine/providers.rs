//! What keeps values, from the checked model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyrota_contract::{Capabilities, Provider};
use keyrota_local::{FileProvider, Identities};

use super::input;
use super::parts::PartsError;
use crate::config::model::{self, Environment, ProviderKind};

/// The providers of an environment, by name.
pub struct Providers {
    all: BTreeMap<String, Arc<dyn Provider>>,
    /// Those whose documents have a generation, which the state remembers.
    pub files: BTreeMap<String, Arc<FileProvider>>,
    /// Where programs that change a secret are locked, if this host alone has the state.
    pub locks: Option<PathBuf>,
}

impl Providers {
    /// Puts them together and reads their keys. `made_identity` is where development keeps the
    /// identity that `keyrota` made for itself.
    pub fn new(env: &Environment, host: &str, made_identity: &Path) -> Result<Self, PartsError> {
        let mut providers = Self {
            all: BTreeMap::new(),
            files: BTreeMap::new(),
            locks: None,
        };
        for provider in &env.providers {
            let name = &provider.name;
            let built: Arc<dyn Provider> = match &provider.kind {
                ProviderKind::File(file) => {
                    let built = document(name, file, host, made_identity)?;
                    providers.files.insert(name.clone(), built.clone());
                    built
                }
                #[cfg(feature = "aws")]
                ProviderKind::SecretsManager(aws) => super::aws::secrets_manager(aws),
                #[cfg(feature = "aws")]
                ProviderKind::Ssm(ssm) => super::aws::parameter_store(ssm),
                #[cfg(not(feature = "aws"))]
                ProviderKind::SecretsManager(_) | ProviderKind::Ssm(_) => {
                    let who = format!("providers.{name}");
                    return Err(PartsError::Refused(who, "AWS is not built in"));
                }
                #[cfg(feature = "vault")]
                ProviderKind::Vault(vault) => super::vault::provider(name, vault)?,
                #[cfg(not(feature = "vault"))]
                ProviderKind::Vault(_) => {
                    let who = format!("providers.{name}");
                    return Err(PartsError::Refused(who, "vault is not built in"));
                }
            };
            providers.all.insert(name.clone(), built);
        }
        Ok(providers)
    }

    /// A provider that the model names.
    pub fn get(&self, name: &str) -> Arc<dyn Provider> {
        self.all
            .get(name)
            .expect("the model only names providers it has")
            .clone()
    }
}

/// An encrypted document, opened with its identity.
fn document(
    name: &str,
    file: &model::FileProvider,
    host: &str,
    made_identity: &Path,
) -> Result<Arc<FileProvider>, PartsError> {
    let who = || format!("providers.{name}");
    let key = match &file.identity {
        Some(reference) => input::resolve(reference),
        None => input::from_file(made_identity),
    };
    let key = key.map_err(|e| PartsError::Input(who(), e))?;
    let identities = key
        .expose_to(Identities::parse)
        .map_err(|e| PartsError::Identity(who(), e))?;
    FileProvider::new(&file.path, identities, &file.recipients, host)
        .map(Arc::new)
        .map_err(|e| PartsError::Identity(who(), e))
}

/// What a kind of provider that is built in can do; `None` for any other word.
pub fn capabilities(kind: &str) -> Option<Capabilities> {
    match kind {
        "file" => Some(keyrota_local::CAPABILITIES),
        #[cfg(feature = "aws")]
        "aws-secrets-manager" => Some(keyrota_aws::secrets_manager::CAPABILITIES),
        #[cfg(feature = "aws")]
        "aws-ssm" => Some(keyrota_aws::ssm::CAPABILITIES),
        #[cfg(feature = "vault")]
        "vault" => Some(keyrota_rest::vault::CAPABILITIES),
        _ => None,
    }
}
