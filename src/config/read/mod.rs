//! Reads a spanned TOML tree against the tables of [`super::keys`]: what comes out has the right
//! shape, and everything that has not has been reported where it stands.

use std::collections::HashSet;

use toml::de::DeTable;

use super::diagnostic::Diagnostic;
use super::effort;
use super::keys::{Catalog, Key, Ty};
use super::plain::{did_you_mean, is_plain, meant, name};
use super::source::Source;
use super::values::Spot;
use super::words;

mod check;
mod firsts;
mod kind;
mod section;
mod tables;
mod typed;

use firsts::Firsts;
pub use section::{Node, Section};
pub use tables::{Names, check_name, tables};
pub use typed::{Count, Field, KeyType, Mode, Owner, TemplateText, Templates, Variable, field};

/// More problems than this in one file help nobody.
pub const PROBLEMS_MAX: usize = 200;

/// More names of one file are not compared with each other: a guess is a help, no more.
const COMPARISONS_MAX: usize = 5_000;

/// One file while it is read.
pub struct Reader<'a> {
    /// The file.
    pub source: &'a Source,
    /// The kinds that it may name.
    pub kinds: &'a Catalog,
    problems: Vec<Diagnostic>,
    /// The syntax is broken, so what seems missing may only be unreadable.
    pub broken: bool,
    /// The lines the parser could not read; what it made of them means nothing.
    unreadable: HashSet<u32>,
    /// How many names may still be compared to find the one that was meant.
    comparisons_left: usize,
}

impl<'a> Reader<'a> {
    /// Parses a file. Syntax errors are problems; what could be read is returned all the same.
    pub fn open(source: &'a Source, kinds: &'a Catalog) -> (Self, DeTable<'a>) {
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        let tree = tree.into_inner();
        let mut reader = Self {
            source,
            kinds,
            problems: Vec::new(),
            broken: false,
            unreadable: HashSet::new(),
            comparisons_left: COMPARISONS_MAX,
        };
        let mut firsts = None;
        for error in errors.into_iter().take(10 * PROBLEMS_MAX) {
            let span = error.span().unwrap_or(0..0);
            let spot = source.spot(span.clone());
            // The parser's messages are fixed text; they never hold any of the file.
            if error.message() == "duplicate key" {
                if reader.is_full() {
                    continue;
                }
                let key = source.text.get(span.clone()).unwrap_or_default();
                let firsts = firsts.get_or_insert_with(|| Firsts::of(source, &tree));
                let first = firsts.before(source, spot, key);
                let what = format!(
                    "the key `{}` is there twice",
                    name(key.trim_matches(['"', '\'']))
                );
                let problem =
                    Diagnostic::error(&source.file, spot, "", what, "keep one of the two");
                reader.problems.push(match first {
                    Some(first) => problem.related_to(&source.file, first, "first"),
                    None => problem,
                });
            } else if reader.unreadable.insert(spot.line) {
                reader.broken = true;
                let what = format!("not TOML: {}", error.message());
                reader.problems.push(Diagnostic::error(
                    &source.file,
                    spot,
                    "",
                    what,
                    "correct the syntax here; text needs quotes",
                ));
            }
        }
        (reader, tree)
    }

    /// Adds a problem.
    pub fn error(
        &mut self,
        spot: Spot,
        at: &str,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::error(&self.source.file, spot, at, what, help));
    }

    /// Adds a problem with what stands at a key.
    pub fn refuse<T>(
        &mut self,
        field: &Field<T>,
        what: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.error(field.spot, &field.at, what, help);
    }

    /// Adds something worth a look.
    pub fn warn(&mut self, spot: Spot, at: &str, what: impl Into<String>, help: impl Into<String>) {
        self.push(Diagnostic::error(&self.source.file, spot, at, what, help).into_warning());
    }

    /// Adds a contradiction between two places of this file.
    pub fn clash(
        &mut self,
        spot: Spot,
        at: &str,
        what: impl Into<String>,
        help: &str,
        other: Spot,
        other_what: &str,
    ) {
        self.push(
            Diagnostic::error(&self.source.file, spot, at, what, help).related_to(
                &self.source.file,
                other,
                other_what,
            ),
        );
    }

    /// Adds a problem, unless it is told already, there are too many, or it follows from broken
    /// syntax.
    pub fn push(&mut self, problem: Diagnostic) {
        let spot = problem.spot;
        let follows = self.broken && (spot.end == 0 || self.unreadable.contains(&spot.line));
        // What [defaults] say wrongly is met again at every secret.
        let told = |p: &Diagnostic| p.spot == spot && p.what == problem.what;
        if !self.is_full() && !follows && !self.problems.iter().any(told) {
            self.problems.push(problem);
        }
    }

    /// Whether further problems are not told. What finds their cause is not worth its work then.
    pub fn is_full(&self) -> bool {
        self.problems.len() > PROBLEMS_MAX
    }

    /// The name that was meant, if there is one and finding it is worth the work.
    pub fn guess<'k>(
        &mut self,
        wrong: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<&'k str> {
        if self.is_full() {
            return None;
        }
        let left = &mut self.comparisons_left;
        let known = known.into_iter().take_while(|_| {
            effort::spend(1);
            *left = left.saturating_sub(1);
            *left > 0
        });
        did_you_mean(wrong, known)
    }

    /// What is wrong, in the order of the file.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let more = self.problems.len() > PROBLEMS_MAX;
        self.problems.truncate(PROBLEMS_MAX);
        self.problems.sort_by_key(|p| (p.spot.start, p.spot.line));
        if more {
            let what = format!("has more than {PROBLEMS_MAX} problems; the others are not shown");
            let help = "is this the right file? correct these first";
            self.problems.push(Diagnostic::error(
                &self.source.file,
                Spot::default(),
                "",
                what,
                help,
            ));
        }
        self.problems
    }

    /// A word in quotes if it may be shown.
    pub(super) fn shown(&self, word: &str) -> String {
        if is_plain(word, self.kinds.words()) {
            format!("\"{word}\"")
        } else {
            "of this name".to_owned()
        }
    }

    /// Where a value stands.
    pub fn spot(&self, node: Node<'_>) -> Spot {
        self.source.spot(node.span())
    }

    /// Takes the whole file apart.
    pub fn top<'t>(&mut self, tree: &'t DeTable<'t>, keys: &'static [Key]) -> Section<'t> {
        let keys: Vec<&'static Key> = keys.iter().collect();
        let start = self.source.spot(0..0);
        self.section(tree, &keys, start, "", &[])
    }

    /// Takes a table apart: only keys that are known and well-formed remain.
    pub fn section<'t>(
        &mut self,
        table: &'t DeTable<'t>,
        keys: &[&'static Key],
        spot: Spot,
        at: &str,
        other: &[&str],
    ) -> Section<'t> {
        let mut section = Section {
            spot,
            at: at.to_owned(),
            entries: Vec::new(),
            stated: Vec::new(),
        };
        for (key_spot, key, node) in in_order(self.source, table) {
            let path = join(at, key);
            match keys.iter().find(|k| k.name == key) {
                Some(known) => {
                    section.stated.push(known.name);
                    if self.check(node, &known.ty, key_spot, &path) {
                        let inside = matches!(
                            known.ty,
                            Ty::Table(_) | Ty::Map(_) | Ty::Reference | Ty::List(&Ty::Kinds(_))
                        );
                        let spot = if inside { key_spot } else { self.spot(node) };
                        section.entries.push((known.name, spot, node));
                    }
                }
                None => self.unknown(key_spot, key, node, keys, at, other),
            }
        }
        for key in keys
            .iter()
            .filter(|k| k.required && !table.contains_key(k.name))
        {
            if !self.broken {
                self.error(
                    spot,
                    at,
                    format!("`{}` is missing", key.name),
                    format!(
                        "add {} = {}: {}",
                        key.name,
                        words::example(&key.ty),
                        key.doc
                    ),
                );
            }
        }
        section
    }

    fn unknown(
        &mut self,
        spot: Spot,
        key: &str,
        node: Node<'_>,
        keys: &[&'static Key],
        at: &str,
        elsewhere: &[&str],
    ) {
        let in_section = if at.is_empty() {
            String::new()
        } else {
            format!(" in {at}")
        };
        let offered = || {
            keys.iter()
                .filter(|k| !matches!(k.ty, Ty::NotBuiltIn(_)))
                .map(|k| k.name)
        };
        let list = offered().collect::<Vec<_>>().join(", ");
        if elsewhere.contains(&key) {
            let what = format!("`{key}` does not apply to this kind{in_section}");
            return self.error(
                spot,
                &join(at, key),
                what,
                format!("remove it; the keys here are: {list}"),
            );
        }
        if is_secret(key, node) {
            let help =
                "take the value out of this file and change it; keyrota keeps values in a provider";
            return self.error(
                spot,
                &join(at, key),
                "a file must not contain a secret value",
                help,
            );
        }
        let guess = self.guess(key, offered());
        let what = format!("unknown key `{}`{in_section}", name(key));
        self.error(
            spot,
            &join(at, key),
            what,
            meant(guess, &format!("the keys here are: {list}")),
        );
    }
}

/// The entries of a table as they stand in the file; the tree sorts them by name.
pub fn in_order<'t>(source: &Source, table: &'t DeTable<'t>) -> Vec<(Spot, &'t str, Node<'t>)> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(k, v)| (source.spot(k.span()), k.get_ref().as_ref(), v))
        .collect();
    entries.sort_by_key(|(spot, ..)| spot.start);
    entries
}

/// `a.b`, with names that must not be repeated left out.
pub fn join(at: &str, key: &str) -> String {
    if at.is_empty() {
        name(key)
    } else {
        format!("{at}.{}", name(key))
    }
}

/// Text at a key that is called like a secret.
fn is_secret(key: &str, node: Node<'_>) -> bool {
    words::names_a_secret(key) && node.get_ref().is_str()
}
