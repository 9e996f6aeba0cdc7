//! `kind = "vault"`: HashiCorp Vault, OpenBao.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::{ErrorKind, ProviderError};
use keyrota_rest::vault::{
    Auth, Input, VaultConfig, VaultProvider, address_is_wrong, path_is_wrong,
};

use crate::config::input::{self, InputError};
use crate::config::keys::{Key, Ty, may, must};
use crate::config::model::Reference;
use crate::config::reach::{self, Reach};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::rights::Giver;
use crate::config::registry::{BuildError, Building, Built, Problem, Reading, Settings, StoreKind};

mod rights;

pub static KIND: StoreKind = StoreKind {
    word: "vault",
    name: "Vault",
    keys: &[KEYS],
    capabilities: keyrota_rest::vault::CAPABILITIES,
    read,
};

const KEYS: &[Key] = &[
    must(
        "address",
        Ty::Text,
        "The server: https://HOST:PORT; http for this host only.",
    ),
    must(
        "mount",
        Ty::Text,
        "The mount of a key/value engine, version 2.",
    ),
    may(
        "namespace",
        Ty::Text,
        "The namespace of mount and login; none when absent.",
    ),
    may(
        "ca_file",
        Ty::Text,
        "The authorities that may vouch for the server; the system's when absent.",
    ),
    must("auth", Ty::Table(AUTH), "How it logs in."),
];

/// `auth`; which keys it has is decided by its `method`.
const AUTH: &[Key] = &[
    must(
        "method",
        Ty::Word(&["token", "approle", "jwt"]),
        "token: there is one already; approle; jwt: also Kubernetes.",
    ),
    may(
        "mount",
        Ty::Text,
        "Where approle or jwt is mounted; the method's name when absent.",
    ),
    may("token", Ty::Reference, "token: the token."),
    may("role_id", Ty::Text, "approle: the role's id."),
    may("secret_id", Ty::Reference, "approle: the secret half."),
    may("role", Ty::Text, "jwt: the role's name."),
    may(
        "jwt_file",
        Ty::Text,
        "jwt: the file with the signed token, read at each login.",
    ),
];

/// The keys that each method of a login needs.
const METHODS: &[(&str, &[&str])] = &[
    ("token", &["token"]),
    ("approle", &["role_id", "secret_id"]),
    ("jwt", &["role", "jwt_file"]),
];

/// A third of what an effect may take: its first lost request still leaves time to say so.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Vault {
    address: String,
    mount: String,
    namespace: Option<String>,
    /// The authorities that may vouch for the server; `None`: the system's.
    ca_file: Option<PathBuf>,
    auth: Login,
}

#[derive(Debug)]
enum Login {
    /// With a token that there is already.
    Token(Reference),
    /// By the method `approle`.
    AppRole {
        /// Where it is mounted.
        mount: String,
        /// The role's id.
        role_id: String,
        /// The secret half.
        secret_id: Reference,
    },
    /// By the methods `jwt` and `kubernetes`.
    Jwt {
        /// Where it is mounted.
        mount: String,
        /// The role's name.
        role: String,
        /// The file with the signed token.
        jwt_file: PathBuf,
    },
}

fn read(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    reading: &Reading<'_>,
) -> Arc<dyn Settings> {
    let text = |key: &str| section.text(key).unwrap_or_default().to_owned();
    let (address, mount) = (text("address"), text("mount"));
    if section.get("address").is_some()
        && let Some(why) = address_is_wrong(&address)
    {
        let at = join(&section.at, "address");
        let help = "write \"https://vault.example.com:8200\"";
        reader.error(section.spot_of("address"), &at, why, help);
    } else if reach::of_url(&address) == Some(Reach::Never) {
        let at = join(&section.at, "address");
        let why = "leads to a link-local address or a metadata service";
        let help = "write the address of a Vault or OpenBao server";
        reader.error(section.spot_of("address"), &at, why, help);
    }
    let name = |key: &str| (section.spot_of(key), join(&section.at, key));
    for key in ["mount", "namespace"] {
        if let Some(why) = section.text(key).and_then(path_is_wrong) {
            let (spot, at) = name(key);
            let help = "write it as the server lists it, without a slash before or after it";
            reader.error(spot, &at, why, help);
        }
    }
    if let Some(text) = section.text("namespace")
        && !text.bytes().all(|b| b.is_ascii_graphic())
    {
        let (spot, at) = name("namespace");
        reader.error(
            spot,
            &at,
            "is not a namespace",
            "write letters, digits, - and _",
        );
    }
    Arc::new(Vault {
        address,
        mount,
        namespace: section.text("namespace").map(str::to_owned),
        ca_file: section.text("ca_file").map(|file| reading.root.join(file)),
        auth: login(reader, section, reading.root),
    })
}

fn login(reader: &mut Reader<'_>, section: &Section<'_>, root: &Path) -> Login {
    let nothing = || Login::Token(Reference::Env(String::new()));
    let table = section
        .get("auth")
        .and_then(|(spot, node)| Some((spot, node.get_ref().as_table()?)));
    let Some((spot, table)) = table else {
        return nothing();
    };
    let keys: Vec<&'static Key> = AUTH.iter().collect();
    let inner = reader.section(table, &keys, spot, &join(&section.at, "auth"), &[]);
    let method = inner.text("method").unwrap_or_default();
    let Some((_, needed)) = METHODS.iter().find(|(name, _)| *name == method) else {
        return nothing();
    };
    for key in needed.iter().filter(|key| !inner.has(key)) {
        let what = format!("`{key}` is missing");
        let help = format!("the method {method} needs {}", needed.join(" and "));
        if !reader.broken {
            reader.error(spot, &inner.at, what, help);
        }
    }
    let others = METHODS.iter().filter(|(name, _)| *name != method);
    let others = others.flat_map(|(_, keys)| keys.iter().copied());
    for key in others.chain((method == "token").then_some("mount")) {
        if inner.has(key) {
            let at = join(&inner.at, key);
            let what = format!("does not belong to the method {method}");
            reader.error(
                inner.spot_of(key),
                &at,
                what,
                "remove it, or correct the method",
            );
        }
    }
    let mount = inner.text("mount").unwrap_or(method).to_owned();
    if let Some(why) = path_is_wrong(&mount) {
        let at = join(&inner.at, "mount");
        reader.error(
            inner.spot_of("mount"),
            &at,
            why,
            "write it as in auth/MOUNT/login",
        );
    }
    let text = |key: &str| inner.text(key).unwrap_or_default().to_owned();
    match method {
        "approle" => match reader.reference(&inner, "secret_id", root) {
            None => nothing(),
            Some(secret_id) => Login::AppRole {
                mount,
                role_id: text("role_id"),
                secret_id,
            },
        },
        "jwt" => Login::Jwt {
            mount,
            role: text("role"),
            jwt_file: root.join(text("jwt_file")),
        },
        _ => reader
            .reference(&inner, "token", root)
            .map_or_else(nothing, Login::Token),
    }
}

impl Settings for Vault {
    /// Two names of one server are not seen through.
    fn place<'p>(&self, path: &'p str) -> (String, &'p str) {
        let address = self.address.trim_end_matches('/').to_ascii_lowercase();
        let address = address.strip_suffix(":443").unwrap_or(&address);
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let namespace = namespace.trim_matches('/');
        (format!("{address} {namespace} {}", self.mount), path)
    }

    fn path_problem(&self, path: &str) -> Option<Problem> {
        let help = "write a path below the mount, as in \"{environment}/{secret}\"";
        path_is_wrong(path).map(|why| (why, help))
    }

    fn has_fields(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<&Reference> {
        match &self.auth {
            Login::Token(input)
            | Login::AppRole {
                secret_id: input, ..
            } => vec![input],
            Login::Jwt { .. } => Vec::new(),
        }
    }

    fn rights(&self) -> Giver<'_> {
        Giver::Service(self)
    }

    /// An input that is missing is told at once, and read again at each login.
    fn build(&self, how: &Building<'_>) -> Result<Built, BuildError> {
        let missing = |e| BuildError::Input(how.table(), e);
        let auth = match &self.auth {
            Login::Token(token) => Auth::Token(sensitive(token).map_err(missing)?),
            Login::AppRole {
                mount,
                role_id,
                secret_id,
            } => Auth::AppRole {
                mount: mount.clone(),
                role_id: role_id.clone(),
                secret_id: sensitive(secret_id).map_err(missing)?,
            },
            Login::Jwt {
                mount,
                role,
                jwt_file,
            } => {
                let file = jwt_file.clone();
                Auth::Jwt {
                    mount: mount.clone(),
                    role: role.clone(),
                    jwt: Box::new(move || {
                        input::from_file(&file)
                            .map_err(|_| unreadable("the signed token (`jwt_file`) cannot be read"))
                    }),
                }
            }
        };
        // Read here, once, so that what was judged is what is trusted.
        let authorities = self.ca_file.as_deref().map(crate::trust::authority);
        let authorities = authorities.transpose().map_err(|_| {
            BuildError::Refused(
                how.table(),
                "ca_file cannot be read, or others can change it",
            )
        })?;
        let config = VaultConfig {
            address: self.address.clone(),
            mount: self.mount.clone(),
            namespace: self.namespace.clone(),
            authorities,
            auth,
            timeout: REQUEST_TIMEOUT,
        };
        match VaultProvider::new(config) {
            Ok(provider) => Ok(Built::Store(Arc::new(provider))),
            Err(e) => Err(BuildError::Refused(how.table(), e.context)),
        }
    }
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
