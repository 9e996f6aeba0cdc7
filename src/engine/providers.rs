//! What keeps values, from the checked model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyrota_contract::Provider;
use keyrota_local::FileProvider;

use crate::config::model::Environment;
use crate::config::registry::{BuildError, Building, Built};

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
    pub fn new(env: &Environment, host: &str, made_identity: &Path) -> Result<Self, BuildError> {
        let mut providers = Self {
            all: BTreeMap::new(),
            files: BTreeMap::new(),
            locks: None,
        };
        for provider in &env.providers {
            let name = &provider.name;
            let built = provider.settings.build(&Building {
                name,
                environment: &env.name,
                host,
                made_identity,
            })?;
            let kept: Arc<dyn Provider> = match built {
                Built::Store(store) => store,
                Built::Document(file) => {
                    providers.files.insert(name.clone(), file.clone());
                    file
                }
            };
            providers.all.insert(name.clone(), kept);
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
