//! Where keyrota stores its own files when keyrota.toml does not say.

use std::path::PathBuf;

use crate::config::model::Environment;

/// The environment that needs nothing from outside, and makes its own keys.
pub const DEVELOPMENT: &str = "development";

/// The directory of embedded defaults.
#[derive(Debug, Clone)]
pub struct Home {
    pub dir: PathBuf,
    /// Whether keyrota may make keys here.
    pub makes_keys: bool,
}

impl Home {
    pub fn seed(&self) -> PathBuf {
        self.dir.join("keys/seed")
    }

    pub fn identity(&self) -> PathBuf {
        self.dir.join("keys/age-identity")
    }

    pub fn state(&self) -> PathBuf {
        self.dir.join("state.db")
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.dir.join("checkpoints")
    }
}

/// The directory of embedded defaults: systemd's for the service, or development's own.
pub fn home(env: &Environment) -> Option<Home> {
    let given = std::env::var_os("STATE_DIRECTORY").filter(|dir| !dir.is_empty());
    match given {
        // systemd lists several with colons; the first is ours.
        Some(dirs) => {
            let first = dirs
                .to_string_lossy()
                .split(':')
                .next()
                .map(PathBuf::from)?;
            Some(Home {
                dir: first,
                makes_keys: env.name == DEVELOPMENT,
            })
        }
        None if env.name == DEVELOPMENT => Some(Home {
            dir: env.root.join(".keyrota"),
            makes_keys: true,
        }),
        None => None,
    }
}

/// Whether a provider of the environment uses the identity that keyrota makes.
pub fn uses_made_identity(env: &Environment) -> bool {
    let mut providers = env.providers.iter();
    providers.any(|p| p.settings.made_document().is_some())
}
