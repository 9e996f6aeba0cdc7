//! `[[secrets.*.consumers]]`: who is told.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::effort;
use super::keys::Family;
use super::model::{
    CommandConsumer, Consumer, ConsumerKind, EnvFileFormat, EnvVar, FileConsumer, JwksConsumer,
    Kind, Secret, Spot,
};
use super::read::{Reader, Section, join};
use super::templates::templates;
use super::words;

/// The consumers of one secret.
pub fn all(
    reader: &mut Reader<'_>,
    secret: &Section<'_>,
    kind: &Kind,
    env: &[EnvVar],
    root: &Path,
) -> Vec<Consumer> {
    let items = secret
        .get("consumers")
        .and_then(|(_, node)| node.get_ref().as_array());
    let mut consumers = Vec::new();
    for (i, item) in items.into_iter().flatten().enumerate() {
        let at = format!("{}[{i}]", join(&secret.at, "consumers"));
        let Some(table) = item.get_ref().as_table() else {
            continue;
        };
        let spot = reader.spot(item);
        let Some((word, section)) = reader.kind(table, Family::Consumer, spot, &at) else {
            continue;
        };
        let kind = match word {
            "file" => ConsumerKind::File(file(reader, &section, kind, env, root)),
            "command" => ConsumerKind::Command(command(reader, &section)),
            _ => ConsumerKind::Jwks(jwks(reader, &section, kind, root)),
        };
        consumers.push(Consumer {
            kind,
            required: section.flag("required").unwrap_or(true),
            host: section.text("host").map(str::to_owned),
            spot,
        });
    }
    consumers
}

fn file(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    kind: &Kind,
    env: &[EnvVar],
    root: &Path,
) -> FileConsumer {
    let format = match s.text("format") {
        Some("dotenv") => EnvFileFormat::Dotenv,
        Some("docker") => EnvFileFormat::Docker,
        Some("raw") => EnvFileFormat::Raw,
        Some("json") => EnvFileFormat::Json,
        _ => EnvFileFormat::Systemd,
    };
    let stated = s.get("keys").is_some();
    let keys = if stated {
        templates(reader, s, "keys", kind)
    } else {
        env.to_vec()
    };
    let at = &s.at;
    if keys.is_empty() && format != EnvFileFormat::Raw && !reader.broken {
        reader.error(
            s.spot,
            at,
            "there is nothing to write: the secret has no env",
            "add keys = { NAME = \"{value}\" }, or env to the secret",
        );
    }
    if keys.len() > 1 && format == EnvFileFormat::Raw {
        reader.error(
            s.spot_of("keys"),
            &join(at, "keys"),
            "a raw file holds one value",
            "name one: keys = { NAME = \"{value}\" }, or use format = \"json\"",
        );
    }
    let lines = matches!(kind, Kind::Jwt(jwt) if jwt.format == super::model::JwtFormat::Pem);
    if lines && format == EnvFileFormat::Docker {
        let help = "write format = \"systemd\" or \"dotenv\" here, or format = \"jwk\" for the key";
        reader.error(
            s.spot_of("format"),
            &join(at, "format"),
            "a docker file cannot hold a PEM key: it has several lines",
            help,
        );
    }
    FileConsumer {
        path: path(reader, s, root),
        format,
        keys,
        owner: s.text("owner").and_then(words::owner),
        mode: mode(reader, s, 0o600, true),
        in_place: s.text("write") == Some("in-place"),
    }
}

fn command(reader: &mut Reader<'_>, s: &Section<'_>) -> CommandConsumer {
    let argv: Vec<String> = s.texts("argv").into_iter().map(str::to_owned).collect();
    let (spot, at) = (s.spot_of("argv"), join(&s.at, "argv"));
    let program = argv.first().map(String::as_str);
    if s.get("argv").is_some() && !program.is_some_and(|p| p.starts_with('/')) {
        let help =
            "write [\"/full/path/to/program\", \"argument\"]: it is found without a search path";
        reader.error(
            spot,
            &at,
            "has to begin with the full path of a program",
            help,
        );
    }
    let shell = program.is_some_and(|p| {
        ["/sh", "/bash", "/dash", "/zsh"]
            .iter()
            .any(|shell| p.ends_with(shell))
    });
    if shell
        && argv
            .get(1)
            .is_some_and(|a| a.starts_with('-') && a.contains('c'))
    {
        let help = "name a program; what it has to know is JSON on its standard input";
        reader.error(
            spot,
            &at,
            "is a shell with a line of text: there is no shell here",
            help,
        );
    }
    if argv.iter().any(|a| {
        a.contains("{value}") || a.contains("{{value}}") || a.contains("${") || a.contains('\0')
    }) {
        reader.error(
            spot,
            &at,
            "values are never arguments: everyone on the host can read those",
            "write value = true: values are on standard input then",
        );
    }
    let timeout = s.duration("timeout").unwrap_or(Duration::from_secs(30));
    if timeout.is_zero() || timeout > Duration::from_secs(600) {
        reader.error(
            s.spot_of("timeout"),
            &join(&s.at, "timeout"),
            "is not between 1s and 10m",
            "write \"30s\"",
        );
    }
    CommandConsumer {
        argv,
        timeout,
        value: s.flag("value").unwrap_or(false),
    }
}

fn jwks(reader: &mut Reader<'_>, s: &Section<'_>, kind: &Kind, root: &Path) -> JwksConsumer {
    if !matches!(kind, Kind::Jwt(jwt) if jwt.algorithm.is_asymmetric()) {
        let help = "remove it; only jwt keys of RS256, ES256 and EdDSA have a public part";
        reader.error(
            s.spot,
            &s.at,
            "there is nothing to publish: this key has no public part",
            help,
        );
    }
    JwksConsumer {
        path: path(reader, s, root),
        owner: s.text("owner").and_then(words::owner),
        mode: mode(reader, s, 0o644, false),
    }
}

fn path(reader: &mut Reader<'_>, s: &Section<'_>, root: &Path) -> PathBuf {
    let text = s.text("path").unwrap_or_default();
    if text.ends_with('/')
        || text.contains('\0')
        || Path::new(text)
            .components()
            .any(|c| c == std::path::Component::ParentDir)
    {
        reader.error(
            s.spot_of("path"),
            &join(&s.at, "path"),
            "is not the path of a file",
            "write a path without .. that ends in a file's name",
        );
    }
    root.join(text)
}

fn mode(reader: &mut Reader<'_>, s: &Section<'_>, default: u32, secret: bool) -> u32 {
    let Some(mode) = s.text("mode").and_then(words::mode) else {
        return default;
    };
    let at = join(&s.at, "mode");
    if mode & 0o7133 != 0 || mode & 0o400 == 0 {
        reader.error(
            s.spot_of("mode"),
            &at,
            "lets others write, or lets anyone execute, or hides it from its owner",
            format!("write \"{default:04o}\" or \"0640\""),
        );
    } else if secret && mode & 0o004 != 0 {
        reader.error(
            s.spot_of("mode"),
            &at,
            "lets everyone on the host read the value",
            "write \"0600\" or \"0640\"",
        );
    }
    mode
}

/// Several secrets may share an environment file, if they agree about it and name different keys.
pub fn once(reader: &mut Reader<'_>, secrets: &[Secret]) {
    let mut files: BTreeMap<(&Path, Option<&str>), Shared<'_>> = BTreeMap::new();
    for secret in secrets {
        for (i, consumer) in secret.consumers.iter().enumerate() {
            let at = format!("{}[{i}]", join(&join("secrets", &secret.name), "consumers"));
            let (path, this) = match &consumer.kind {
                ConsumerKind::File(f) => (f.path.as_path(), Some(f)),
                ConsumerKind::Jwks(j) => (j.path.as_path(), None),
                ConsumerKind::Command(_) => continue,
            };
            effort::spend(1);
            let key = (path, consumer.host.as_deref());
            let Some(file) = files.get_mut(&key) else {
                files.insert(key, Shared::of(consumer.spot, this));
                continue;
            };
            if let Some((what, other)) = file.disagreement(this) {
                let help = "give each a file or key of its own";
                reader.clash(consumer.spot, &at, what, help, other, "the other");
            }
            file.add(consumer.spot, this);
        }
    }
}

/// A file that consumers share.
struct Shared<'a> {
    /// Its first consumer.
    spot: Spot,
    /// What that says of the file; `None` of a key set.
    first: Option<&'a FileConsumer>,
    /// The keys that are written, and by which consumer.
    keys: HashMap<&'a str, Spot>,
}

impl<'a> Shared<'a> {
    fn of(spot: Spot, first: Option<&'a FileConsumer>) -> Self {
        let keys = HashMap::new();
        let mut file = Self { spot, first, keys };
        file.add(spot, first);
        file
    }

    fn add(&mut self, spot: Spot, consumer: Option<&'a FileConsumer>) {
        for key in consumer.iter().flat_map(|c| &c.keys) {
            self.keys.entry(&key.name).or_insert(spot);
        }
    }

    /// Why one more consumer cannot share the file, and with whom.
    fn disagreement(&self, new: Option<&FileConsumer>) -> Option<(&'static str, Spot)> {
        let (Some(first), Some(new)) = (self.first, new) else {
            let what = "is written by two consumers, and each would replace the other's text";
            return Some((what, self.spot));
        };
        if first.format == EnvFileFormat::Raw || new.format == EnvFileFormat::Raw {
            let what = "a raw file holds one value, and two consumers write it";
            return Some((what, self.spot));
        }
        if first.format != new.format {
            let what = "another consumer writes the same file in another format";
            return Some((what, self.spot));
        }
        if (&first.owner, first.mode) != (&new.owner, new.mode) {
            let what = "another consumer gives the same file another owner or mode";
            return Some((what, self.spot));
        }
        if first.in_place != new.in_place {
            let what = "another consumer writes the same file in another way (`write`)";
            return Some((what, self.spot));
        }
        let taken = new.keys.iter().find_map(|k| self.keys.get(k.name.as_str()));
        taken.map(|other| {
            (
                "another consumer writes the same key of the same file",
                *other,
            )
        })
    }
}
