//! Rights at AWS, and the IAM policy that gives them. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rights::{Only, Purpose, Right, Touched, once};
use crate::config::account_of;
use crate::config::model::{AwsProvider, ProviderKind, SsmProvider};

/// The account that is meant where nobody says which: the one of whoever has the policy.
pub const ANY_ACCOUNT: &str = "*";

/// The account of its role, where it has one.
pub fn account_of_role(provider: &ProviderKind) -> Option<&str> {
    let aws = match provider {
        ProviderKind::SecretsManager(aws) => aws,
        ProviderKind::Ssm(ssm) => &ssm.aws,
        ProviderKind::File(_) | ProviderKind::Vault(_) => return None,
    };
    aws.role_arn.as_deref().and_then(account_of)
}

/// AWS adds a hyphen and six characters to the name of a secret, also of one that is not there yet.
const SUFFIX: &str = "-??????";

/// What Secrets Manager has to allow.
pub fn secrets_manager(aws: &AwsProvider, account: &str, places: &[Touched<'_>]) -> Vec<Right> {
    use Purpose::{Create, CreateKey, Finish, First, Look, LookKey};
    let partition = partition(&aws.region);
    let arn = |path: &str| match path.starts_with("arn:") {
        true => path.to_owned(),
        false => format!(
            "arn:{partition}:secretsmanager:{}:{account}:secret:{path}{SUFFIX}",
            aws.region
        ),
    };
    let mut all = Vec::new();
    for place in places {
        let mut on = |purpose, action| all.push(Right::new(purpose, action, arn(place.path)));
        on(Look, "secretsmanager:DescribeSecret");
        on(Look, "secretsmanager:GetSecretValue");
        if place.written {
            on(First, "secretsmanager:CreateSecret");
            on(Create, "secretsmanager:PutSecretValue");
            on(Finish, "secretsmanager:UpdateSecretVersionStage");
        }
    }
    let written = places.iter().any(|place| place.written);
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

/// What Parameter Store has to allow.
pub fn parameter_store(ssm: &SsmProvider, account: &str, places: &[Touched<'_>]) -> Vec<Right> {
    use Purpose::{Create, CreateKey, Finish, Look, LookCandidate, LookKey, Retire, Undo};
    let aws = &ssm.aws;
    let partition = partition(&aws.region);
    let mut all = Vec::new();
    for place in places {
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
    let written = places.iter().any(|place| place.written);
    // An advanced parameter is closed with a key of its own, which the key closes.
    let close: &[_] = match ssm.advanced {
        false => &["kms:Encrypt"],
        true => &["kms:Encrypt", "kms:GenerateDataKey"],
    };
    all.extend(key(aws, account, "ssm", LookKey, &["kms:Decrypt"]));
    if written {
        all.extend(key(aws, account, "ssm", CreateKey, close));
    }
    all
}

/// The key of `kms_key_id`, for nobody but this service.
fn key(
    aws: &AwsProvider,
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
pub struct Document {
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
pub fn document(rights: &[Right]) -> Document {
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
    Document {
        version: "2012-10-17",
        statements: purposes.into_iter().map(statement).collect(),
    }
}

/// `secretsmanager:DescribeSecret, GetSecretValue on ARN, ARN`; a line for each service.
pub fn in_words(rights: &[Right]) -> Vec<String> {
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
