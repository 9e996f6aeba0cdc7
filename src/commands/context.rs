//! Where this command finds its files, its keys and its state.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use keyrota_contract::Entropy;
use keyrota_local::FileError;
use keyrota_local::private::PrivateError;
use keyrota_local::trusted::Changeable;

use super::exit::Failed;
use super::global::Global;
use super::home::{DEVELOPMENT, Home, home};
use crate::config::input::{self, InputError};
use crate::config::model::{Environment, Host, Reference};
use crate::config::{self, Registry, render};
use crate::engine::providers::Providers;
use crate::keys::{Keys, Seed};
use crate::output;
use crate::state::{self, Access, Holder, Location, Store};
use crate::trust;
use crate::world::{Clock, SystemClock, SystemEntropy};

const HOST_FILE: &str = "/etc/keyrota/keyrota.toml";
const SCHEDULES: &str = "/etc/keyrota/schedules";

/// Everything a subcommand starts from.
pub struct Context<'a> {
    pub global: &'a Global,
    pub clock: Arc<dyn Clock>,
    /// The kinds that schedules may name.
    pub registry: Registry,
}

/// What a command needs when it only reads.
pub struct Chosen {
    pub env: Environment,
    /// The environments that are not meant, as far as they could be understood.
    pub others: Vec<Environment>,
    pub host: Host,
    pub home: Option<Home>,
}

impl<'a> Context<'a> {
    pub fn new(global: &'a Global, registry: Registry) -> Self {
        Self {
            global,
            clock: Arc::new(SystemClock),
            registry,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A runtime for commands that talk to something.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|_| {
                Failed::new(
                    super::exit::TRANSIENT,
                    "the system gives no event loop: too many open files?",
                )
            })?;
        runtime.block_on(async {
            tokio::select! {
                done = work => done,
                failed = super::handed::interrupted() => Err(failed),
            }
        })
    }

    /// `keyrota.toml`, if there is one.
    pub fn host(&self) -> Result<Host, Failed> {
        let Some(path) = self.host_file() else {
            return Ok(Host::default());
        };
        let loaded =
            config::host::load(&path, &self.registry).map_err(|(diagnostics, sources)| {
                self.tell(&diagnostics, &sources);
                Failed::config("")
            })?;
        trusted(loaded.changeable.iter().map(|why| (&*path, why)))?;
        Ok(loaded.host)
    }

    /// Where `keyrota.toml` is, if there is one.
    pub fn host_file(&self) -> Option<PathBuf> {
        let usual = || Some(PathBuf::from(HOST_FILE)).filter(|path| path.exists());
        self.global.config.clone().or_else(usual)
    }

    /// Where the schedules are.
    pub fn schedules(&self, host: &Host) -> PathBuf {
        let given = self
            .global
            .schedules
            .clone()
            .or_else(|| host.schedules.clone());
        given.unwrap_or_else(|| {
            if Path::new(SCHEDULES).is_dir() {
                PathBuf::from(SCHEDULES)
            } else {
                PathBuf::from("schedules")
            }
        })
    }

    /// The environment that is meant. One that changes something is never guessed, except for
    /// development when it is the only one.
    pub fn choose(&self, changes: bool) -> Result<Chosen, Failed> {
        let host = self.host()?;
        let dir = self.schedules(&host);
        let name = match self.global.env.as_slice() {
            [one] => one.clone(),
            [] => self.guess(&dir, changes)?,
            _ => {
                return Err(Failed::new(
                    super::exit::USAGE,
                    "this command takes one --env",
                ));
            }
        };
        self.load(&dir, host, name)
    }

    /// One environment by name.
    pub fn load(&self, dir: &Path, host: Host, name: String) -> Result<Chosen, Failed> {
        let mut loaded = config::load(
            dir,
            Some(std::slice::from_ref(&name)),
            self.now(),
            &self.registry,
        );
        let failed = loaded.has_errors();
        if failed {
            self.tell(&loaded.diagnostics, &loaded.sources);
            return Err(Failed::config(""));
        }
        trusted(loaded.changeable.iter().map(|(file, why)| (&**file, why)))?;
        let at = loaded.environments.iter().position(|e| e.name == name);
        let Some(at) = at else {
            return Err(Failed::config(format!(
                "there is no environment {name:?} in {}",
                dir.display()
            )));
        };
        let env = loaded.environments.swap_remove(at);
        let home = home(&env);
        Ok(Chosen {
            env,
            others: loaded.others,
            host,
            home,
        })
    }

    fn guess(&self, dir: &Path, changes: bool) -> Result<String, Failed> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .map_err(|e| {
                let hint =
                    "name another with --schedules, or write a first one with `keyrota init`";
                Failed::config(format!("{}: {}; {hint}", dir.display(), e.kind()))
            })?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".toml")?.to_owned()))
            .collect();
        names.sort();
        match names.as_slice() {
            [only] if only == DEVELOPMENT || !changes => Ok(only.clone()),
            [] => Err(Failed::config(format!(
                "no schedule in {}; write a first one with `keyrota init`",
                dir.display()
            ))),
            _ => Err(Failed::config(format!(
                "say which environment: --env {}",
                names.join(" or --env ")
            ))),
        }
    }

    /// Problems of files, on standard error.
    pub fn tell(
        &self,
        diagnostics: &[config::diagnostic::Diagnostic],
        sources: &[config::source::Source],
    ) {
        if self.global.json {
            output::json_note(&format!("{}\n", render::json(diagnostics)));
        } else {
            let colour = output::notes_have_colour();
            output::coloured_note(&render::text(
                diagnostics,
                sources,
                self.registry.catalog(),
                colour,
            ));
        }
    }
}

impl Chosen {
    /// This host's name.
    pub fn host_name(&self) -> String {
        self.host.host.clone().unwrap_or_else(|| {
            rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned()
        })
    }

    /// Where what `key` of keyrota.toml names is, if the file does not name it.
    fn home(&self, key: &str) -> Result<&Home, Failed> {
        self.home.as_ref().ok_or_else(|| {
            let env = &self.env.name;
            let kept = match key {
                "state" => format!("{env} keeps its state: `state` in keyrota.toml, --state"),
                "keys" => format!("{env} has its keys: `keys` in keyrota.toml"),
                _ => format!("{env} keeps its {key}: `{key}` in keyrota.toml"),
            };
            Failed::config(format!(
                "say where {kept}, or STATE_DIRECTORY (systemd sets it)"
            ))
        })
    }

    /// Where the state is.
    pub fn location(&self, global: &Global) -> Result<Location, Failed> {
        let text = global.state.as_ref().or(self.host.state.as_ref());
        match text {
            Some(text) => Location::parse(text).map_err(Failed::from),
            None => Ok(Location::Sqlite(self.home("state")?.state())),
        }
    }

    /// This host's keys.
    pub fn keys(&self) -> Result<Keys, Failed> {
        let reference = match &self.host.keys {
            Some(reference) => reference.clone(),
            None => Reference::File(self.home("keys")?.seed()),
        };
        let help = "make it once for all hosts of this state: openssl rand 32 > seed; chmod 600 seed; then `keys` in keyrota.toml names it";
        let value = input::resolve(&reference).map_err(|e| {
            let missing = matches!(
                e,
                InputError::File(_, PrivateError::File(FileError::NotFound))
            );
            let help = if missing {
                format!("; {help}")
            } else {
                String::new()
            };
            Failed::config(format!("keys: {e}{help}"))
        })?;
        Seed::from_credential(&value)
            .map(|seed| seed.keys())
            .map_err(|e| Failed::config(format!("keys: {e}; {help}")))
    }

    /// Where checkpoints are kept outside the database.
    pub fn checkpoints(&self) -> Result<PathBuf, Failed> {
        match &self.host.checkpoints {
            Some(dir) => Ok(dir.clone()),
            None => Ok(self.home("checkpoints")?.checkpoints()),
        }
    }

    /// The same for a command that writes: nobody else may change what is kept there. `None`: it is not configured.
    fn outside(&self, global: &Global) -> Result<Option<PathBuf>, Failed> {
        let Ok(directory) = self.checkpoints() else {
            return Ok(None);
        };
        let owner = match self.location(global)? {
            Location::Sqlite(path) => std::fs::metadata(path).ok().map(|file| file.uid()),
            Location::Postgres(_) => None,
        };
        trust::keeping(&directory, owner)
            .map_err(|why| Failed::config(format!("checkpoints: {why}")))?;
        Ok(Some(directory))
    }

    /// The providers, with their keys read. Needs no state.
    pub fn providers(&self) -> Result<Providers, Failed> {
        let identity = self.home.as_ref().map(Home::identity).unwrap_or_default();
        Providers::new(&self.env, &self.host_name(), &identity)
            .map_err(|e| Failed::config(e.to_string()))
    }

    /// The state for reading; `None` if there is none yet.
    pub async fn read_state(&self, global: &Global) -> Result<Option<Store>, Failed> {
        let at = self.location(global)?;
        let password = self.password()?;
        let access = Access {
            password: password.as_ref(),
            ca_file: self.host.state_ca_file.as_deref(),
        };
        match Store::open_read_only(&at, access).await {
            Ok(store) => Ok(Some(store)),
            Err(crate::state::StateError::Missing) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn password(&self) -> Result<Option<keyrota_contract::SecretValue>, Failed> {
        self.host
            .state_password
            .as_ref()
            .map(input::resolve)
            .transpose()
            .map_err(|e| Failed::config(format!("state_password: {e}")))
    }

    /// The state for writing, with the keys that vouch for what is written. A log that is not what
    /// keyrota wrote is refused, and so is an older state, or another one.
    pub async fn open_state(&self, global: &Global, keys: &Keys) -> Result<Store, Failed> {
        let outside = self.outside(global)?;
        if let (Location::Sqlite(path), Some(outside)) = (self.location(global)?, &outside)
            && !path.exists()
            && state::speak_of_a_log(keys, outside)?
        {
            let (at, outside) = (path.display(), outside.display());
            return Err(Failed::new(
                super::exit::PERSON,
                format!(
                    "state: {at} does not exist, and {outside} holds checkpoints of a state. keyrota changes nothing. Put the \
                     newest state back; to begin a new one: `keyrota audit accept --reason TEXT`"
                ),
            ));
        }
        let store = self.open_unproven(global, keys).await?;
        match store.prove().await {
            Ok(()) => Ok(store),
            Err(why) => {
                // Also then nothing is left beside the database.
                store.close().await;
                Err(why.into())
            }
        }
    }

    /// The state for writing, without a look at its log. `audit accept` needs it, since it records what is wrong.
    pub async fn open_unproven(&self, global: &Global, keys: &Keys) -> Result<Store, Failed> {
        let at = self.location(global)?;
        let outside = self.outside(global)?;
        let password = self.password()?;
        let access = Access {
            password: password.as_ref(),
            ca_file: self.host.state_ca_file.as_deref(),
        };
        let store = Store::open(&at, access, &mut SystemEntropy).await?;
        match own_keys(&store, keys).await {
            Ok(()) => Ok(store.vouched(keys, outside.as_deref())),
            Err(failed) => {
                store.close().await;
                Err(failed)
            }
        }
    }

    /// Who this process is, for locks and the log.
    pub fn holder(&self) -> Holder {
        let mut id = [0; 16];
        SystemEntropy.fill(&mut id);
        Holder {
            host: self.host_name(),
            pid: std::process::id(),
            instance: uuid::Builder::from_random_bytes(id).into_uuid(),
        }
    }
}

/// A log is written and signed with the keys that it began with, or nobody could believe it.
pub async fn own_keys(store: &Store, keys: &Keys) -> Result<(), Failed> {
    match store.fact("keys").await? {
        Some(known) if known != keys.id() => Err(Failed::config(
            "keys: these are not the keys that the state was made with: fingerprints and checkpoints would not fit; \
             use the same seed on every host of one state",
        )),
        _ => Ok(()),
    }
}

/// Refuses files that another user can change: they would decide what this user's keyrota runs,
/// reads, writes and connects to.
fn trusted<'f>(files: impl Iterator<Item = (&'f Path, &'f Changeable)>) -> Result<(), Failed> {
    let refused: Vec<String> = files
        .map(|(file, why)| format!("{}: {}", file.display(), trust::refusal(why)))
        .collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(Failed::config(refused.join("\n"))),
    }
}
