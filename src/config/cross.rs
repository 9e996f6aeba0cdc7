//! Contradictions between environments, and within one about places: two secrets at one place
//! would overwrite each other's versions.

use super::diagnostic::Diagnostic;
use super::mask::name;
use super::model::{Database, Environment, Kept, PlaceRole, Secret};
use super::read::join;

/// A place, whoever names it: the kind of its provider, what is behind that, and the path there.
type Target<'a> = (&'static str, (String, &'a str));

fn target<'a>(environment: &'a Environment, kept: Kept<'a>) -> Option<Target<'a>> {
    let mut providers = environment.providers.iter();
    let provider = providers.find(|p| p.name == kept.provider)?;
    // What is not written at all has been told.
    let path = Some(kept.path).filter(|path| !path.is_empty())?;
    Some((provider.kind.word, provider.settings.place(path)))
}

/// Every place is kept by one secret of one environment, as itself or as one of its copies.
pub fn places(environments: &[Environment]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: Vec<(&Environment, &Secret, Kept<'_>, Target<'_>)> = Vec::new();
    let all = environments.iter().flat_map(|environment| {
        let secrets = environment.secrets.iter();
        secrets.flat_map(move |s| s.places().map(move |kept| (environment, s, kept)))
    });
    for (environment, secret, kept) in all {
        let Some(place) = target(environment, kept) else {
            continue;
        };
        if let Some((other, first, at, _)) = seen.iter().find(|(.., p)| *p == place) {
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
        seen.push((environment, secret, kept, place));
    }
    problems
}

/// Every account in a database is changed by one secret of one environment.
pub fn accounts(environments: &[Environment]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut seen: Vec<(&Environment, &Secret, String)> = Vec::new();
    for environment in environments {
        for secret in &environment.secrets {
            let accounts: Vec<String> = secret
                .kind
                .database()
                .into_iter()
                .flat_map(accounts_of)
                .collect();
            let taken = seen.iter().find(|(.., account)| accounts.contains(account));
            if let Some((other, first, _)) = taken {
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
            seen.extend(
                accounts
                    .into_iter()
                    .map(|account| (environment, secret, account)),
            );
        }
    }
    problems
}

/// Host names are compared without regard to case; two names of one server are not seen through.
fn accounts_of(database: &Database) -> impl Iterator<Item = String> {
    let at = database.server.as_ref().unwrap_or(&database.endpoint);
    let host = format!("{}:{}", at.host.to_ascii_lowercase(), at.port);
    database
        .users
        .names()
        .iter()
        .map(move |user| format!("{host} {user}"))
}

/// What one environment shows its programs and another does not is often a deployment that fails.
pub fn missing_variables(environments: &[&Environment]) -> Vec<Diagnostic> {
    let variables = |e: &Environment| {
        let shown = e.secrets.iter().flat_map(|s| {
            s.env
                .iter()
                .map(|v| (v.name.clone(), v.spot, join("secrets", &s.name)))
        });
        let boot = e
            .boot
            .iter()
            .map(|b| (b.variable.clone(), b.spot, "env".to_owned()));
        shown.chain(boot).collect::<Vec<_>>()
    };
    let all: Vec<_> = environments.iter().map(|e| (*e, variables(e))).collect();
    let mut problems = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for (environment, own) in &all {
        for (variable, spot, at) in own {
            let lacks = |(other, theirs): &&(&Environment, Vec<_>)| {
                other.name != environment.name
                    && !theirs
                        .iter()
                        .any(|(v, ..): &(String, _, String)| v == variable)
            };
            let without: Vec<String> = all
                .iter()
                .filter(lacks)
                .map(|(other, _)| name(&other.name))
                .collect();
            if without.is_empty() || told.contains(&variable.as_str()) {
                continue;
            }
            told.push(variable);
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
