//! The keys of the database kinds, and what follows from them.

use std::time::Duration;

use keyrota_gate::{Format as Looks, Rule};

use super::{Endpoint, Form, Method, Settings, Users};
use crate::config::keys::{Key, TEXTS, Ty, may, must};
use crate::config::read::{Reader, Section, join};
use crate::config::registry::{Lines, Maker, ReadingSecret, SecretFacts, Sum, Use};
use crate::config::values::Part;

/// The keys that they share.
pub const KEYS: &[Key] = &[
    must(
        "strategy",
        Ty::Word(&["alternating-users", "single-user"]),
        "Two users in turns, without an outage; or one, whose password changes.",
    ),
    must("users", TEXTS, "The users: two that alternate, or one."),
    must(
        "url",
        Ty::Template,
        "Where the application logs in, with {user} and {password}: postgres://{user}:{password}@host:5432/app",
    ),
    may(
        "server",
        Ty::Text,
        "host:port of the server itself, if url names a pooler in front of it.",
    ),
    may(
        "ca_file",
        Ty::Text,
        "The authorities that may vouch for the server; TLS is always verified.",
    ),
    may(
        "admin",
        Ty::Text,
        "The external secret that may change the users.",
    ),
    may(
        "format",
        Ty::Word(&["url", "rds-json"]),
        "How the value is written; url when absent.",
    ),
    may(
        "accept_gap",
        Ty::Flag,
        "single-user: readers cannot log in from the change until they have the new value.",
    ),
];

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
    let users = users(reader, s, words);
    let alternating = matches!(users, Users::Two(_));
    let accept_gap = s.flag("accept_gap").unwrap_or(false);
    if s.get("strategy").is_some() && !reader.broken {
        if alternating && s.has("accept_gap") {
            reader.error(
                s.spot_of("accept_gap"),
                &join(&s.at, "accept_gap"),
                "does not apply to alternating-users: there is no gap",
                "remove it",
            );
        }
        if alternating && !s.has("admin") {
            let help = "add admin = \"NAME\": an external secret that may change both users (keyrota plan --setup says what it needs)";
            reader.error(
                s.spot,
                &s.at,
                "`admin` is missing: neither user may change the other",
                help,
            );
        }
        if !alternating && words.always_gap && !accept_gap {
            let help = "write accept_gap = true if your readers live with that, or use strategy = \"alternating-users\"";
            let what = "single-user has a gap: from the change until every reader has the new value, nobody can log in";
            reader.error(s.spot_of("strategy"), &join(&s.at, "strategy"), what, help);
        }
        if !alternating && !words.always_gap && !accept_gap && !s.has("admin") {
            let help = "add admin = \"NAME\" (an external secret), or accept_gap = true: with one password at a time the user changes itself";
            reader.error(
                s.spot,
                &s.at,
                "`admin` is missing: two passwords at once are an administrator's to set",
                help,
            );
        }
    }
    let (url, endpoint) = url(reader, s, words);
    let scheme = url.split("://").take(1).map(str::to_owned).collect();
    let (form, fields, rule, lines) = match s.text("format") {
        Some("rds-json") => (Form::RdsJson, RDS_FIELDS, rds_rule(), Lines::Any),
        _ => {
            let rule = Looks::Url { schemes: scheme };
            (Form::Url(url), URL_FIELDS, rule, Lines::One)
        }
    };
    let settings = Settings {
        users,
        form,
        server: server(reader, s, &endpoint),
        endpoint,
        ca_file: s.text("ca_file").map(|path| root.join(path)),
        admin: s.text("admin").map(str::to_owned),
        methods: methods(reader, s),
        one_at_a_time: accept_gap,
    };
    let admin = settings.admin.iter().map(|secret| Use {
        secret: secret.clone(),
        key: "admin",
        spot: s.spot_of("admin"),
        has_user: true,
    });
    let facts = SecretFacts {
        lines,
        maker: Maker::KeyrotaAfterFirst,
        // With a gap the old password is dead already. Programs that hold a connection pool read a
        // changed URL when they feel like it.
        grace: match accept_gap {
            true => Sum::ZERO,
            false => Sum::REFRESH,
        },
        grace_usual: (!accept_gap).then_some(GRACE),
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

/// `require_auth`; SCRAM alone when absent.
fn methods(reader: &mut Reader<'_>, s: &Section<'_>) -> Vec<Method> {
    if !s.has("require_auth") {
        return vec![Method::Scram];
    }
    let help = "write require_auth = [\"scram-sha-256\"], and \"md5\" or \"password\" only where a server has nothing better";
    let words = s.texts("require_auth");
    let mut allowed = Vec::new();
    for (i, word) in words.iter().enumerate() {
        match *word {
            "scram-sha-256" => allowed.push(Method::Scram),
            "md5" => allowed.push(Method::Md5),
            "password" => allowed.push(Method::Password),
            _ => {
                let at = format!("{}[{i}]", join(&s.at, "require_auth"));
                reader.error(s.spot_of("require_auth"), &at, "is no way to log in", help);
            }
        }
    }
    if words.is_empty() {
        let at = join(&s.at, "require_auth");
        reader.error(
            s.spot_of("require_auth"),
            &at,
            "allows no way to log in",
            help,
        );
    }
    allowed
}

fn users(reader: &mut Reader<'_>, s: &Section<'_>, words: &Words) -> Users {
    let names: Vec<String> = s.texts("users").into_iter().map(str::to_owned).collect();
    let at = join(&s.at, "users");
    let spot = s.spot_of("users");
    for (i, name) in names.iter().enumerate() {
        let at = format!("{at}[{i}]");
        if name.is_empty() || name.chars().any(char::is_control) {
            reader.error(
                spot,
                &at,
                "is not the name of a user",
                "write the name as the server has it",
            );
        }
        if name.len() > words.name_bytes_max {
            let what = format!(
                "is longer than {} bytes: the server has no such name",
                words.name_bytes_max
            );
            reader.error(spot, &at, what, "write the name as the server has it");
        }
    }
    match (s.text("strategy"), names.as_slice()) {
        (Some("single-user"), [user]) => Users::One(user.clone()),
        (Some("alternating-users"), [a, b]) if a != b => Users::Two([a.clone(), b.clone()]),
        (strategy, _) => {
            if s.get("users").is_some() && strategy.is_some() {
                let (what, help) = match strategy {
                    Some("single-user") => {
                        ("single-user is about one user", "write users = [\"app\"]")
                    }
                    _ => (
                        "alternating-users needs two different users",
                        "write users = [\"app_a\", \"app_b\"]",
                    ),
                };
                reader.error(spot, &at, what, help);
            }
            match strategy {
                Some("single-user") => Users::One(names.into_iter().next().unwrap_or_default()),
                _ => Users::Two(Default::default()),
            }
        }
    }
}

/// The URL and where it leads. Its words are fixed: only user and password are filled in.
fn url(reader: &mut Reader<'_>, s: &Section<'_>, words: &Words) -> (String, Endpoint) {
    let unknown = Endpoint {
        host: String::new(),
        port: words.port,
        database: String::new(),
    };
    let (Some(text), Some(template)) = (s.text("url"), s.template("url")) else {
        return (String::new(), unknown);
    };
    let form = format!(
        "write url = \"{}://{{user}}:{{password}}@host:{}/database\"",
        words.schemes[0], words.port
    );
    let parsed = match template.parts.as_slice() {
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
        Ok(endpoint) => (text.to_owned(), endpoint),
        Err(what) => {
            reader.error(s.spot_of("url"), &join(&s.at, "url"), what, form);
            (text.to_owned(), unknown)
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

fn server(reader: &mut Reader<'_>, s: &Section<'_>, endpoint: &Endpoint) -> Option<Endpoint> {
    let text = s.text("server")?;
    match host_and_port(text, endpoint.port) {
        Some((host, port)) => Some(Endpoint {
            host,
            port,
            database: endpoint.database.clone(),
        }),
        None => {
            reader.error(
                s.spot_of("server"),
                &join(&s.at, "server"),
                "is not host:port",
                "write server = \"db.internal:5432\"",
            );
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
