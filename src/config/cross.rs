//! Contradictions between environments, and within one about places: two secrets at one place
//! would overwrite each other's versions.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::diagnostic::Diagnostic;
use super::effort;
use super::model::{Environment, Kept, PlaceRole, Provider, Secret, Spot};
use super::plain::name;
use super::read::{PROBLEMS_MAX, join};

/// A place, whoever names it: the kind of its provider, what is behind that, and the path there.
type Target<'a> = (&'static str, (String, &'a str));

fn target<'a>(providers: &HashMap<&str, &'a Provider>, kept: Kept<'a>) -> Option<Target<'a>> {
    let provider = providers.get(kept.provider)?;
    // What is not written at all has been told.
    let path = Some(kept.path).filter(|path| !path.is_empty())?;
    Some((provider.kind.word, provider.settings.place(path)))
}

/// Every place is kept by one secret of one environment, as itself or as one of its copies.
pub fn places(environments: &[Environment]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: HashMap<Target<'_>, (&Environment, &Secret, Kept<'_>)> = HashMap::new();
    let all = environments.iter().flat_map(|environment| {
        let providers = environment.providers.iter().map(|p| (p.name.as_str(), p));
        let providers: Rc<HashMap<_, _>> = Rc::new(providers.collect());
        environment.secrets.iter().flat_map(move |secret| {
            let providers = Rc::clone(&providers);
            let of = move |kept| Some((environment, secret, kept, target(&providers, kept)?));
            secret.places().filter_map(of)
        })
    });
    for (environment, secret, kept, place) in all {
        effort::spend(1);
        if problems.len() >= PROBLEMS_MAX {
            break;
        }
        if let Some((other, first, at)) = seen.get(&place) {
            let which = match at.role {
                PlaceRole::Own => "",
                PlaceRole::Fallback => "the fallback of ",
                PlaceRole::Copy(_) => "a copy of ",
            };
            let whose = match other.name == environment.name {
                true if first.name == secret.name && at.role == PlaceRole::Own => {
                    "the secret itself".to_owned()
                }
                true => format!("{which}{}", name(&first.name)),
                false => format!("{which}{} of {}", name(&first.name), name(&other.name)),
            };
            let help = match kept.role {
                PlaceRole::Own => "give it a path of its own, as in \"{environment}/{secret}\"",
                _ => "give it a path of its own; versions belong to a path, whichever field it has",
            };
            let problem = Diagnostic::error(
                &environment.file,
                kept.spot,
                format!("{}{}", join("secrets", &secret.name), kept.role.key()),
                format!("is kept at the same place as {whose}"),
                help,
            );
            problems.push(problem.related_to(&other.file, at.spot, "the other"));
        }
        seen.entry(place).or_insert((environment, secret, kept));
    }
    problems
}

/// Every account in a database is changed by one secret of one environment.
pub fn accounts(environments: &[Environment]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: HashMap<&String, (&Environment, &Secret)> = HashMap::new();
    for environment in environments {
        for secret in &environment.secrets {
            let accounts = &secret.facts.accounts;
            effort::spend(1);
            let taken = accounts.iter().find_map(|account| seen.get(account));
            if let Some((other, first)) = taken
                && problems.len() < PROBLEMS_MAX
            {
                let whose = match other.name == environment.name {
                    true => name(&first.name),
                    false => format!("{} of {}", name(&first.name), name(&other.name)),
                };
                let problem = Diagnostic::error(
                    &environment.file,
                    secret.spot,
                    join(&join("secrets", &secret.name), "users"),
                    format!("names a user that {whose} changes too"),
                    "give each secret and each environment users of its own",
                );
                problems.push(problem.related_to(&other.file, first.spot, "the other"));
            }
            for account in accounts {
                seen.entry(account).or_insert((environment, secret));
            }
        }
    }
    problems
}

/// What one environment shows its programs and another does not is often a deployment that fails.
pub fn missing_variables(environments: &[&Environment]) -> Vec<Diagnostic> {
    let all: Vec<_> = environments.iter().map(|e| (*e, variables(e))).collect();
    let names: Vec<HashSet<&str>> = all
        .iter()
        .map(|(_, own)| own.iter().map(|(name, ..)| *name).collect())
        .collect();
    let mut problems = Vec::new();
    let mut told: HashSet<&str> = HashSet::new();
    for (environment, own) in &all {
        for (variable, spot, at) in own {
            effort::spend(1);
            if problems.len() >= PROBLEMS_MAX || told.contains(variable) {
                continue;
            }
            let lacks = |theirs: &HashSet<&str>| !theirs.contains(variable);
            let without: Vec<String> = environments
                .iter()
                .zip(&names)
                .filter(|(_, theirs)| lacks(theirs))
                .map(|(other, _)| name(&other.name))
                .collect();
            if without.is_empty() {
                continue;
            }
            told.insert(variable);
            let what = format!(
                "the variable {} is missing in {}",
                name(variable),
                without.join(", ")
            );
            let help = "add it there, or [env.NAME] with forbidden = true if it must not be there";
            problems
                .push(Diagnostic::error(&environment.file, *spot, at, what, help).into_warning());
        }
    }
    problems
}

/// The variables of an environment, and where each is named.
fn variables(e: &Environment) -> Vec<(&str, Spot, String)> {
    let shown = e.secrets.iter().flat_map(|s| {
        s.env
            .iter()
            .map(|v| (v.name.as_str(), v.spot, join("secrets", &s.name)))
    });
    let boot = e
        .boot
        .iter()
        .map(|b| (b.variable.as_str(), b.spot, "env".to_owned()));
    shown.chain(boot).collect()
}
