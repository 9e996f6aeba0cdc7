//! A table of a file as a Rust struct. One declaration by [`table!`](crate::table) makes its keys, their types
//! and defaults, the JSON Schema, the reference and the reader.

use std::ops::Deref;
use std::time::Duration;

use super::super::keys::{TEXTS, Ty};
use super::super::values::{Spot, Template};
use super::super::words;
use super::{Node, Section, join};

/// What stands at a key, and where.
#[derive(Debug)]
pub struct Field<T> {
    /// What the file says, else the default.
    pub value: T,
    /// Where it stands; of a key that is not there, where its table does.
    pub spot: Spot,
    /// The key's path in the file, as `secrets.name.key`.
    pub at: String,
    /// Whether the file says it, in the right type.
    pub is_stated: bool,
    /// Whether the key is there, whatever stands at it.
    pub is_there: bool,
}

impl<T> Deref for Field<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A type that the value of a key can have.
pub trait KeyType<'t>: Sized {
    /// The same for the readers of files.
    const TY: Ty;

    /// From a value of this type.
    fn of(node: Node<'t>) -> Option<Self>;

    /// From a default, written as in a file.
    fn of_default(text: &'static str) -> Option<Self>;

    /// In place of a value that is missing. That was reported, and nothing is done with this.
    fn missing() -> Self;
}

/// Reads one key of a table.
pub fn field<'t, T: KeyType<'t>>(
    section: &Section<'t>,
    key: &'static str,
    default: Option<&'static str>,
) -> Field<T> {
    let stated = section.get(key).and_then(|(_, node)| T::of(node));
    let is_stated = stated.is_some();
    let value = stated.or_else(|| T::of_default(default?));
    Field {
        value: value.unwrap_or_else(T::missing),
        spot: section.spot_of(key),
        at: join(&section.at, key),
        is_stated,
        is_there: section.has(key),
    }
}

impl<'t> KeyType<'t> for &'t str {
    const TY: Ty = Ty::Text;

    fn of(node: Node<'t>) -> Option<Self> {
        node.get_ref().as_str()
    }

    fn of_default(text: &'static str) -> Option<Self> {
        Some(text)
    }

    fn missing() -> Self {
        ""
    }
}

impl<'t> KeyType<'t> for bool {
    const TY: Ty = Ty::Flag;

    fn of(node: Node<'t>) -> Option<Self> {
        node.get_ref().as_bool()
    }

    fn of_default(text: &'static str) -> Option<Self> {
        text.parse().ok()
    }

    fn missing() -> Self {
        false
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub struct Count<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> Count<MIN, MAX> {
    /// As a length.
    pub fn length(self) -> usize {
        self.0 as usize
    }
}

impl<'t, const MIN: u32, const MAX: u32> KeyType<'t> for Count<MIN, MAX> {
    const TY: Ty = Ty::Count(MIN, MAX);

    fn of(node: Node<'t>) -> Option<Self> {
        node.get_ref().as_integer()?.as_str().parse().ok().map(Self)
    }

    fn of_default(text: &'static str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn missing() -> Self {
        Self(MIN)
    }
}

impl<'t> KeyType<'t> for Duration {
    const TY: Ty = Ty::Duration;

    fn of(node: Node<'t>) -> Option<Self> {
        words::duration(node.get_ref().as_str()?).ok()
    }

    fn of_default(text: &'static str) -> Option<Self> {
        words::duration(text).ok()
    }

    fn missing() -> Self {
        Self::ZERO
    }
}

/// Text with fields, and the text itself.
#[derive(Debug)]
pub struct TemplateText<'t> {
    /// As it stands in the file.
    pub text: &'t str,
    /// Taken apart.
    pub template: Template,
}

impl<'t> KeyType<'t> for TemplateText<'t> {
    const TY: Ty = Ty::Template;

    fn of(node: Node<'t>) -> Option<Self> {
        let text = node.get_ref().as_str()?;
        let template = words::template(text).ok()?;
        Some(Self { text, template })
    }

    fn of_default(text: &'static str) -> Option<Self> {
        let template = words::template(text).ok()?;
        Some(Self { text, template })
    }

    fn missing() -> Self {
        Self {
            text: "",
            template: Template { parts: Vec::new() },
        }
    }
}

/// Permission bits.
#[derive(Debug, Clone, Copy)]
pub struct Mode(pub u32);

impl<'t> KeyType<'t> for Mode {
    const TY: Ty = Ty::Mode;

    fn of(node: Node<'t>) -> Option<Self> {
        words::mode(node.get_ref().as_str()?).map(Self)
    }

    fn of_default(text: &'static str) -> Option<Self> {
        words::mode(text).map(Self)
    }

    fn missing() -> Self {
        Self(0)
    }
}

/// `user:group`.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'t>(pub &'t str);

impl<'t> KeyType<'t> for Owner<'t> {
    const TY: Ty = Ty::Owner;

    fn of(node: Node<'t>) -> Option<Self> {
        node.get_ref().as_str().map(Self)
    }

    fn of_default(text: &'static str) -> Option<Self> {
        Some(Self(text))
    }

    fn missing() -> Self {
        Self("")
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable<'t>(pub &'t str);

impl<'t> KeyType<'t> for Variable<'t> {
    const TY: Ty = Ty::Variable;

    fn of(node: Node<'t>) -> Option<Self> {
        node.get_ref().as_str().map(Self)
    }

    fn of_default(text: &'static str) -> Option<Self> {
        Some(Self(text))
    }

    fn missing() -> Self {
        Self("")
    }
}

/// A table of variables and templates, which [`templates`](super::super::templates::templates) reads.
#[derive(Debug, Clone, Copy)]
pub struct Templates;

impl<'t> KeyType<'t> for Templates {
    const TY: Ty = Ty::Map(&Ty::Template);

    fn of(_: Node<'t>) -> Option<Self> {
        Some(Self)
    }

    fn of_default(_: &'static str) -> Option<Self> {
        None
    }

    fn missing() -> Self {
        Self
    }
}

impl<'t> KeyType<'t> for Vec<&'t str> {
    const TY: Ty = TEXTS;

    fn of(node: Node<'t>) -> Option<Self> {
        let items = node.get_ref().as_array()?.iter();
        Some(items.filter_map(|item| item.get_ref().as_str()).collect())
    }

    fn of_default(_: &'static str) -> Option<Self> {
        None
    }

    fn missing() -> Self {
        Self::new()
    }
}

/// A key that may be absent and has no default.
impl<'t, T: KeyType<'t>> KeyType<'t> for Option<T> {
    const TY: Ty = T::TY;

    fn of(node: Node<'t>) -> Option<Self> {
        T::of(node).map(Some)
    }

    fn of_default(_: &'static str) -> Option<Self> {
        None
    }

    fn missing() -> Self {
        None
    }
}

/// Declares the keys of a table of a file, as a struct.
///
/// A key is `required name: Type`, `optional name: Type` (an `Option`) or `default("text") name: Type`, where the
/// text is written as in a file. Its documentation is the key's own: one sentence, for the person who writes the
/// file.
///
/// The struct gets `KEYS`, for the [registry](crate::config::registry), and `read`, which takes them from a
/// section.
#[macro_export]
macro_rules! table {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident<$t:lifetime> {
            $(
                $(#[doc = $doc:literal])+
                $how:ident $(($default:literal))? $key:ident: $ty:ty,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $name<$t> {
            $( $(#[doc = $doc])+ pub $key: $crate::config::read::Field<$crate::table!(@type $how $ty)>, )*
            _of: std::marker::PhantomData<&$t ()>,
        }

        impl<$t> $name<$t> {
            /// The keys, for the registry.
            pub const KEYS: &'static [$crate::config::keys::Key] = &[
                $( $crate::config::keys::Key {
                    name: stringify!($key),
                    ty: <$ty as $crate::config::read::KeyType<$t>>::TY,
                    required: $crate::table!(@required $how),
                    default: $crate::table!(@default $($default)?),
                    doc: concat!($($doc),+).trim_ascii_start(),
                }, )*
            ];

            /// Takes the keys from a section that was read by them.
            pub fn read(section: &$crate::config::read::Section<$t>) -> Self {
                Self {
                    $( $key: $crate::config::read::field(
                        section,
                        stringify!($key),
                        $crate::table!(@default $($default)?),
                    ), )*
                    _of: std::marker::PhantomData,
                }
            }
        }
    };
    (@type optional $ty:ty) => { Option<$ty> };
    (@type $how:ident $ty:ty) => { $ty };
    (@required required) => { true };
    (@required $how:ident) => { false };
    (@default) => { None };
    (@default $default:literal) => { Some($default) };
}

/// Makes an enum a type of a key: `words!(Slots { "dual" => Self::Dual, "single" => Self::Single });`
#[macro_export]
macro_rules! words {
    ($name:ty { $first:literal => $first_value:expr $(, $word:literal => $value:expr)* $(,)? }) => {
        impl<'t> $crate::config::read::KeyType<'t> for $name {
            const TY: $crate::config::keys::Ty =
                $crate::config::keys::Ty::Word(&[$first $(, $word)*]);

            fn of(node: $crate::config::read::Node<'t>) -> Option<Self> {
                match node.get_ref().as_str()? {
                    $first => Some($first_value),
                    $( $word => Some($value), )*
                    _ => None,
                }
            }

            fn of_default(text: &'static str) -> Option<Self> {
                match text {
                    $first => Some($first_value),
                    $( $word => Some($value), )*
                    _ => None,
                }
            }

            fn missing() -> Self {
                $first_value
            }
        }
    };
}
