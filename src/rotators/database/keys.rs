//! The keys of the database kinds, and what follows from them.

use std::time::Duration;

use keyrota_gate::{Format as Looks, Rule};

use super::{Endpoint, Form, Method, Settings, Users};
use crate::config::read::{Field, Reader, Section, TemplateText};
use crate::config::registry::{Lines, Maker, ReadingSecret, SecretFacts, Sum, Use};
use crate::config::values::Part;
use crate::{table, words};

table! {
    /// The keys that they share.
    pub struct Keys<'t> {
        /// Two users in turns, without an outage; or one, whose password changes.
        required strategy: Strategy,
        /// The users: two that alternate, or one.
        required users: Vec<&'t str>,
        /// Where the application logs in, with {user} and {password}: postgres://{user}:{password}@host:5432/app
        required url: TemplateText<'t>,
        /// host:port of the server itself, if url names a pooler in front of it.
        optional server: &'t str,
        /// The authorities that may vouch for the server; TLS is always verified.
        optional ca_file: &'t str,
        /// The external secret that may change the users.
        optional admin: &'t str,
        /// How the value is written.
        default("url") format: Written,
        /// single-user: readers cannot log in from the change until they have the new value.
        default("false") accept_gap: bool,
    }
}

/// Which users, and so how a password takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// One is current, the other one is next.
    Alternating,
    /// The password of one changes.
    Single,
}

words!(Strategy {
    "alternating-users" => Self::Alternating,
    "single-user" => Self::Single,
});

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// As the URL of the file, filled in.
    Url,
    /// As Amazon RDS writes it.
    RdsJson,
}

words!(Written {
    "url" => Self::Url,
    "rds-json" => Self::RdsJson,
});

/// What differs between the databases.
pub struct Words {
    /// Schemes of its URLs.
    pub schemes: &'static [&'static str],
    /// The port of a URL without one.
    pub port: u16,
    /// The longest name of a user.
    pub name_bytes_max: usize,
    /// One password per account, always: a change of it has a gap.
    pub always_gap: bool,
}

/// The fields of a URL.
pub const URL_FIELDS: &[&str] = &[
    "value", "scheme", "username", "password", "host", "port", "path",
];
/// The fields of the object that Amazon RDS writes.
pub const RDS_FIELDS: &[&str] = &[
    "value",
    "engine",
    "username",
    "password",
    "host",
    "port",
    "dbname",
    "dbInstanceIdentifier",
];

/// The grace of a file that states none.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Reads the keys of a database. What is wrong is told to the reader.
pub fn read(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    around: &ReadingSecret<'_>,
    words: &Words,
) -> (SecretFacts, Settings) {
    let root = around.root;
    let keys = Keys::read(s);
    let users = users(reader, &keys, words);
    if keys.strategy.is_stated && !reader.broken {
        check(reader, s, &keys, words);
    }
    let (url, endpoint) = url(reader, &keys.url, words);
    let scheme = url.split("://").take(1).map(str::to_owned).collect();
    let (form, fields, rule, lines) = match *keys.format {
        Written::RdsJson => (Form::RdsJson, RDS_FIELDS, rds_rule(), Lines::Any),
        Written::Url => {
            let rule = Looks::Url { schemes: scheme };
            (Form::Url(url), URL_FIELDS, rule, Lines::One)
        }
    };
    let settings = Settings {
        users,
        form,
        server: server(reader, &keys.server, &endpoint),
        endpoint,
        ca_file: keys.ca_file.map(|path| root.join(path)),
        admin: keys.admin.map(str::to_owned),
        methods: vec![Method::Scram],
        one_at_a_time: *keys.accept_gap,
    };
    let admin = settings.admin.iter().map(|secret| Use {
        secret: secret.clone(),
        key: "admin",
        spot: keys.admin.spot,
        has_user: true,
    });
    let facts = SecretFacts {
        lines,
        maker: Maker::KeyrotaAfterFirst,
        // With a gap the old password is dead already. Programs that hold a connection pool read a
        // changed URL when they feel like it.
        grace: match *keys.accept_gap {
            true => Sum::ZERO,
            false => Sum::REFRESH,
        },
        grace_usual: (!*keys.accept_gap).then_some(GRACE),
        accounts: accounts(&settings),
        uses: admin.collect(),
        ..SecretFacts::new(
            fields,
            Rule {
                format: Some(rule),
                ..Rule::new("")
            },
        )
    };
    (facts, settings)
}

/// What does not go together.
fn check(reader: &mut Reader<'_>, s: &Section<'_>, keys: &Keys<'_>, words: &Words) {
    let (gap, admin) = (*keys.accept_gap, keys.admin.is_there);
    match *keys.strategy {
        Strategy::Alternating => {
            if keys.accept_gap.is_there {
                let what = "does not apply to alternating-users: there is no gap";
                reader.refuse(&keys.accept_gap, what, "remove it");
            }
            if !admin {
                let what = "`admin` is missing: neither user may change the other";
                let help = "add admin = \"NAME\": an external secret that may change both users (keyrota plan --setup says what it needs)";
                reader.error(s.spot, &s.at, what, help);
            }
        }
        Strategy::Single if words.always_gap && !gap => {
            let help = "write accept_gap = true if your readers live with that, or use strategy = \"alternating-users\"";
            let what = "single-user has a gap: from the change until every reader has the new value, new logins fail";
            reader.refuse(&keys.strategy, what, help);
        }
        Strategy::Single if !words.always_gap && !gap && !admin => {
            let what = "`admin` is missing: two passwords at once are an administrator's to set";
            let help = "add admin = \"NAME\" (an external secret), or accept_gap = true: with one password at a time the user changes itself";
            reader.error(s.spot, &s.at, what, help);
        }
        Strategy::Single => {}
    }
}

/// What the gate asks of a value as Amazon RDS writes it.
pub fn rds_rule() -> Looks {
    Looks::Json {
        members: vec!["username".to_owned(), "password".to_owned()],
    }
}

/// Host names are compared without regard to case; two names of one server are not seen through.
fn accounts(settings: &Settings) -> Vec<String> {
    let at = settings.direct();
    let host = format!("{}:{}", at.host.to_ascii_lowercase(), at.port);
    let users = settings.users().iter();
    users.map(|user| format!("{host} {user}")).collect()
}

fn users(reader: &mut Reader<'_>, keys: &Keys<'_>, words: &Words) -> Users {
    let (users, names) = (&keys.users, keys.users.as_slice());
    for (i, name) in names.iter().enumerate() {
        let help = "write the name as the server has it";
        let at = format!("{}[{i}]", users.at);
        if name.is_empty() || name.chars().any(char::is_control) {
            reader.error(users.spot, &at, "is not the name of a user", help);
        }
        if name.len() > words.name_bytes_max {
            let max = words.name_bytes_max;
            let what = format!("is longer than {max} bytes: the server has no such name");
            reader.error(users.spot, &at, what, help);
        }
    }
    let (what, help) = match (*keys.strategy, names) {
        (Strategy::Single, [user]) => return Users::One((*user).to_owned()),
        (Strategy::Alternating, [a, b]) if a != b => {
            return Users::Two([(*a).to_owned(), (*b).to_owned()]);
        }
        (Strategy::Single, _) => ("single-user is about one user", "write users = [\"app\"]"),
        (Strategy::Alternating, _) => (
            "alternating-users needs two different users",
            "write users = [\"app_a\", \"app_b\"]",
        ),
    };
    if users.is_stated && keys.strategy.is_stated {
        reader.refuse(users, what, help);
    }
    match *keys.strategy {
        Strategy::Single => Users::One(names.first().copied().unwrap_or_default().to_owned()),
        Strategy::Alternating => Users::Two(Default::default()),
    }
}

/// The URL and where it leads. Its words are fixed: only user and password are filled in.
fn url(
    reader: &mut Reader<'_>,
    url: &Field<TemplateText<'_>>,
    words: &Words,
) -> (String, Endpoint) {
    let unknown = Endpoint {
        host: String::new(),
        port: words.port,
        database: String::new(),
    };
    if !url.is_stated {
        return (String::new(), unknown);
    }
    let form = format!(
        "write url = \"{}://{{user}}:{{password}}@host:{}/database\"",
        words.schemes[0], words.port
    );
    let parsed = match url.template.parts.as_slice() {
        [
            Part::Literal(start),
            Part::Field(user),
            Part::Literal(colon),
            Part::Field(password),
            Part::Literal(rest),
        ] if user == "user" && password == "password" && colon == ":" => {
            match start.strip_suffix("://") {
                Some(scheme) if words.schemes.contains(&scheme) => rest
                    .strip_prefix('@')
                    .ok_or("does not have its host after {password}@")
                    .and_then(|rest| endpoint(rest, words.port)),
                _ => Err("does not begin with a scheme of this kind of database"),
            }
        }
        _ => Err("does not have {user}:{password} where a URL has them"),
    };
    match parsed {
        Ok(endpoint) => (url.text.to_owned(), endpoint),
        Err(what) => {
            reader.refuse(url, what, form);
            (url.text.to_owned(), unknown)
        }
    }
}

/// `host[:port]/database[?query]`.
fn endpoint(rest: &str, port: u16) -> Result<Endpoint, &'static str> {
    let (authority, path) = rest.split_once('/').ok_or("names no database")?;
    let database = path.split(['?', '#']).next().unwrap_or_default();
    if database.is_empty() || database.contains('/') {
        return Err("names no database");
    }
    if !rest
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
        || rest.contains('#')
    {
        return Err("contains a character that a URL has not");
    }
    let (host, port) = host_and_port(authority, port).ok_or("has a host or a port that is none")?;
    if database.contains('%') {
        return Err("names a database with a % in it, which this build cannot reach");
    }
    Ok(Endpoint {
        host,
        port,
        database: database.to_owned(),
    })
}

fn server(
    reader: &mut Reader<'_>,
    server: &Field<Option<&str>>,
    endpoint: &Endpoint,
) -> Option<Endpoint> {
    let text = server.value?;
    match host_and_port(text, endpoint.port) {
        Some((host, port)) => Some(Endpoint {
            host,
            port,
            database: endpoint.database.clone(),
        }),
        None => {
            let help = "write server = \"db.internal:5432\"";
            reader.refuse(server, "is not host:port", help);
            None
        }
    }
}

/// A host and a port; an IPv6 address stands in brackets.
fn host_and_port(text: &str, port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            match after.strip_prefix(':') {
                Some(port) => (address, port.parse().ok()?),
                None if after.is_empty() => (address, port),
                None => return None,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (text, port),
        },
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || b".-_:".contains(&b);
    (!host.is_empty() && host.bytes().all(named) && port != 0).then(|| (host.to_owned(), port))
}
