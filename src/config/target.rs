//! Kinds whose new value a server, or a program, has to be told.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::model::{
    Auth, CommandRotator, Database, DatabaseFormat, Endpoint, ExternalFormat, Kind, Part, Secret,
    Slots, Spot, Users,
};
use super::random;
use super::read::{Reader, Section, join};

/// PostgreSQL cuts longer names off; MySQL and MariaDB refuse names longer than 32 and 128.
const POSTGRES_NAME_BYTES_MAX: usize = 63;
const MYSQL_NAME_BYTES_MAX: usize = 32;

/// What differs between the databases.
struct Words {
    /// Schemes of its URLs.
    schemes: &'static [&'static str],
    port: u16,
    name_bytes_max: usize,
    /// One password per account, always: a change of it has a gap.
    always_gap: bool,
}

/// The longest one call of a program may take when the file does not say.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const COMMAND_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// `kind = "postgres"`.
pub fn postgres(reader: &mut Reader<'_>, s: &Section<'_>, root: &Path) -> Database {
    let words = Words {
        schemes: &["postgres", "postgresql"],
        port: 5432,
        name_bytes_max: POSTGRES_NAME_BYTES_MAX,
        always_gap: true,
    };
    database(reader, s, root, &words)
}

/// `kind = "mysql"`.
pub fn mysql(reader: &mut Reader<'_>, s: &Section<'_>, root: &Path) -> Database {
    let words = Words {
        schemes: &["mysql", "mariadb"],
        port: 3306,
        name_bytes_max: MYSQL_NAME_BYTES_MAX,
        always_gap: false,
    };
    database(reader, s, root, &words)
}

/// `kind = "command"`.
pub fn command(reader: &mut Reader<'_>, s: &Section<'_>) -> CommandRotator {
    let argv: Vec<String> = s.texts("argv").into_iter().map(str::to_owned).collect();
    let absolute = argv.first().is_some_and(|program| program.starts_with('/'));
    if s.get("argv").is_some() && !absolute {
        let help =
            "write argv = [\"/usr/local/lib/keyrota/redis-acl\"]: an absolute path, no shell";
        reader.error(
            s.spot_of("argv"),
            &join(&s.at, "argv"),
            "does not begin with the path of a program",
            help,
        );
    }
    let timeout = s.duration("timeout").unwrap_or(COMMAND_TIMEOUT);
    if timeout.is_zero() || timeout > COMMAND_TIMEOUT_MAX {
        reader.error(
            s.spot_of("timeout"),
            &join(&s.at, "timeout"),
            "is not between 1s and 10m",
            "write \"30s\"",
        );
    }
    let token = random::random(reader, s);
    CommandRotator {
        argv,
        slots: match s.text("slots") {
            Some("single") => Slots::Single,
            _ => Slots::Dual,
        },
        timeout,
        length: token.length,
        alphabet: token.alphabet,
        uses: s.texts("uses").into_iter().map(str::to_owned).collect(),
    }
}

fn database(reader: &mut Reader<'_>, s: &Section<'_>, root: &Path, words: &Words) -> Database {
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
    Database {
        users,
        url,
        server: server(reader, s, &endpoint),
        endpoint,
        ca_file: s.text("ca_file").map(|path| root.join(path)),
        admin: s.text("admin").map(str::to_owned),
        format: match s.text("format") {
            Some("rds-json") => DatabaseFormat::RdsJson,
            _ => DatabaseFormat::Url,
        },
        require_auth: require_auth(reader, s),
        accept_gap,
    }
}

/// `require_auth`; SCRAM alone when absent.
fn require_auth(reader: &mut Reader<'_>, s: &Section<'_>) -> Vec<Auth> {
    if !s.has("require_auth") {
        return vec![Auth::Scram];
    }
    let help = "write require_auth = [\"scram-sha-256\"], and \"md5\" or \"password\" only where a server has nothing better";
    let words = s.texts("require_auth");
    let mut allowed = Vec::new();
    for (i, word) in words.iter().enumerate() {
        match *word {
            "scram-sha-256" => allowed.push(Auth::Scram),
            "md5" => allowed.push(Auth::Md5),
            "password" => allowed.push(Auth::Password),
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

/// The secrets named by `admin` and `uses` are kept here, and can be what they are to be. `spots`
/// says where each secret names them; of a file that is not `complete`, nothing is missed.
pub fn uses(reader: &mut Reader<'_>, secrets: &[Secret], spots: &[Spot], complete: bool) {
    let kinds: HashMap<&str, &Kind> = secrets.iter().map(|s| (s.name.as_str(), &s.kind)).collect();
    for (secret, spot) in secrets.iter().zip(spots) {
        let database = secret.kind.database().is_some();
        let (key, help) = match database {
            true => (
                "admin",
                "name a secret of kind = \"external\" with format = \"url\", \"json\" or \"rds-json\"",
            ),
            false => ("uses", "name secrets of kind = \"external\""),
        };
        for used in secret.kind.uses() {
            let named = kinds.get(used.as_str()).copied();
            let what = match named {
                None if complete => "names a secret that this file does not have",
                Some(Kind::External(external))
                    if external.format == ExternalFormat::Raw && database =>
                {
                    "names a secret without a user name: its format is raw"
                }
                None | Some(Kind::External(_)) => continue,
                Some(_) => "names a secret that keyrota rotates itself",
            };
            let at = join(&join("secrets", &secret.name), key);
            reader.error(*spot, &at, what, help);
        }
    }
}
