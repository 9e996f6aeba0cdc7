//! The order in which the rules are asked.
//!
//! A variable that fails one test may fail others for the same reason: each step below ends the
//! questions where another answer would only repeat the first in other words.

use std::collections::HashMap;

use crate::entropy;
use crate::format::{self, Read};
use crate::placeholder::placeholder;
use crate::problem::{Code, Fault, Problem};
use crate::rule::{Condition, Format, Required, Rule};
use crate::wrapping::peel;

/// Every problem of an environment at once, in the order of the rules; none when it is fit.
///
/// `lookup` gives the bytes of a variable, or `None` where it is not set; it is asked for the
/// variables that the rules name and no others. The check is pure: the same input gives the same
/// answer, and nothing of a value is in it.
pub fn check<'e>(rules: &[Rule], lookup: &dyn Fn(&str) -> Option<&'e [u8]>) -> Vec<Problem> {
    let environment = Environment {
        defaults: rules
            .iter()
            .filter_map(|rule| Some((rule.variable.as_str(), rule.default.as_deref()?)))
            .collect(),
        lookup,
    };
    let mut problems = Vec::new();
    for rule in rules {
        problems.extend(faults(rule, &environment).into_iter().map(|fault| Problem {
            variable: rule.variable.clone(),
            code: fault.code,
            secret: rule.secret.clone(),
            remedy: fault.remedy,
        }));
    }
    problems
}

/// The variables, with the defaults of those that are not set.
struct Environment<'r, 'e> {
    defaults: HashMap<&'r str, &'r str>,
    lookup: &'r dyn Fn(&str) -> Option<&'e [u8]>,
}

impl<'r> Environment<'r, '_> {
    fn get(&self, variable: &str) -> Option<&[u8]> {
        let default = || self.defaults.get(variable).map(|text| text.as_bytes());
        (self.lookup)(variable).or_else(default)
    }

    fn text(&self, variable: &str) -> Option<&str> {
        std::str::from_utf8(self.get(variable)?)
            .ok()
            .filter(|text| !text.is_empty())
    }

    fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Present(variable) => {
                self.get(variable).is_some_and(|value| !value.is_empty())
            }
            Condition::Equals { variable, value } => self.get(variable) == Some(value.as_bytes()),
        }
    }
}

fn faults(rule: &Rule, environment: &Environment<'_, '_>) -> Vec<Fault> {
    if rule.forbidden {
        return match (environment.lookup)(&rule.variable) {
            Some(_) => vec![Fault::new(
                Code::Forbidden,
                "it must not be set here: unset it",
            )],
            None => Vec::new(),
        };
    }
    let value = match environment.get(&rule.variable) {
        None => return missing(rule, environment).into_iter().collect(),
        Some([]) if rule.one_of.iter().any(String::is_empty) => return Vec::new(),
        Some([]) => return vec![empty(rule, environment)],
        Some(bytes) if bytes.contains(&0) => {
            let remedy = "it holds a NUL byte, where the environment would end it: encode the value (base64)";
            return vec![Fault::new(Code::Nul, remedy)];
        }
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return vec![not_utf8(&error)],
        },
    };
    // A value listed as allowed is allowed as it stands.
    if rule.one_of.iter().any(|allowed| allowed == value) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let value = peel(value, format::tolerance(rule.format.as_ref()), &mut faults);
    if value.is_empty() {
        // Nothing but quotes or white space. Where a format allows them, nothing was told yet.
        if faults.is_empty() {
            faults.push(empty(rule, environment));
        }
        return faults;
    }
    if rule.one_of.iter().any(|allowed| allowed == value) {
        // Only the residue kept it from being allowed.
        return faults;
    }
    if let Some(fault) = placeholder_fault(rule, value) {
        faults.push(fault);
        return faults;
    }
    if !rule.one_of.is_empty() {
        let remedy = format!("it must be one of: {}", rule.one_of.join(", "));
        faults.push(Fault::new(Code::NotOneOf, remedy));
        return faults;
    }
    content_faults(rule, value, &mut faults);
    faults.extend(fallback_fault(rule, value, environment));
    faults.extend(kid_fault(rule, value, environment));
    faults
}

fn missing(rule: &Rule, environment: &Environment<'_, '_>) -> Option<Fault> {
    let reason = match &rule.required {
        Required::Optional => return None,
        Required::Always => String::new(),
        Required::If(condition) if !environment.holds(condition) => return None,
        Required::If(Condition::Present(variable)) => {
            format!(": it is required because {variable} is set")
        }
        Required::If(Condition::Equals { variable, value }) => {
            format!(": it is required because {variable} is {value}")
        }
    };
    Some(Fault::new(Code::Missing, set_it(rule) + &reason))
}

fn empty(rule: &Rule, environment: &Environment<'_, '_>) -> Fault {
    let set_it = set_it(rule);
    let remedy = match missing(rule, environment) {
        Some(_) => format!("it is set to nothing: {set_it}"),
        None => format!("it is set to nothing: {set_it}, or remove it"),
    };
    Fault::new(Code::Empty, remedy)
}

/// What to do about a variable without a value.
fn set_it(rule: &Rule) -> String {
    match (&rule.secret, &rule.format) {
        (Some(secret), _) => format!("set it from secret \"{secret}\""),
        (None, _) if !rule.one_of.is_empty() => {
            format!("set it to one of: {}", rule.one_of.join(", "))
        }
        (None, Some(format)) => format!("set it to {}", format::describe(format)),
        (None, None) => "set it".to_owned(),
    }
}

fn not_utf8(error: &std::str::Utf8Error) -> Fault {
    let at = error.valid_up_to() + 1;
    Fault::new(
        Code::NotUtf8,
        format!("byte {at} is not UTF-8: encode binary values (base64)"),
    )
}

/// Also looks into the parts of a URL, which is never a placeholder as a whole.
fn placeholder_fault(rule: &Rule, value: &str) -> Option<Fault> {
    // A free setting may be any word; a value that must be readable as something may not.
    let strict =
        rule.secret.is_some() || rule.random || rule.prefix.is_some() || rule.min_bytes.is_some();
    let own_name = strict && value.eq_ignore_ascii_case(&rule.variable);
    let found = placeholder(value, strict)
        .or_else(|| placeholder(without_prefix(rule, value)?, strict))
        .or_else(|| match rule.format {
            Some(Format::Url { .. }) => format::url_parts(value)
                .into_iter()
                .find_map(|part| placeholder(part, false)),
            _ => None,
        });
    let remedy = match found {
        Some(placeholder) => placeholder.remedy(),
        None if own_name => "it holds its own name: set the value",
        None => return None,
    };
    Some(Fault::new(Code::Placeholder, remedy))
}

fn without_prefix<'v>(rule: &Rule, value: &'v str) -> Option<&'v str> {
    value.strip_prefix(rule.prefix.as_deref()?)
}

/// Prefix, length, format, entropy and pattern.
fn content_faults(rule: &Rule, value: &str, faults: &mut Vec<Fault>) {
    let content = match prefix_fault(rule, value) {
        Some(fault) => {
            // Which environment's key this is comes first; how it is written does not matter then.
            faults.push(fault);
            return;
        }
        None => without_prefix(rule, value).unwrap_or(value),
    };
    let short = |what: String| Fault::new(Code::TooShort, what);
    let length_fault = rule
        .min_length
        .filter(|min| value.chars().count() < *min)
        .map(|min| short(format!("it needs at least {min} characters")));
    if rule.random
        && let Err(unfit) = format::drawn(content)
    {
        faults.push(unfit.into());
        return;
    }
    let read = match &rule.format {
        Some(format) => format::read(format, content),
        None => Ok(Read::Text),
    };
    match read {
        Err(fault) => {
            faults.push(fault);
            faults.extend(length_fault);
        }
        Ok(read) => {
            let bytes = match &read {
                Read::Text => content.as_bytes(),
                Read::Bytes(bytes) => bytes,
            };
            let bytes_fault = rule
                .min_bytes
                .filter(|min| bytes.len() < *min)
                .map(|min| short(format!("it needs at least {min} bytes")));
            let length_fault = length_fault.or(bytes_fault);
            if length_fault.is_none() && rule.random && predictable(content, &read) {
                let remedy =
                    "it is predictable: replace it by a random value (openssl rand -hex 32)";
                faults.push(Fault::new(Code::LowEntropy, remedy));
            }
            faults.extend(length_fault);
        }
    }
    if rule
        .pattern
        .as_ref()
        .is_some_and(|pattern| !pattern.matches(value))
    {
        faults.push(Fault::new(
            Code::Pattern,
            "it does not match the pattern that its rule states",
        ));
    }
}

fn predictable(content: &str, read: &Read) -> bool {
    // Encoded text may hide a word: `cGFzc3dvcmQ=` is one.
    let hidden = match read {
        Read::Text => false,
        Read::Bytes(bytes) => bytes.iter().all(u8::is_ascii_graphic) && entropy::is_low(bytes),
    };
    hidden || entropy::is_low(content.as_bytes())
}

fn prefix_fault(rule: &Rule, value: &str) -> Option<Fault> {
    let own = rule
        .prefix
        .as_deref()
        .filter(|own| value.starts_with(own))
        .map_or(0, str::len);
    // The longer prefix decides: `key-` may be one environment's and `key-prod-` another's.
    let foreign = |prefix: &&String| prefix.len() > own && value.starts_with(prefix.as_str());
    if let Some(prefix) = rule.foreign_prefixes.iter().find(foreign) {
        let remedy = format!(
            "its prefix {prefix} belongs to another environment: {}",
            set_own(rule)
        );
        return Some(Fault::new(Code::ForeignPrefix, remedy));
    }
    match &rule.prefix {
        Some(prefix) if own == 0 && !prefix.is_empty() => Some(Fault::new(
            Code::WrongPrefix,
            format!("it must begin with {prefix}"),
        )),
        _ => None,
    }
}

fn set_own(rule: &Rule) -> String {
    match &rule.secret {
        Some(secret) => format!("set it from secret \"{secret}\" of this one"),
        None => "set this one's".to_owned(),
    }
}

fn fallback_fault(rule: &Rule, value: &str, environment: &Environment<'_, '_>) -> Option<Fault> {
    let current = rule.fallback_of.as_deref()?;
    if environment.text(current)?.trim() != value {
        return None;
    }
    let remedy = format!(
        "it holds the same value as {current}: set it to the other accepted key, or unset it"
    );
    Some(Fault::new(Code::EqualsFallback, remedy))
}

fn kid_fault(rule: &Rule, value: &str, environment: &Environment<'_, '_>) -> Option<Fault> {
    let key = rule.kid_of.as_deref()?;
    let kid = format::kid(environment.text(key)?)?;
    let remedy = format!("the key in {key} has another kid: set both from the same version");
    (kid != value).then(|| Fault::new(Code::KidMismatch, remedy))
}

#[cfg(test)]
mod tests;
