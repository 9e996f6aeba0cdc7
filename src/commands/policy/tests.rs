//! What a file needs of AWS, as policies.

use std::path::Path;

use serde_json::{Value, json};

use super::rights::{Use, asked, in_words, rights};
use crate::config::model::{Environment, Secret};
use crate::config::registry::rights::{Giver, Policy, Right};
use crate::config::{Source, environment};

fn file(provider: &str) -> Environment {
    let text = format!(
        r#"environment = "development"
[defaults]
refresh = "0s"
[providers.main]
{provider}
[secrets.token]
kind = "random"
path = "app/token"
env = "TOKEN"
[secrets.admin]
kind = "external"
path = "app/admin"
"#
    );
    let source = Source::new("schedules/development.toml", &text);
    let now = jiff::Timestamp::UNIX_EPOCH;
    let (env, wrong) = environment::decode(
        &source,
        "development",
        Path::new("/srv"),
        now,
        &crate::kinds::registry(),
    );
    assert_eq!(wrong, []);
    env
}

fn of(env: &Environment, whom: Use<'_>, account: Option<&str>) -> Vec<Right> {
    let secrets: Vec<&Secret> = env.secrets.iter().collect();
    let provider = &env.providers[0];
    rights(provider, &asked(provider, &secrets, whom, account))
}

fn policy(env: &Environment) -> &dyn Policy {
    match env.providers[0].settings.rights() {
        Giver::Service(policy) => policy,
        Giver::System { rights, .. } => panic!("{rights}"),
    }
}

fn statement(policy: &Value, sid: &str) -> Value {
    let mut all = policy["Statement"].as_array().into_iter().flatten();
    all.find(|s| s["Sid"] == sid).cloned().unwrap_or_default()
}

const AWS: &[&str] = &[
    "kind = 'aws-secrets-manager'\nregion = 'eu-central-1'\nkms_key_id = 'alias/k'",
    "kind = 'aws-ssm'\nregion = 'cn-north-1'\ntier = 'advanced'\nkms_key_id = '0abc'",
];

#[test]
fn a_policy_of_aws_gives_each_right_and_no_other() {
    for provider in AWS {
        let env = file(provider);
        for whom in [Use::Rotate, Use::Import, Use::Read(None)] {
            let needed = of(&env, whom, None);
            let policy = policy(&env).document(&needed).json;
            assert_eq!(policy["Version"], "2012-10-17");
            let mut given = Vec::new();
            for s in policy["Statement"].as_array().into_iter().flatten() {
                assert_eq!(s["Effect"], "Allow");
                for action in s["Action"].as_array().into_iter().flatten() {
                    for on in s["Resource"].as_array().into_iter().flatten() {
                        given.push((action.clone(), on.clone()));
                    }
                }
            }
            let mut needed: Vec<_> = needed
                .iter()
                .map(|r| (json!(r.action), json!(r.on)))
                .collect();
            let key = |pair: &(Value, Value)| format!("{pair:?}");
            given.sort_by_key(key);
            needed.sort_by_key(key);
            assert_eq!(given, needed, "{provider}");
            let text = policy.to_string();
            let writes = [
                "Put", "Create", "Update", "Delete", "Label", "Encrypt", "Generate",
            ];
            let written = writes.iter().any(|w| text.contains(&format!(":{w}")));
            assert_eq!(written, !matches!(whom, Use::Read(_)), "{text}");
        }
    }
}

#[test]
fn arns_name_partition_account_and_what_is_added() {
    let document = |provider: &str, account| {
        let env = file(provider);
        policy(&env).document(&of(&env, Use::Rotate, account)).json
    };
    let policy = document(AWS[0], Some("123456789012"));
    let arn = |name: &str| {
        format!("arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}-??????")
    };
    assert_eq!(
        statement(&policy, "Look")["Resource"],
        json!([arn("app/token"), arn("app/admin")])
    );
    assert_eq!(
        statement(&policy, "Finish")["Resource"],
        json!([arn("app/token")])
    );
    let key = statement(&policy, "LookKey");
    assert_eq!(
        key["Resource"],
        json!(["arn:aws:kms:eu-central-1:123456789012:key/*"])
    );
    assert_eq!(
        key["Condition"],
        json!({
            "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/k"},
            "StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"},
        })
    );
    let policy = document(AWS[1], None);
    let arn = "arn:aws-cn:ssm:cn-north-1:*:parameter/app/token";
    assert_eq!(
        statement(&policy, "Create")["Resource"],
        json!([format!("{arn}/.keyrota/pending")])
    );
    let close = statement(&policy, "CreateKey");
    assert_eq!(
        close["Action"],
        json!(["kms:Encrypt", "kms:GenerateDataKey"])
    );
    assert_eq!(
        close["Resource"],
        json!(["arn:aws-cn:kms:cn-north-1:*:key/0abc"])
    );
}

#[test]
fn the_setup_says_what_the_policy_gives() {
    for provider in AWS {
        let env = file(provider);
        let secrets: Vec<&Secret> = env.secrets.iter().collect();
        let words = in_words(&env, &env.providers[0], policy(&env), &secrets).join("\n");
        for right in of(&env, Use::Rotate, None) {
            let action = right.action.split(':').next_back().unwrap_or_default();
            assert!(
                words.contains(action) && words.contains(&right.on),
                "{words}"
            );
        }
    }
}
