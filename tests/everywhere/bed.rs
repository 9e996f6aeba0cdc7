//! A directory with a schedule, and a server of every kind that it names.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use keyrota_contract::{Place, Provider, Stage, VersionRef};
use tokio::runtime::Runtime;

use crate::recovery::databases::Ground;
use crate::support::http_proxy::Proxy;
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::moto::{Moto, REGION, secrets_manager, ssm};
use crate::support::openbao::OpenBao;

/// The stores, which directories share.
pub struct Stores {
    pub runtime: Runtime,
    pub moto: Moto,
    /// In front of moto: it counts.
    pub proxy: Proxy,
    pub bao: OpenBao,
}

impl Stores {
    pub fn start() -> Arc<Self> {
        let runtime = Runtime::new().unwrap();
        let (moto, bao) = runtime.block_on(async { tokio::join!(Moto::start(), OpenBao::start()) });
        let proxy = runtime.block_on(Proxy::before(&moto.address()));
        Arc::new(Self {
            runtime,
            moto,
            proxy,
            bao,
        })
    }

    /// A proxy of one's own in front of one of them.
    pub fn proxy(&self, provider: &str) -> Proxy {
        let to = match provider {
            "vault" => self.bao.plain(),
            _ => self.moto.address(),
        };
        self.runtime.block_on(Proxy::before(&to))
    }

    /// A value that a store holds, looked at without keyrota's program.
    pub fn value(&self, provider: &str, path: &str, stage: Stage) -> Option<String> {
        let (aws, key) = (self.moto.config(), &self.moto.admin);
        let store: Box<dyn Provider> = match provider {
            "sm" => Box::new(secrets_manager(aws, key)),
            "ssm" => Box::new(ssm(aws, key)),
            _ => Box::new(self.bao.provider(self.bao.root_token())),
        };
        let (at, which) = (Place::new(path), VersionRef::Stage(stage));
        let value = self.runtime.block_on(store.read(&at, &which)).unwrap()?;
        Some(value.expose_to(|v| String::from_utf8(v.to_vec()).unwrap()))
    }

    /// What stands before the secrets of a schedule.
    fn head(&self, aws: &str, bao: &str) -> String {
        let ca = self.bao.ca_file();
        format!(
            r#"environment = "development"
[defaults]
refresh = "1s"
provider = "local"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[providers.sm]
kind = "aws-secrets-manager"
region = "{REGION}"
endpoint_url = "{aws}"
[providers.ssm]
kind = "aws-ssm"
region = "{REGION}"
endpoint_url = "{aws}"
[providers.vault]
kind = "vault"
address = "{bao}"
mount = "kv"
ca_file = {ca:?}
auth = {{ method = "token", token = {{ file = "token" }} }}
"#
        )
    }
}

pub struct Bed {
    pub keyrota: Keyrota,
    pub stores: Arc<Stores>,
}

impl Bed {
    pub fn new(stores: Arc<Stores>, secrets: &str) -> Self {
        let (aws, bao) = (stores.proxy.url(), stores.bao.address());
        Self::at(stores, &aws, &bao, secrets)
    }

    /// The same, with one proxy before whichever store the secrets name.
    pub fn behind(stores: Arc<Stores>, proxy: &Proxy, secrets: &str) -> Self {
        let url = proxy.url();
        Self::at(stores, &url, &url, secrets)
    }

    fn at(stores: Arc<Stores>, aws: &str, bao: &str, secrets: &str) -> Self {
        let keyrota = Keyrota::in_temp();
        std::fs::create_dir(keyrota.path("out")).unwrap();
        keyrota.write("out/app.env", "");
        keyrota.write("token", stores.bao.root_token());
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(keyrota.path("token"), private).unwrap();
        let schedule = stores.head(aws, bao) + secrets;
        keyrota.write("schedules/development.toml", &schedule);
        Self { keyrota, stores }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.keyrota.command(args);
        self.stores.moto.tell(&mut command, &self.stores.moto.admin);
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// A database's login and its administrator's are stored and known.
    pub fn import(&self, secret: &str, admin: &str, ground: &Ground) {
        let (url, administrator) = ground.urls();
        for (name, value) in [(admin, administrator), (secret, url)] {
            let import = ["import", name, "--stdin"];
            Ran::fed(&mut self.command(&import), &value).code(0);
        }
    }
}

/// An administrator's login, and where it is kept.
pub fn admin(name: &str, provider: &str, path: &str) -> String {
    format!(
        "[secrets.{name}]\nkind = \"external\"\nformat = \"url\"\nprovider = \"{provider}\"\npath = \"{path}\"\n"
    )
}

/// Two users that take turns, and where their login is kept.
pub fn turns(admin: &str, provider: &str, path: &str) -> String {
    format!(
        "strategy = \"alternating-users\"\nadmin = \"{admin}\"\ngrace = \"1s\"\nprovider = \"{provider}\"\npath = \"{path}\""
    )
}
