//! Reads a spanned TOML tree against the tables of [`super::keys`]: what comes out has the right
//! shape, and everything that has not has been reported where it stands.

use std::time::Duration;

use jiff::civil;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::keys::{Key, Kinds, REFERENCE, Ty};
use super::mask::{did_you_mean, is_plain, name};
use super::model::{Reference, Spot, Template};
use super::source::Source;
use super::words;

/// A value and where it stands.
pub type Node<'a> = &'a Spanned<DeValue<'a>>;

/// More problems than this in one file help nobody.
const PROBLEMS_MAX: usize = 200;

/// One file while it is read.
pub struct Reader<'a> {
    /// The file.
    pub source: &'a Source,
    /// What is wrong with it so far.
    pub problems: Vec<Diagnostic>,
    /// The syntax is broken, so what seems missing may only be unreadable.
    pub broken: bool,
}

impl<'a> Reader<'a> {
    /// Parses a file. Syntax errors are problems; what could be read is returned all the same.
    pub fn open(source: &'a Source) -> (Self, DeTable<'a>) {
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        let tree = tree.into_inner();
        let mut reader = Self { source, problems: Vec::new(), broken: false };
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let spot = source.spot(span.clone());
            // The parser's messages are fixed text; they never hold any of the file.
            if error.message() == "duplicate key" {
                let key = source.text.get(span.clone()).unwrap_or_default();
                let first = first_header(source, spot).or_else(|| first_key(&tree, key, span.start).map(|s| source.spot(s)));
                let what = format!("the key `{}` is there twice", name(key.trim_matches(['"', '\''])));
                let problem = Diagnostic::error(&source.file, spot, "", what, "keep one of the two");
                reader.problems.push(match first {
                    Some(first) => problem.related_to(&source.file, first, "first"),
                    None => problem,
                });
            } else {
                reader.broken = true;
                let what = format!("not TOML: {}", error.message());
                reader.problems.push(Diagnostic::error(&source.file, spot, "", what, "correct the syntax here; text needs quotes"));
            }
        }
        (reader, tree)
    }

    /// Adds a problem.
    pub fn error(&mut self, spot: Spot, at: &str, what: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::error(&self.source.file, spot, at, what, help));
    }

    /// Adds something worth a look.
    pub fn warn(&mut self, spot: Spot, at: &str, what: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::error(&self.source.file, spot, at, what, help).into_warning());
    }

    /// Adds a contradiction between two places of this file.
    pub fn clash(&mut self, spot: Spot, at: &str, what: impl Into<String>, help: &str, other: Spot, other_what: &str) {
        self.push(Diagnostic::error(&self.source.file, spot, at, what, help).related_to(&self.source.file, other, other_what));
    }

    /// Adds a problem unless there are too many already.
    pub fn push(&mut self, problem: Diagnostic) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// Where a value stands.
    pub fn spot(&self, node: Node<'_>) -> Spot {
        self.source.spot(node.span())
    }

    /// Takes a table apart: only keys that are known and well-formed remain.
    pub fn section<'t>(&mut self, table: &'t DeTable<'t>, keys: &[&'static Key], spot: Spot, at: &str, other: &[&str]) -> Section<'t> {
        let mut section = Section { spot, at: at.to_owned(), entries: Vec::new(), stated: Vec::new() };
        for (key_spot, key, node) in in_order(self.source, table) {
            let path = join(at, key);
            match keys.iter().find(|k| k.name == key) {
                Some(known) => {
                    section.stated.push(known.name);
                    if self.check(node, &known.ty, key_spot, &path) {
                        let inside = matches!(known.ty, Ty::Table(_) | Ty::Map(_) | Ty::Reference | Ty::List(&Ty::Kinds(_)));
                        let spot = if inside { key_spot } else { self.spot(node) };
                        section.entries.push((known.name, spot, node));
                    }
                }
                None => self.unknown(key_spot, key, node, keys, at, other),
            }
        }
        for key in keys.iter().filter(|k| k.required && !table.contains_key(k.name)) {
            if !self.broken {
                self.error(spot, at, format!("`{}` is missing", key.name), format!("add {} = {}: {}", key.name, words::example(&key.ty), key.doc));
            }
        }
        section
    }

    /// Takes a table apart by its `kind`; `None` if that is missing, unknown or not built in.
    pub fn kind<'t>(&mut self, table: &'t DeTable<'t>, kinds: &Kinds, spot: Spot, at: &str) -> Option<(&'static str, Section<'t>)> {
        let list = kinds.names().collect::<Vec<_>>().join(", ");
        let Some(node) = table.get("kind") else {
            if !self.broken {
                self.error(spot, at, "`kind` is missing", format!("add kind = …: one of {list}"));
            }
            return None;
        };
        let (kind_spot, path) = (self.spot(node), join(at, "kind"));
        let Some(word) = node.get_ref().as_str() else {
            self.error(kind_spot, &path, "has to be text", format!("write one of {list}"));
            return None;
        };
        if let Some(planned) = kinds.planned.iter().find(|k| **k == word) {
            self.error(kind_spot, &path, format!("the {} kind \"{planned}\" is not built in", kinds.noun), format!("this build has {list}"));
            for (spot, key, node) in in_order(self.source, table).into_iter().filter(|(_, key, node)| is_secret(key, node)) {
                self.unknown(spot, key, node, &[], at, &[]);
            }
            return None;
        }
        let Some((known, _)) = kinds.built.iter().find(|(k, _)| *k == word) else {
            let guess = did_you_mean(word, kinds.names().chain(kinds.planned.iter().copied()));
            let what = format!("there is no {} kind {}", kinds.noun, shown(word));
            self.error(kind_spot, &path, what, meant(guess, &format!("this build has {list}")));
            return None;
        };
        let mut keys = kinds.keys(known)?;
        keys.push(&KIND);
        let elsewhere: Vec<&str> = kinds.names().filter_map(|k| kinds.keys(k)).flatten().map(|k| k.name).collect();
        Some((known, self.section(table, &keys, spot, at, &elsewhere)))
    }

    fn unknown(&mut self, spot: Spot, key: &str, node: Node<'_>, keys: &[&'static Key], at: &str, elsewhere: &[&str]) {
        if is_secret(key, node) {
            let help = "take the value out of this file and change it; keyrota keeps values in a provider";
            return self.error(spot, &join(at, key), "a secret value may not stand in a file", help);
        }
        let in_section = if at.is_empty() { String::new() } else { format!(" in {at}") };
        let offered = || keys.iter().filter(|k| !matches!(k.ty, Ty::NotBuiltIn)).map(|k| k.name);
        let list = offered().collect::<Vec<_>>().join(", ");
        if elsewhere.contains(&key) {
            let what = format!("`{key}` does not apply to this kind{in_section}");
            return self.error(spot, &join(at, key), what, format!("remove it; here may stand: {list}"));
        }
        let guess = did_you_mean(key, offered());
        let what = format!("unknown key `{}`{in_section}", name(key));
        self.error(spot, &join(at, key), what, meant(guess, &format!("here may stand: {list}")));
    }

    /// Whether a value has the type; what has not is reported.
    fn check(&mut self, node: Node<'_>, ty: &Ty, key_spot: Spot, at: &str) -> bool {
        let spot = self.spot(node);
        let value = node.get_ref();
        let wrong = match (ty, value) {
            (Ty::NotBuiltIn, _) => {
                self.error(key_spot, at, "is not built in", "remove it; this build does without");
                return false;
            }
            (Ty::Count(min, max), DeValue::Integer(n)) => {
                let number = n.as_str().parse::<u32>().ok().filter(|_| n.radix() == 10);
                if number.is_some_and(|n| (*min..=*max).contains(&n)) {
                    return true;
                }
                let what = if number.is_some_and(|n| n < *min) { format!("is less than {min}") } else { format!("is not a number from {min} to {max}") };
                self.error(spot, at, what, format!("write a number from {min} to {max}"));
                return false;
            }
            (Ty::Flag, DeValue::Boolean(_)) => return true,
            (Ty::Moment, DeValue::Datetime(d)) if d.date.is_some() => return true,
            (Ty::List(of), DeValue::Array(items)) => {
                // Tables of a kind and nested tables are taken apart, and reported, by their reader.
                let deep = matches!(of, Ty::Kinds(_) | Ty::Table(_));
                let mut sound = true;
                for (i, item) in items.iter().enumerate() {
                    let path = format!("{at}[{i}]");
                    sound &= if deep { self.is_table(item, &path) } else { self.check(item, of, key_spot, &path) };
                }
                return sound;
            }
            (Ty::Map(of), DeValue::Table(t)) => {
                let mut sound = true;
                for (_, key, item) in in_order(self.source, t) {
                    let path = join(at, key);
                    sound &= match of {
                        Ty::Kinds(_) | Ty::Table(_) => self.is_table(item, &path),
                        of => self.check(item, of, key_spot, &path),
                    };
                }
                // One bad entry does not hide the others.
                return sound || matches!(of, Ty::Kinds(_) | Ty::Table(_));
            }
            (Ty::Either(text, _), DeValue::String(_)) => return self.check(node, text, key_spot, at),
            (Ty::Either(_, table), DeValue::Table(_)) => return self.check(node, table, key_spot, at),
            (Ty::Table(_) | Ty::Kinds(_) | Ty::Reference, DeValue::Table(_)) => return true,
            (Ty::Reference, DeValue::String(_)) => {
                let what = "a sensitive input is never written here";
                let help = "say where it is found: { credential = \"name\" }, { file = \"/path\" } or { env = \"NAME\" }; if a value stood here, change it";
                self.error(spot, at, what, help);
                return false;
            }
            (_, DeValue::String(text)) => match words::check(ty, text) {
                Ok(()) => return true,
                Err(Some((what, help))) => {
                    self.error(spot, at, what, help);
                    return false;
                }
                Err(None) => "text",
            },
            (_, other) => other.type_str(),
        };
        let mut what = format!("has to be {}, not {}", words::noun(ty), article(wrong));
        if matches!((ty, value), (Ty::Duration, DeValue::Integer(_))) {
            what = "a duration needs a unit".to_owned();
        }
        self.error(spot, at, what, format!("write {}", words::example(ty)));
        false
    }

    fn is_table(&mut self, node: Node<'_>, at: &str) -> bool {
        if node.get_ref().is_table() {
            return true;
        }
        self.error(self.spot(node), at, format!("has to be a table, not {}", article(node.get_ref().type_str())), "write a table: [name] or { key = value }");
        false
    }

    /// A reference, if exactly one of its three forms is there.
    pub fn reference(&mut self, section: &Section<'_>, key: &str, root: &std::path::Path) -> Option<Reference> {
        let (spot, node) = section.get(key)?;
        let keys: Vec<&'static Key> = REFERENCE.iter().collect();
        let inner = self.section(node.get_ref().as_table()?, &keys, spot, &join(&section.at, key), &[]);
        let found = [
            inner.text("credential").map(|t| Reference::Credential(t.to_owned())),
            inner.text("file").map(|t| Reference::File(root.join(t))),
            inner.text("env").map(|t| Reference::Env(t.to_owned())),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(Reference::Credential(n)), None) if n.is_empty() || n.contains('/') || n.starts_with('.') => {
                self.error(spot, &inner.at, "a credential's name has no slash in it and does not start with a dot", "write the name given to LoadCredential=");
                None
            }
            (Some(one), None) => Some(one),
            (None, _) if self.broken => None,
            _ => {
                self.error(spot, &inner.at, "has to say exactly one of credential, file, env", "write { credential = \"name\" }");
                None
            }
        }
    }
}

static KIND: Key = Key { name: "kind", ty: Ty::Text, required: true, doc: "What it is." };

/// A table whose keys are known and whose values have the right type.
pub struct Section<'t> {
    /// Where it stands.
    pub spot: Spot,
    /// Its path, as `secrets.name`.
    pub at: String,
    entries: Vec<(&'static str, Spot, Node<'t>)>,
    /// All known keys, sound or not: what is wrong is not missing too.
    stated: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// The value of a key and where it stands.
    pub fn get(&self, key: &str) -> Option<(Spot, Node<'t>)> {
        self.entries.iter().find(|(k, ..)| *k == key).map(|(_, spot, node)| (*spot, *node))
    }

    /// Takes over what `other` says and this does not, for the keys in `allowed`.
    pub fn inherit(&mut self, other: &Self, allowed: &[&'static Key], except: &[&str]) {
        let applies = |key: &str| allowed.iter().any(|k| k.name == key) && !except.contains(&key);
        let taken = other.entries.iter().filter(|(key, ..)| applies(key) && self.get(key).is_none());
        let taken: Vec<_> = taken.copied().collect();
        self.entries.extend(taken);
        self.stated.extend(other.stated.iter().filter(|key| applies(key)));
    }

    /// Whether a key is there, sound or not.
    pub fn has(&self, key: &str) -> bool {
        self.stated.contains(&key)
    }

    /// Where a key stands; the table, if it has no such key.
    pub fn spot_of(&self, key: &str) -> Spot {
        self.get(key).map_or(self.spot, |(spot, _)| spot)
    }

    /// Text.
    pub fn text(&self, key: &str) -> Option<&'t str> {
        self.get(key)?.1.get_ref().as_str()
    }

    /// A whole number.
    pub fn count(&self, key: &str) -> Option<u32> {
        self.get(key)?.1.get_ref().as_integer()?.as_str().parse().ok()
    }

    /// A flag.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.1.get_ref().as_bool()
    }

    /// A duration.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        words::duration(self.text(key)?).ok()
    }

    /// A time of day.
    pub fn clock(&self, key: &str) -> Option<civil::Time> {
        words::clock(self.text(key)?)
    }

    /// Text with fields.
    pub fn template(&self, key: &str) -> Option<Template> {
        words::template(self.text(key)?).ok()
    }

    /// A list of texts; empty if absent.
    pub fn texts(&self, key: &str) -> Vec<&'t str> {
        let items = self.get(key).and_then(|(_, node)| node.get_ref().as_array());
        items.into_iter().flatten().filter_map(|item| item.get_ref().as_str()).collect()
    }
}

/// The entries of a table as they stand in the file; the tree sorts them by name.
pub fn in_order<'t>(source: &Source, table: &'t DeTable<'t>) -> Vec<(Spot, &'t str, Node<'t>)> {
    let mut entries: Vec<_> = table.iter().map(|(k, v)| (source.spot(k.span()), k.get_ref().as_ref(), v)).collect();
    entries.sort_by_key(|(spot, ..)| spot.start);
    entries
}

/// `a.b`, with names that must not be repeated left out.
pub fn join(at: &str, key: &str) -> String {
    if at.is_empty() { name(key) } else { format!("{at}.{}", name(key)) }
}

/// A word in quotes if it may be shown.
pub fn shown(word: &str) -> String {
    if is_plain(word) { format!("\"{word}\"") } else { "of this name".to_owned() }
}

/// The best guess, or else what can be written.
pub fn meant(guess: Option<&str>, otherwise: &str) -> String {
    guess.map_or_else(|| otherwise.to_owned(), |guess| format!("did you mean \"{guess}\"?"))
}

/// Text at a key that is called like a secret.
fn is_secret(key: &str, node: Node<'_>) -> bool {
    words::names_a_secret(key) && node.get_ref().is_str()
}

fn article(type_name: &str) -> String {
    match type_name {
        "text" | "string" => "text".to_owned(),
        t if t.starts_with(['a', 'i']) => format!("an {t}"),
        t => format!("a {t}"),
    }
}

/// For a repeated `[header]`: the first line that says the same.
fn first_header(source: &Source, spot: Spot) -> Option<Spot> {
    let header = source.line(spot.line).0.trim();
    let same = (1..spot.line).find(|line| header.starts_with('[') && source.line(*line).0.trim() == header)?;
    let (_, first) = source.line(same);
    Some(source.spot(first..first + header.len()))
}

/// The nearest key of this name before `end` that the tree holds.
fn first_key(table: &DeTable<'_>, key: &str, end: usize) -> Option<std::ops::Range<usize>> {
    let key = key.trim_matches(['"', '\'']);
    let mut best: Option<std::ops::Range<usize>> = None;
    for (k, v) in table {
        let below = match v.get_ref() {
            DeValue::Table(t) => first_key(t, key, end),
            DeValue::Array(items) => items.iter().filter_map(|i| first_key(i.get_ref().as_table()?, key, end)).max_by_key(|s| s.start),
            _ => None,
        };
        let here = (k.get_ref() == key && k.span().start < end).then(|| k.span());
        best = [best, below, here].into_iter().flatten().max_by_key(|s| s.start);
    }
    best
}
