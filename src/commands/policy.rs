//! `keyrota policy`: the rights that a provider has to give, and no other.
//!
//! `rights` says for what, from the file alone; which they are, and how they are written, each kind of
//! provider says itself.

pub mod rights;
#[cfg(all(test, feature = "aws"))]
mod tests;

use clap::Args;
use serde_json::{Value, json};

use self::rights::Use;
use super::check;
use super::context::Context;
use super::exit::{self, Failed};
use super::say;
use crate::config::did_you_mean;
use crate::config::model::{Environment, Provider, Secret};
use crate::config::registry::rights::{Document, Giver, Right};

/// Options of `keyrota policy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints an IAM policy (JSON) for AWS, or a policy in HCL for Vault and OpenBao. It grants exactly \
what this schedule needs. keyrota reads and writes the secrets that it rotates, and only reads \
secrets of kind `external`, such as the credentials of an administrator. Needs only the schedule: no \
network, no credentials, no state.

  keyrota --env production policy --provider main > policy.json
  aws iam put-role-policy --role-name keyrota --policy-name keyrota --policy-document file://policy.json

  keyrota --env production policy --provider vault | bao policy write keyrota -

Attach the policy to the identity that keyrota uses. With `role_arn`, attach it to that role; who \
assumes the role also needs sts:AssumeRole. The account in it is that of `role_arn` or --account, \
else `*`. With `kms_key_id` it also grants the use of that key, through this service only; the key \
policy must allow IAM to decide. The Sid of a statement says when keyrota needs it:

  Look, LookCandidate, LookKey   at every step, and for `keyrota run`
  First                          until every secret has a value; you can remove it then
  Create, CreateKey, Undo        to write the new value, and to discard it
  Finish, Retire                 to make it current, and to revoke the old one

providers/README.md lists what you see when a right is missing."
)]
pub struct Policy {
    /// The provider [default: the only one, else all of them, each under its name]
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// The AWS account, twelve digits; needed if `role_arn` does not name it
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<String>,
    /// Grant only what `keyrota run` needs: reading
    #[arg(long, conflicts_with = "import")]
    pub reader: bool,
    /// With --reader: grant only what this program needs
    #[arg(long, value_name = "NAME", requires = "reader")]
    pub program: Option<String>,
    /// Also grant what an administrator needs to store `external` secrets (`keyrota import NAME --stdin`)
    #[arg(long)]
    pub import: bool,
}

/// What one provider has to give.
struct Given<'a> {
    provider: &'a Provider,
    rights: Vec<Right>,
}

/// Does it; the exit code.
pub fn run(args: &Policy, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let env = &chosen.env;
    let whom = match (args.reader, args.import) {
        (true, _) if args.program.is_some() => {
            Use::Read(check::program(env, args.program.as_deref())?)
        }
        (true, _) => Use::Read(None),
        (false, true) => Use::Import,
        (false, false) => Use::Rotate,
    };
    let providers: Vec<&Provider> = match &args.provider {
        Some(name) => vec![named(env, name)?],
        None => env.providers.iter().collect(),
    };
    let secrets: Vec<&Secret> = env.secrets.iter().collect();
    let mut all = Vec::new();
    for provider in &providers {
        let asked = rights::asked(provider, &secrets, whom, args.account.as_deref());
        if let Giver::Service(policy) = provider.settings.rights()
            && let Some(why) = policy.refusal(&asked)
        {
            return Err(Failed::config(why));
        }
        let rights = rights::rights(provider, &asked);
        all.push(Given { provider, rights });
    }
    if let [one] = all.as_slice()
        && let Err(why) = one.policy()
    {
        return Err(Failed::config(why));
    }
    if context.global.json {
        say::print_json(&as_json(env, whom, &all))?;
    } else {
        say::print_data(&as_text(&all))?;
    }
    Ok(exit::DONE)
}

impl Given<'_> {
    /// The policy and its language, or why there is none.
    fn policy(&self) -> Result<(&'static str, Document), String> {
        let name = &self.provider.name;
        match self.provider.settings.rights() {
            Giver::System { rights, .. } => Err(format!("providers.{name} {rights}")),
            Giver::Service(_) if self.rights.is_empty() => Err(format!(
                "providers.{name} keeps nothing here that is used so: no right is needed"
            )),
            Giver::Service(policy) => Ok((policy.language(), policy.document(&self.rights))),
        }
    }

    fn as_json(&self) -> Value {
        let needs = self
            .rights
            .iter()
            .map(|r| json!({"purpose": r.purpose.word(), "action": r.action, "on": r.on}));
        let (language, policy, note) = match self.policy() {
            Ok((language, policy)) => (json!(language), policy.json, Value::Null),
            Err(why) => (Value::Null, Value::Null, json!(why)),
        };
        json!({
            "provider": self.provider.name,
            "language": language,
            "policy": policy,
            "needs": needs.collect::<Vec<_>>(),
            "note": note,
        })
    }
}

fn as_text(all: &[Given<'_>]) -> String {
    let one = |given: &Given<'_>| match given.policy() {
        Ok((_, policy)) if all.len() == 1 => policy.text,
        Ok((_, policy)) => format!("# providers.{}\n{}", given.provider.name, policy.text),
        Err(why) => format!("# {why}.\n"),
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn as_json(env: &Environment, whom: Use<'_>, all: &[Given<'_>]) -> Value {
    json!({
        "schema_version": 1,
        "environment": env.name,
        "for": match whom {
            Use::Rotate => "rotate",
            Use::Import => "import",
            Use::Read(_) => "read",
        },
        "providers": all.iter().map(Given::as_json).collect::<Vec<_>>(),
    })
}

fn named<'e>(env: &'e Environment, name: &str) -> Result<&'e Provider, Failed> {
    let found = env.providers.iter().find(|p| p.name == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = env.providers.iter().map(|p| p.name.as_str()).collect();
        let meant = did_you_mean(name, names.iter().copied());
        let help = match meant {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => format!("there is {}", names.join(", ")),
        };
        Failed::config(format!(
            "{} has no provider {name:?}: {help}",
            env.file.display()
        ))
    })
}

fn account(text: &str) -> Result<String, &'static str> {
    let digits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    match digits {
        true => Ok(text.to_owned()),
        false => Err("an AWS account is twelve digits"),
    }
}
