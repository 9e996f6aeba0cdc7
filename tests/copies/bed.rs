//! A Postgres login kept in the encrypted file, with copies in Vault, in Parameter Store and in
//! Secrets Manager.

use std::os::unix::fs::PermissionsExt;

use crate::databases::bed::{Bed as Database, Server};
use crate::support::evidence::block_on;
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::moto::{Moto, REGION};
use crate::support::openbao::OpenBao;
use crate::support::postgres::Postgres;

pub const VAULT: &str = "team/app-database";
pub const SSM: &str = "/app/database-password";
pub const SM: &str = "app/login";

/// The stores that copies stand in.
pub struct Stores {
    pub moto: Moto,
    pub bao: OpenBao,
}

impl Stores {
    pub fn start() -> Self {
        Self {
            moto: block_on(Moto::start()),
            bao: block_on(OpenBao::start()),
        }
    }

    /// Their tables in a schedule; Vault is reached at this port.
    pub fn providers(&self, keyrota: &Keyrota, port: u16) -> String {
        keyrota.write("token", self.bao.root_token());
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(keyrota.path("token"), private).unwrap();
        let (ca, url) = (self.bao.ca_file(), self.moto.url());
        format!(
            "[providers.vault]\nkind = \"vault\"\naddress = \"https://127.0.0.1:{port}\"\nmount = \"kv\"\n\
             ca_file = {ca:?}\nauth = {{ method = \"token\", token = {{ file = \"token\" }} }}\n\
             [providers.ssm]\nkind = \"aws-ssm\"\nregion = \"{REGION}\"\nendpoint_url = \"{url}\"\n\
             [providers.sm]\nkind = \"aws-secrets-manager\"\nregion = \"{REGION}\"\nendpoint_url = \"{url}\"\n"
        )
    }

    /// Runs keyrota, with the rights that it needs at AWS.
    pub fn run(&self, keyrota: &Keyrota, args: &[&str], kill: Option<&str>) -> Ran {
        let mut command = keyrota.command(args);
        self.moto.tell(&mut command, &self.moto.admin);
        command.envs(kill.map(|kill| ("KEYROTA_KILL", kill)));
        Ran::fed(&mut command, "")
    }

    /// As `bao kv get` prints it; none where nothing stands.
    pub fn in_vault(&self, path: &str) -> Option<String> {
        let get = ["kv", "get", "-mount=kv", "-field=value", path];
        self.bao.bao(&get).ok()
    }

    pub fn in_ssm(&self, name: &str) -> String {
        let get = ["ssm", "get-parameter", "--with-decryption", "--name", name];
        self.moto
            .aws(&[&get[..], &["--query", "Parameter.Value"]].concat())
    }

    pub fn in_sm(&self, id: &str) -> String {
        let get = ["secretsmanager", "get-secret-value", "--secret-id", id];
        let stage = ["--version-stage", "AWSCURRENT", "--query", "SecretString"];
        self.moto.aws(&[&get[..], &stage].concat())
    }
}

/// A login with its three copies.
pub struct Bed {
    pub database: Database,
    pub stores: Stores,
}

impl Bed {
    /// Imported, and not rotated yet.
    pub fn new(grace: &str) -> Self {
        let stores = Stores::start();
        let port = stores.bao.socket().port();
        let database = Database::two(Server::Postgres(Postgres::shared()));
        let mut bed = Self { database, stores };
        bed.write_schedule(grace, port);
        bed.database = bed.database.imported();
        bed
    }

    pub fn write_schedule(&mut self, grace: &str, port: u16) {
        let providers = self.stores.providers(&self.database.keyrota, port);
        self.database.plan.lines = format!(
            "grace = \"{grace}\"\n\
             [[secrets.database.copies]]\nprovider = \"vault\"\npath = \"{VAULT}\"\n\
             [[secrets.database.copies]]\nprovider = \"ssm\"\npath = \"{SSM}\"\nrender = \"{{password}}\"\n\
             [[secrets.database.copies]]\nprovider = \"sm\"\npath = \"{SM}\"\nrender = \"{{username}} {{password}}\"\n\
             {providers}"
        );
        self.database.write_schedule();
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.stores.run(&self.database.keyrota, args, None)
    }

    /// The same, told to tell all it can tell.
    pub fn run_loud(&self, args: &[&str]) -> Ran {
        let mut command = self.database.keyrota.command(args);
        self.stores.moto.tell(&mut command, &self.stores.moto.admin);
        command.env("KEYROTA_LOG", "trace").env("RUST_LOG", "trace");
        Ran::fed(&mut command, "")
    }

    /// Every copy is what its `render` makes of the current value, which logs in.
    #[track_caller]
    pub fn follows(&self) -> String {
        let current = self.database.value("current").unwrap();
        let (user, password) = crate::databases::bed::login(&current);
        assert_eq!(self.stores.in_vault(VAULT).as_ref(), Some(&current));
        assert_eq!(self.stores.in_ssm(SSM), password);
        assert_eq!(self.stores.in_sm(SM), format!("{user} {password}"));
        self.database.sound();
        current
    }
}

/// How often the log tells of drift.
pub fn drifts(ran: &Ran) -> usize {
    ran.stdout.matches("drift.detected").count()
}
