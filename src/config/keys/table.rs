//! What a key is, and what the tables of keys are made of.

use std::borrow::Cow;

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub ty: Ty,
    /// Whether it must be there.
    pub required: bool,
    /// What stands for it when it is absent, as in a file.
    pub default: Option<&'static str>,
    /// What it is for, in one line.
    pub doc: &'static str,
}

impl Key {
    /// What it is for and what stands for it when it is absent.
    pub fn text(&self) -> Cow<'static, str> {
        match self.default {
            None => Cow::Borrowed(self.doc),
            Some(default) => Cow::Owned(format!("{} Default: {default}.", self.doc)),
        }
    }

    /// Whether this build understands it.
    pub fn is_built_in(&self) -> bool {
        !matches!(self.ty, Ty::NotBuiltIn(_))
    }
}

/// What may stand at a key.
#[derive(Debug)]
pub enum Ty {
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `90s 10m 24h 7d 12w`.
    Duration,
    /// A whole number in this range.
    Count(u32, u32),
    /// `true` or `false`.
    Flag,
    /// A date, or a date and time; without an offset in the environment's zone.
    Moment,
    /// `"HH:MM"`.
    Clock,
    /// The name of an environment variable.
    Variable,
    /// Text with `{field}`.
    Template,
    /// Octal permission bits, `"0600"`.
    Mode,
    /// `"user:group"`.
    Owner,
    /// `{ credential = … }`, `{ file = … }` or `{ env = … }`.
    Reference,
    /// A list.
    List(&'static Ty),
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table of names of the file's own choosing.
    Map(&'static Ty),
    /// Either of two.
    Either(&'static Ty, &'static Ty),
    /// A table whose `kind` decides its keys.
    Kinds(Family),
    /// Known, and not in this build: why not.
    NotBuiltIn(&'static str),
}

/// The three families of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `[providers.*]`.
    Provider,
    /// `[secrets.*]`.
    Secret,
    /// `[[secrets.*.consumers]]`.
    Consumer,
}

/// The word of a kind, and the keys only it has.
pub type KindKeys = (&'static str, &'static [&'static [Key]]);

/// The kinds of one family.
#[derive(Debug)]
pub struct Kinds {
    /// What they are called together.
    pub noun: &'static str,
    /// Keys every kind has.
    pub common: &'static [Key],
    /// The kinds of this build and the keys only they have.
    pub built: Vec<KindKeys>,
    /// Kinds the file format knows and this build has not.
    pub planned: Vec<&'static str>,
}

impl Kinds {
    /// None yet.
    pub fn new(noun: &'static str, common: &'static [Key]) -> Self {
        Self {
            noun,
            common,
            built: Vec::new(),
            planned: Vec::new(),
        }
    }

    /// The kinds of this build.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.built.iter().map(|(name, _)| *name)
    }

    /// The keys of one kind of this build; `None` for any other word.
    pub fn keys(&self, kind: &str) -> Option<Vec<&'static Key>> {
        let (_, own) = self.built.iter().find(|(name, _)| *name == kind)?;
        Some(
            self.common
                .iter()
                .chain(own.iter().copied().flatten())
                .collect(),
        )
    }
}

/// A key that has to be there.
pub const fn must(name: &'static str, ty: Ty, doc: &'static str) -> Key {
    Key {
        name,
        ty,
        required: true,
        default: None,
        doc,
    }
}

/// A key that may be there.
pub const fn may(name: &'static str, ty: Ty, doc: &'static str) -> Key {
    Key {
        name,
        ty,
        required: false,
        default: None,
        doc,
    }
}

/// A list of texts.
pub const TEXTS: Ty = Ty::List(&Ty::Text);
/// A list of variables.
pub const VARIABLES: Ty = Ty::List(&Ty::Variable);
