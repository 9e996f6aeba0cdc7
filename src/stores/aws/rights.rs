//! Rights at AWS, and the IAM policy that gives them. Pure.

use std::collections::BTreeMap;

use keyrota_aws::{AwsConfig, Tier};
use serde::Serialize;
use serde_json::json;

use super::{ParameterStore, SecretsManager, role_account};
use crate::config::registry::rights::{Asked, Document, Only, Policy, Purpose, Right, once};

/// The account that is meant where nobody says which: the one of whoever has the policy.
const ANY_ACCOUNT: &str = "*";

/// AWS adds a hyphen and six characters to the name of a secret, also of one that is not there yet.
const SUFFIX: &str = "-??????";

/// The account that ARNs name.
fn account<'a>(aws: &'a AwsConfig, asked: &Asked<'a>) -> &'a str {
    role_account(aws).or(asked.account).unwrap_or(ANY_ACCOUNT)
}

fn other_account(aws: &AwsConfig, asked: &Asked<'_>) -> Option<String> {
    let (role, given) = (role_account(aws)?, asked.account?);
    (role != given).then(|| {
        format!(
            "providers.{}: role_arn is in the account {role}, not {given}: leave --account out",
            asked.provider
        )
    })
}

impl Policy for SecretsManager {
    fn language(&self) -> &'static str {
        "iam"
    }

    fn refusal(&self, asked: &Asked<'_>) -> Option<String> {
        other_account(&self.0, asked)
    }

    fn rights(&self, asked: &Asked<'_>) -> Vec<Right> {
        use Purpose::{Create, CreateKey, Finish, First, Look, LookKey};
        let (aws, account) = (&self.0, account(&self.0, asked));
        let partition = partition(&aws.region);
        let arn = |path: &str| match path.starts_with("arn:") {
            true => path.to_owned(),
            false => format!(
                "arn:{partition}:secretsmanager:{}:{account}:secret:{path}{SUFFIX}",
                aws.region
            ),
        };
        let mut all = Vec::new();
        for place in &asked.places {
            let mut on = |purpose, action| all.push(Right::new(purpose, action, arn(place.path)));
            on(Look, "secretsmanager:DescribeSecret");
            on(Look, "secretsmanager:GetSecretValue");
            if place.written {
                on(First, "secretsmanager:CreateSecret");
                on(Create, "secretsmanager:PutSecretValue");
                on(Finish, "secretsmanager:UpdateSecretVersionStage");
            }
        }
        let written = asked.places.iter().any(|place| place.written);
        all.extend(key(
            aws,
            account,
            "secretsmanager",
            LookKey,
            &["kms:Decrypt"],
        ));
        if written {
            all.extend(key(
                aws,
                account,
                "secretsmanager",
                CreateKey,
                &["kms:GenerateDataKey"],
            ));
        }
        all
    }

    fn document(&self, rights: &[Right]) -> Document {
        document(rights)
    }

    fn in_words(&self, rights: &[Right]) -> Vec<String> {
        in_words(rights)
    }
}

impl Policy for ParameterStore {
    fn language(&self) -> &'static str {
        "iam"
    }

    fn refusal(&self, asked: &Asked<'_>) -> Option<String> {
        other_account(&self.aws, asked)
    }

    fn rights(&self, asked: &Asked<'_>) -> Vec<Right> {
        use Purpose::{Create, CreateKey, Finish, Look, LookCandidate, LookKey, Retire, Undo};
        let (aws, account) = (&self.aws, account(&self.aws, asked));
        let partition = partition(&aws.region);
        let mut all = Vec::new();
        for place in &asked.places {
            let name = place.path.trim_start_matches('/');
            let arn = format!(
                "arn:{partition}:ssm:{}:{account}:parameter/{name}",
                aws.region
            );
            let pending = format!("{arn}/.keyrota/pending");
            let mut on = |purpose, action, on: &str| all.push(Right::new(purpose, action, on));
            on(Look, "ssm:GetParameter", &arn);
            on(Look, "ssm:GetParameterHistory", &arn);
            on(LookCandidate, "ssm:GetParameterHistory", &pending);
            if place.written {
                on(Create, "ssm:PutParameter", &pending);
                on(Undo, "ssm:DeleteParameter", &pending);
                // A name under which nothing ever stands: so the right can be asked for.
                on(
                    Undo,
                    "ssm:DeleteParameter",
                    &format!("{arn}/.keyrota/nothing"),
                );
                on(Finish, "ssm:PutParameter", &arn);
                on(Retire, "ssm:LabelParameterVersion", &arn);
                on(Retire, "ssm:UnlabelParameterVersion", &arn);
            }
        }
        let written = asked.places.iter().any(|place| place.written);
        // An advanced parameter is closed with a key of its own, which the key closes.
        let close: &[_] = match self.own.tier {
            Tier::Standard => &["kms:Encrypt"],
            Tier::Advanced => &["kms:Encrypt", "kms:GenerateDataKey"],
        };
        all.extend(key(aws, account, "ssm", LookKey, &["kms:Decrypt"]));
        if written {
            all.extend(key(aws, account, "ssm", CreateKey, close));
        }
        all
    }

    fn document(&self, rights: &[Right]) -> Document {
        document(rights)
    }

    fn in_words(&self, rights: &[Right]) -> Vec<String> {
        in_words(rights)
    }
}

/// The key of `kms_key_id`, for nobody but this service.
fn key(
    aws: &AwsConfig,
    account: &str,
    service: &str,
    purpose: Purpose,
    actions: &[&'static str],
) -> Vec<Right> {
    let Some(id) = &aws.kms_key_id else {
        return Vec::new();
    };
    let partition = partition(&aws.region);
    let at = |what: &str| format!("arn:{partition}:kms:{}:{account}:{what}", aws.region);
    let suffix = match partition {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    let mut only = vec![Only {
        test: "StringEquals",
        key: "kms:ViaService",
        value: format!("{service}.{}.{suffix}", aws.region),
    }];
    // An alias gives no right by its own ARN: it says which key, by its name.
    let alias = match id.split_once(":alias/") {
        Some((_, name)) => Some(format!("alias/{name}")),
        None => id.starts_with("alias/").then(|| id.clone()),
    };
    let on = match (&alias, id.starts_with("arn:")) {
        (Some(_), true) => id
            .split_once(":alias/")
            .map_or_else(|| at("key/*"), |(before, _)| format!("{before}:key/*")),
        (Some(_), false) => at("key/*"),
        (None, true) => id.clone(),
        (None, false) => at(&format!("key/{id}")),
    };
    if let Some(alias) = alias {
        only.push(Only {
            test: "ForAnyValue:StringEquals",
            key: "kms:ResourceAliases",
            value: alias,
        });
    }
    let right = |action: &&'static str| Right {
        only: only.clone(),
        ..Right::new(purpose, action, on.clone())
    };
    actions.iter().map(right).collect()
}

/// The part of AWS that a region is in.
fn partition(region: &str) -> &'static str {
    match region.split('-').next().unwrap_or_default() {
        "cn" => "aws-cn",
        "eusc" => "aws-eusc",
        "us" if region.starts_with("us-gov-") => "aws-us-gov",
        "us" if region.starts_with("us-iso-") => "aws-iso",
        "us" if region.starts_with("us-isob-") => "aws-iso-b",
        "us" if region.starts_with("us-isof-") => "aws-iso-f",
        "eu" if region.starts_with("eu-isoe-") => "aws-iso-e",
        _ => "aws",
    }
}

/// A policy as IAM takes it.
#[derive(Debug, Serialize)]
struct Iam {
    #[serde(rename = "Version")]
    version: &'static str,
    #[serde(rename = "Statement")]
    statements: Vec<Statement>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

/// One statement for each purpose.
fn document(rights: &[Right]) -> Document {
    let purposes = once(rights.iter().map(|r| r.purpose));
    let statement = |purpose: Purpose| {
        let of = || rights.iter().filter(move |r| r.purpose == purpose);
        let mut condition: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for only in of().flat_map(|r| &r.only) {
            let test = condition.entry(only.test).or_default();
            test.insert(only.key, only.value.clone());
        }
        Statement {
            sid: purpose.word(),
            effect: "Allow",
            action: once(of().map(|r| r.action)),
            resource: once(of().map(|r| r.on.clone())),
            condition,
        }
    };
    let mut purposes = purposes;
    purposes.sort();
    let policy = Iam {
        version: "2012-10-17",
        statements: purposes.into_iter().map(statement).collect(),
    };
    let text = serde_json::to_string_pretty(&policy).unwrap_or_default();
    Document {
        text: format!("{text}\n"),
        json: json!(policy),
    }
}

/// `secretsmanager:DescribeSecret, GetSecretValue on ARN, ARN`; a line for each service.
fn in_words(rights: &[Right]) -> Vec<String> {
    let service = |r: &Right| r.action.split_once(':').map_or("", |(service, _)| service);
    let line = |wanted: &str| {
        let of = || rights.iter().filter(|r| service(r) == wanted);
        let actions = once(of().filter_map(|r| Some(r.action.split_once(':')?.1)));
        let on = once(of().map(|r| r.on.as_str()));
        format!(
            "AWS credentials with {wanted}:{} on {}",
            actions.join(", "),
            on.join(", ")
        )
    };
    once(rights.iter().map(service))
        .into_iter()
        .map(line)
        .collect()
}
