//! From the checked model to what changes a secret.

use std::path::Path;

use keyrota_contract::Rotator;

use crate::config::model::{
    self, Auth, Database, DatabaseFormat, Endpoint, ExternalFormat, JwtFormat, Kind, Secret, Slots,
    Users,
};
use crate::rotators::{command, database, external, jwt, mysql, postgres, random, signing_key};

/// What changes a secret; `None` if the kind does not take its settings. No I/O. In `locks` it may
/// keep the lock of its program: a directory of this host, if no other one shares the state.
pub(super) fn rotator(
    environment: &str,
    secret: &Secret,
    locks: Option<&Path>,
) -> Option<Box<dyn Rotator>> {
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
        Kind::Postgres(database) => Box::new(postgres::Postgres::new(settings(database))),
        Kind::Mysql(database) => Box::new(mysql::Mysql::new(settings(database))),
        Kind::Command(program) => Box::new(
            command::Command::new(command::Settings {
                environment: environment.to_owned(),
                secret: secret.name.clone(),
                argv: program.argv.clone(),
                slots: match program.slots {
                    Slots::Dual => command::Slots::Dual,
                    Slots::Single => command::Slots::Single,
                },
                timeout: program.timeout,
                length: program.length as usize,
                alphabet: program.alphabet.clone(),
                uses: program.uses.clone(),
                lock: locks.map(|dir| dir.join(format!("{environment}.{}.lock", secret.name))),
            })
            .ok()?,
        ),
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

/// The SQL that an administrator runs once in the server of this secret, comments included; empty
/// for kinds that no server has to be told of. `owner`: the application changes its own tables, which a
/// user of Postgres may do in any case.
pub fn setup_sql(kind: &Kind, owner: bool) -> Vec<String> {
    match kind {
        Kind::Postgres(file) => postgres::setup::setup_sql(&settings(file)),
        Kind::Mysql(file) => mysql::setup_sql(&settings(file), owner),
        _ => Vec::new(),
    }
}

/// What the file says of a database, in the rotators' words.
fn settings(file: &Database) -> database::Settings {
    let endpoint = |at: &Endpoint| database::Endpoint {
        host: at.host.clone(),
        port: at.port,
        database: at.database.clone(),
    };
    database::Settings {
        users: match &file.users {
            Users::One(user) => database::Users::One(user.clone()),
            Users::Two(users) => database::Users::Two(users.clone()),
        },
        form: match file.format {
            DatabaseFormat::Url => database::Form::Url(file.url.clone()),
            DatabaseFormat::RdsJson => database::Form::RdsJson,
        },
        endpoint: endpoint(&file.endpoint),
        server: file.server.as_ref().map(endpoint),
        ca_file: file.ca_file.clone(),
        admin: file.admin.clone(),
        methods: file
            .require_auth
            .iter()
            .map(|auth| match auth {
                Auth::Scram => database::Method::Scram,
                Auth::Md5 => database::Method::Md5,
                Auth::Password => database::Method::Password,
            })
            .collect(),
        one_at_a_time: file.accept_gap,
    }
}
