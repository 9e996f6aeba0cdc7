//! What moto does not do as AWS does it: answers in the shape that AWS documents.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use keyrota_contract::{ErrorKind, Native, Provider, ProviderError, Stage, VersionRef};

use super::SecretsManagerProvider;
use crate::testing::{Answer, Service, at, fails, id, nothing, ok, value};

mod replicas;

const FOREIGN: &str = "4f2b8c1e-9a7d-4c3b-8e21-0d5f6a7b8c9d";

fn provider(service: &Service) -> SecretsManagerProvider {
    SecretsManagerProvider::new(service.config.clone()).with_key("AKID", "secret", None)
}

/// A description: versions with their labels, and what else is said.
fn described(versions: &[(&str, &[&str])], more: &str) -> Answer {
    let versions: Vec<_> = versions
        .iter()
        .map(|(id, labels)| format!(r#""{id}":["{}"]"#, labels.join(r#"",""#)))
        .collect();
    let versions = versions.join(",");
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(",{more}")
    };
    ok(
        "DescribeSecret",
        format!(
            r#"{{"ARN":"arn:aws:secretsmanager:x","Name":"app/key","VersionIdsToStages":{{{versions}}}{more}}}"#
        ),
    )
}

/// The first version in use, and perhaps a candidate.
fn usual(pending: Option<&[&str]>, more: &str) -> Answer {
    let (one, two) = (id(1).to_string(), id(2).to_string());
    match pending {
        None => described(&[(&one, &["AWSCURRENT"])], more),
        Some(labels) => described(&[(&one, &["AWSCURRENT"]), (&two, labels)], more),
    }
}

fn put(n: u128) -> Answer {
    ok("PutSecretValue", format!(r#"{{"VersionId":"{}"}}"#, id(n)))
}

fn moved() -> Answer {
    ok("UpdateSecretVersionStage", "{}")
}

/// The value that readers use, and of which version it is.
fn current_of(version: &str) -> Answer {
    ok(
        "GetSecretValue",
        format!(
            r#"{{"VersionId":"{version}","VersionStages":["AWSCURRENT"],"SecretString":"one"}}"#
        ),
    )
}

async fn write(
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<Native, ProviderError>, Service) {
    let mut answers: Vec<_> = answers.into_iter().collect();
    if answers.len() > 1 {
        // In which form the value is that readers use.
        answers.insert(1, current_of(&id(1).to_string()));
    }
    let service = Service::with(answers).await;
    let told = provider(&service)
        .write(&at(), id(2), &value("two"), &nothing())
        .await;
    (told, service)
}

async fn promote(
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<Native, ProviderError>, Service) {
    let service = Service::with(answers).await;
    let from = Native(id(1).to_string());
    let told = provider(&service).promote(&at(), id(2), Some(&from)).await;
    (told, service)
}

async fn read(answers: impl IntoIterator<Item = Answer>) -> ProviderError {
    let service = Service::with(answers).await;
    let current = VersionRef::Stage(Stage::Current);
    let told = provider(&service).read(&at(), &current).await;
    service.asked();
    told.unwrap_err()
}

#[tokio::test]
async fn a_write_names_its_token_and_its_label() {
    let (told, service) = write([usual(None, ""), put(2)]).await;
    assert_eq!(told.unwrap(), Native(id(2).to_string()));
    let asked = &service.asked()[2];
    assert!(
        asked.contains(r#""VersionStages":["AWSPENDING"]"#),
        "{asked}"
    );
    assert!(asked.contains(&format!(r#""ClientRequestToken":"{}""#, id(2))));
}

#[tokio::test]
async fn a_write_waits_until_the_form_of_the_current_version_is_known() {
    let other = current_of(&id(3).to_string());
    let service = Service::with([usual(None, ""), other]).await;
    let told = provider(&service)
        .write(&at(), id(2), &value("two"), &nothing())
        .await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Unavailable);
    service.asked();
}

#[tokio::test]
async fn the_same_token_with_another_value_is_a_conflict() {
    let exists = fails(
        "PutSecretValue",
        400,
        "ResourceExistsException",
        "You can't use this operation to change the value of an existing version.",
    );
    let (told, service) = write([usual(None, ""), exists]).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
    service.asked();
}

#[tokio::test]
async fn where_aws_rotates_by_itself_the_candidate_has_a_label_of_its_own() {
    let (told, service) = write([usual(None, r#""RotationEnabled":true"#), put(2)]).await;
    told.unwrap();
    let asked = &service.asked()[2];
    assert!(
        asked.contains(r#""VersionStages":["KEYROTA_PENDING"]"#),
        "{asked}"
    );

    let candidate = usual(Some(&["KEYROTA_PENDING"]), r#""RotationEnabled":true"#);
    let (told, service) = promote([candidate, moved(), moved()]).await;
    told.unwrap();
    let asked = service.asked();
    assert!(asked[1].contains("AWSCURRENT") && asked[1].contains("RemoveFromVersionId"));
    assert!(asked[2].contains("KEYROTA_PENDING") && !asked[2].contains("MoveToVersionId"));
}

#[tokio::test]
async fn what_aws_rotated_last_does_not_become_a_candidate_again() {
    let (one, two) = (id(1).to_string(), id(2).to_string());
    let rotated = described(
        &[
            (&one, &["AWSCURRENT", "AWSPENDING"]),
            (&two, &["KEYROTA_PENDING"]),
        ],
        r#""RotationEnabled":true"#,
    );
    let (told, service) = promote([rotated, moved(), moved(), moved()]).await;
    told.unwrap();
    let asked = service.asked();
    assert!(
        asked[1].contains("AWSPENDING") && asked[1].contains(&one),
        "{asked:?}"
    );
    assert!(!asked[1].contains("MoveToVersionId"), "{asked:?}");
    assert!(asked[2].contains("AWSCURRENT"), "{asked:?}");
}

#[tokio::test]
async fn a_candidate_from_before_aws_rotated_does_not_hold_that_up() {
    let three = id(3).to_string();
    let one = id(1).to_string();
    let stale = described(
        &[(&one, &["AWSCURRENT"]), (&three, &["AWSPENDING"])],
        r#""RotationEnabled":true"#,
    );
    let (told, service) = write([stale, moved(), put(2)]).await;
    told.unwrap();
    assert!(service.asked()[2].contains(&three));
}

#[tokio::test]
async fn somebody_elses_candidate_is_not_replaced() {
    let one = id(1).to_string();
    for more in ["", r#""RotationEnabled":true"#] {
        let busy = || described(&[(&one, &["AWSCURRENT"]), (FOREIGN, &["AWSPENDING"])], more);
        let (told, service) = write([busy()]).await;
        assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
        service.asked();
        let service = Service::with([busy(), busy(), busy()]).await;
        let p = provider(&service);
        let pending = p.describe(&at()).await.unwrap();
        let foreign = |v: &&keyrota_contract::VersionInfo| v.native.0 == FOREIGN;
        let foreign = pending.iter().find(foreign).unwrap();
        assert_eq!(
            (foreign.ours, &foreign.stages[..]),
            (None, &[Stage::Pending][..])
        );
        for v in [
            VersionRef::Stage(Stage::Pending),
            VersionRef::Native(Native(FOREIGN.into())),
        ] {
            assert_eq!(
                p.destroy(&at(), &v).await.unwrap_err().kind,
                ErrorKind::Conflict
            );
        }
    }
    // What AWS' own rotation leaves when it is done is nobody's candidate.
    let done = described(
        &[
            (FOREIGN, &["AWSCURRENT", "AWSPENDING"]),
            (&one, &["AWSPREVIOUS"]),
        ],
        "",
    );
    let service = Service::with([done, current_of(FOREIGN), put(2)]).await;
    let told = provider(&service)
        .write(&at(), id(2), &value("two"), &nothing())
        .await;
    told.unwrap();
}

#[tokio::test]
async fn a_secret_that_another_service_manages_is_only_read() {
    let (told, _) = write([usual(None, r#""OwningService":"rds""#)]).await;
    let told = told.unwrap_err();
    assert_eq!(told.kind, ErrorKind::Conflict);
    assert!(told.context.contains("another service"), "{told}");
}

#[tokio::test]
async fn a_secret_that_is_marked_for_deletion_is_neither_absent_nor_written() {
    let marked = || usual(None, r#""DeletedDate":1764000000.0"#);
    assert_eq!(
        write([marked()]).await.0.unwrap_err().kind,
        ErrorKind::SoftDeleted
    );
    assert_eq!(
        promote([marked()]).await.0.unwrap_err().kind,
        ErrorKind::SoftDeleted
    );
    let refused = fails(
        "GetSecretValue",
        400,
        "InvalidRequestException",
        "You can't perform this operation on the secret because it was marked for deletion.",
    );
    assert_eq!(read([refused, marked()]).await.kind, ErrorKind::SoftDeleted);
}

#[tokio::test]
async fn a_label_that_was_moved_meanwhile_is_a_conflict() {
    let elsewhere = || {
        fails(
            "UpdateSecretVersionStage",
            400,
            "InvalidParameterException",
            "Staging label AWSCURRENT is currently attached to another version",
        )
    };
    let candidate = || usual(Some(&["AWSPENDING"]), "");
    let other = described(&[(FOREIGN, &["AWSCURRENT"])], "");
    let (told, service) = promote([candidate(), elsewhere(), other]).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
    service.asked();
    // By an earlier try of ours that came late: done.
    let two = id(2).to_string();
    let ours = described(&[(&two, &["AWSCURRENT", "AWSPENDING"])], "");
    let (told, service) = promote([candidate(), elsewhere(), ours, moved()]).await;
    told.unwrap();
    service.asked();
    // Another candidate has taken its label by now: the switch is done all the same.
    let three = id(3).to_string();
    let one = id(1).to_string();
    let all: [(&str, &[&str]); 3] = [
        (&one, &["AWSPREVIOUS"]),
        (&two, &["AWSCURRENT"]),
        (&three, &["AWSPENDING"]),
    ];
    let both = described(&all, "");
    let (told, service) = promote([candidate(), moved(), elsewhere(), both]).await;
    told.unwrap();
    service.asked();
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (status, code, words, kind, told) in [
        (
            400,
            "ThrottlingException",
            "Rate exceeded",
            ErrorKind::Throttled,
            "too often",
        ),
        (400, "DecryptionFailure", "", ErrorKind::Denied, "KMS"),
        (
            400,
            "AccessDeniedException",
            "Access to KMS is not allowed",
            ErrorKind::Denied,
            "KMS",
        ),
        (
            400,
            "AccessDeniedException",
            "User is not authorized",
            ErrorKind::Denied,
            "lack a right",
        ),
        (
            400,
            "ExpiredTokenException",
            "The security token is expired",
            ErrorKind::Unavailable,
            "session has expired",
        ),
        (400, "RequestExpired", "", ErrorKind::Unavailable, "clock"),
        (
            400,
            "InvalidSignatureException",
            "Signature expired: 20261125T000000Z is now earlier than",
            ErrorKind::Unavailable,
            "set this host's clock",
        ),
        (
            403,
            "SignatureDoesNotMatch",
            "The signature we calculated",
            ErrorKind::Denied,
            "secret access key",
        ),
        (
            400,
            "UnrecognizedClientException",
            "The security token is invalid",
            ErrorKind::Denied,
            "does not know these credentials",
        ),
        (
            500,
            "InternalServiceError",
            "",
            ErrorKind::Unavailable,
            "of its own",
        ),
        (503, "Whatever", "", ErrorKind::Unavailable, "of its own"),
        (
            400,
            "Whatever",
            "canary",
            ErrorKind::Invalid,
            "does not take",
        ),
    ] {
        let e = read([fails("GetSecretValue", status, code, words)]).await;
        assert_eq!(e.kind, kind, "{code}");
        assert!(e.context.contains(told), "{code}: {e}");
    }
    // In the middle of a change only some of them mean that nothing happened.
    for (status, code, kind) in [
        (400, "ThrottlingException", ErrorKind::Throttled),
        (400, "EncryptionFailure", ErrorKind::Denied),
        (400, "LimitExceededException", ErrorKind::Invalid),
        (500, "InternalServiceError", ErrorKind::Ambiguous),
        (503, "ServiceUnavailable", ErrorKind::Ambiguous),
    ] {
        let (told, _) = write([usual(None, ""), fails("PutSecretValue", status, code, "")]).await;
        assert_eq!(told.unwrap_err().kind, kind, "{code}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_of_awss_is_not_believed() {
    let page = |op| ok(op, "<html>please log in</html>");
    assert_eq!(
        read([page("GetSecretValue")]).await.kind,
        ErrorKind::Unavailable
    );
    let (told, _) = write([usual(None, ""), page("PutSecretValue")]).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Ambiguous);
    let (told, _) = write([usual(None, ""), ok("PutSecretValue", "{}")]).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Ambiguous);
    let empty = ok("GetSecretValue", r#"{"VersionStages":["AWSCURRENT"]}"#);
    assert_eq!(read([empty]).await.kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn values_are_refused_before_anything_is_asked() {
    let service = Service::with([]).await;
    let p = provider(&service);
    for large in [String::new(), "x".repeat(65_537)] {
        let told = p.write(&at(), id(1), &value(&large), &nothing()).await;
        assert_eq!(told.unwrap_err().kind, ErrorKind::Invalid);
    }
    let mut field = at();
    field.field = Some("password".into());
    let told = p.describe(&field).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Invalid);
    assert!(service.asked().is_empty());
}
