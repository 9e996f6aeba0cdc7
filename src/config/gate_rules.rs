//! What the gate asks of a program's environment, from a checked schedule. Pure.
//!
//! A program is asked for what it may see: the variables its table lists, or all of them where the
//! file has no programs. A forbidden variable is forbidden to every program, listed or not.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use keyrota_gate::{Code, Condition, Format, Pattern, Required, Rule};

use super::model::{self, BootRule, EnvVar, Environment, Part, Program, Role, Secret, Template};

/// A program that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramError {
    /// There are several, and none was named; their names.
    Several(Vec<String>),
    /// There is none of this name; the names there are.
    Unknown {
        /// What was asked for.
        asked: String,
        /// What there is.
        known: Vec<String>,
    },
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Several(known) => {
                write!(f, "say which program: --program {}", known.join(" or "))
            }
            Self::Unknown { asked, known } if known.is_empty() => write!(
                f,
                "there is no program {asked:?}: the schedule has none, so leave --program out"
            ),
            Self::Unknown { asked, known } => write!(
                f,
                "there is no program {asked:?}; there are: {}",
                known.join(", ")
            ),
        }
    }
}

impl std::error::Error for ProgramError {}

/// The program that is meant. `None`: the file has no programs, and everything may be seen.
///
/// # Errors
/// [`ProgramError`] if it is not there, or if nobody said which of several.
pub fn program<'e>(
    env: &'e Environment,
    asked: Option<&str>,
) -> Result<Option<&'e Program>, ProgramError> {
    let known = || env.programs.iter().map(|p| p.name.clone()).collect();
    match (asked, env.programs.as_slice()) {
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only)),
        (None, _) => Err(ProgramError::Several(known())),
        (Some(asked), programs) => match programs.iter().find(|p| p.name == asked) {
            Some(program) => Ok(Some(program)),
            None => Err(ProgramError::Unknown {
                asked: asked.to_owned(),
                known: known(),
            }),
        },
    }
}

/// Whether a program may see a variable.
pub fn sees(program: Option<&Program>, variable: &str) -> bool {
    program.is_none_or(|p| p.env.contains(variable))
}

/// What is asked of the environment of `program`, in the file's order: secrets, then `[env.*]`.
/// `others` are the other environments, as far as they could be understood: a key must not carry
/// the prefix that the same variable has there.
pub fn rules(env: &Environment, program: Option<&Program>, others: &[Environment]) -> Vec<Rule> {
    let prefixes = &prefixes(others);
    let secrets = env.secrets.iter().flat_map(move |secret| {
        let seen = secret.env.iter().filter(move |v| sees(program, &v.name));
        seen.map(move |variable| of_secret(secret, variable, prefixes))
    });
    let boot = env
        .boot
        .iter()
        .filter(|b| b.forbidden || sees(program, &b.variable));
    secrets.chain(boot.map(of_boot)).collect()
}

/// Why nobody can mean `value` as this secret, in fixed sentences; none if somebody may. Asked when a
/// value is given, so that a placeholder is not stored first and refused by every program later. A
/// real value that is weak, or has another form than its rule wants, is not judged here: it may be
/// in use, and taking it over is how it comes to be replaced.
pub fn unmeant(secret: &Secret, value: &[u8]) -> Vec<&'static str> {
    let name = whole_value(secret).unwrap_or_else(|| secret.name.clone());
    let named = Rule {
        secret: Some(secret.name.clone()),
        ..Rule::new(name)
    };
    let rule = of_value(secret, named, &Prefixes::new());
    let problems = keyrota_gate::check(&[rule], &|_| Some(value));
    let unmeant = problems.iter().filter_map(|problem| match problem.code {
        Code::Nul => {
            Some("the value holds a NUL byte, which no variable can carry: encode it (base64)")
        }
        Code::ByteOrderMark => Some(
            "the value begins with a byte order mark: save the file it comes from as UTF-8 without one",
        ),
        Code::CarriageReturn => Some(
            "the value holds a carriage return: convert the file it comes from to Unix line ends",
        ),
        Code::Quoted => {
            Some("the value includes the quotes around it: give it without them")
        }
        Code::Whitespace => {
            Some("the value begins or ends with white space or a line break: remove it")
        }
        Code::Placeholder => {
            Some("the value is an example, or a reference that nothing resolved: give the real one")
        }
        _ => None,
    });
    unmeant.collect()
}

fn of_secret(secret: &Secret, variable: &EnvVar, others: &Prefixes<'_>) -> Rule {
    let named = Rule {
        secret: Some(secret.name.clone()),
        ..Rule::new(&variable.name)
    };
    match variable.role {
        Role::Kid => Rule {
            kid_of: whole_value(secret),
            ..named
        },
        // Where a platform injects the entry at fallback_path, a filler is as good as nothing.
        Role::Fallback if secret.fallback.is_some() => Rule {
            required: Required::Optional,
            ..named
        },
        Role::Fallback => Rule {
            required: Required::Optional,
            fallback_of: whole_value(secret),
            ..of_value(secret, named, others)
        },
        Role::Value if is_whole(&variable.template) => of_value(secret, named, others),
        // A part of the value, or text around it: what it has to look like, only its reader knows.
        Role::Value => named,
    }
}

/// The variable that holds the current value and nothing else.
fn whole_value(secret: &Secret) -> Option<String> {
    let found = secret
        .env
        .iter()
        .find(|v| v.role == Role::Value && is_whole(&v.template));
    found.map(|v| v.name.clone())
}

fn is_whole(template: &Template) -> bool {
    matches!(template.parts.as_slice(), [Part::Field(field)] if field == "value")
}

/// What the kind says about a whole value.
fn of_value(secret: &Secret, rule: Rule, others: &Prefixes<'_>) -> Rule {
    Rule {
        variable: rule.variable,
        secret: rule.secret,
        foreign_prefixes: foreign_prefixes(secret, others),
        ..secret.facts.rule.clone()
    }
}

/// How the values of each variable begin in other environments.
type Prefixes<'a> = HashMap<&'a str, BTreeSet<&'a str>>;

fn prefixes(others: &[Environment]) -> Prefixes<'_> {
    let mut all = Prefixes::new();
    for secret in others.iter().flat_map(|env| &env.secrets) {
        for variable in secret.env.iter().filter(|_| !prefix(secret).is_empty()) {
            all.entry(&variable.name)
                .or_default()
                .insert(prefix(secret));
        }
    }
    all
}

/// How the same variables begin in other environments, where that is not how they begin here.
fn foreign_prefixes(secret: &Secret, others: &Prefixes<'_>) -> Vec<String> {
    let variables = secret
        .env
        .iter()
        .filter_map(|v| others.get(v.name.as_str()));
    let theirs: BTreeSet<&str> = variables.flatten().copied().collect();
    let foreign = theirs.into_iter().filter(|p| *p != prefix(secret));
    foreign.map(str::to_owned).collect()
}

fn prefix(secret: &Secret) -> &str {
    secret.facts.rule.prefix.as_deref().unwrap_or_default()
}

fn of_boot(boot: &BootRule) -> Rule {
    let format = boot.format.as_deref().and_then(Format::named);
    Rule {
        required: match &boot.required {
            model::Required::Always => Required::Always,
            model::Required::Optional => Required::Optional,
            model::Required::If { variable, equals } => Required::If(match equals.clone() {
                None => Condition::Present(variable.clone()),
                Some(value) => Condition::Equals {
                    variable: variable.clone(),
                    value,
                },
            }),
        },
        forbidden: boot.forbidden,
        default: boot.default.clone(),
        format: match format {
            Some(Format::Url { .. }) => Some(Format::Url {
                schemes: boot.schemes.clone(),
            }),
            other => other,
        },
        min_length: boot.min_length.map(|min| min as usize),
        one_of: boot.one_of.clone(),
        // The schedule was refused if it is none.
        pattern: boot.pattern.as_deref().and_then(|p| Pattern::new(p).ok()),
        ..Rule::new(&boot.variable)
    }
}

#[cfg(test)]
mod tests;
