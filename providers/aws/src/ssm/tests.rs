//! What moto does not do as AWS does it: answers in the shape that AWS documents.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use keyrota_contract::{ErrorKind, Native, Place, Provider, ProviderError, Stage, VersionRef};

use super::{SsmConfig, SsmProvider, Tier, full_name, sibling_of};
use crate::testing::{Answer, Service, at, fails, id, nothing, ok, value};

fn provider(service: &Service) -> SsmProvider {
    SsmProvider::new(service.config.clone(), SsmConfig::default()).with_key("AKID", "secret", None)
}

/// Versions of a parameter: number, whose, and what else is said.
fn history(versions: &[(i64, Option<u128>, &str)]) -> Answer {
    let one = |(number, ours, more): &(i64, Option<u128>, &str)| {
        let description = ours.map_or("by hand".to_owned(), |n| {
            format!("words [keyrota1:{}:]", id(n))
        });
        format!(
            r#"{{"Name":"x","Type":"SecureString","KeyId":"alias/mine","Tier":"Standard","Value":"v{number}","Version":{number},"Description":"{description}"{more}}}"#
        )
    };
    let versions: Vec<_> = versions.iter().map(one).collect();
    ok(
        "GetParameterHistory",
        format!(r#"{{"Parameters":[{}]}}"#, versions.join(",")),
    )
}

fn absent() -> Answer {
    fails("GetParameterHistory", 400, "ParameterNotFound", "")
}

fn put(version: i64) -> Answer {
    ok(
        "PutParameter",
        format!(r#"{{"Version":{version},"Tier":"Standard"}}"#),
    )
}

fn deleted() -> Answer {
    ok("DeleteParameter", "{}")
}

async fn write(
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<Native, ProviderError>, Service) {
    let service = Service::with(answers).await;
    let told = provider(&service)
        .write(&at(), id(2), &value("v1"), &nothing())
        .await;
    (told, service)
}

async fn promote(
    answers: impl IntoIterator<Item = Answer>,
) -> (Result<Native, ProviderError>, Service) {
    let service = Service::with(answers).await;
    let from = Native("7".to_owned());
    let told = provider(&service).promote(&at(), id(2), Some(&from)).await;
    (told, service)
}

#[tokio::test]
async fn what_is_put_looks_like_what_was_there() {
    let there = r#","AllowedPattern":"^v""#;
    let (told, service) = write([absent(), history(&[(7, Some(1), there)]), put(1)]).await;
    told.unwrap();
    let asked = &service.asked()[2];
    for part in [
        r#""Name":"/app/key/.keyrota/pending""#,
        r#""Type":"SecureString""#,
        r#""KeyId":"alias/mine""#,
        r#""AllowedPattern":"^v""#,
        r#""Overwrite":false"#,
        r#""Description":"words [keyrota1:"#,
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    assert!(!asked.contains("Tier"), "{asked}");
    let advanced = r#","Tier":"Advanced""#;
    let history = history(&[(7, Some(1), "")]);
    let history = Answer::replacing(history, r#","Tier":"Standard""#, advanced);
    let (_, service) = write([absent(), history, put(1)]).await;
    assert!(service.asked()[2].contains(r#""Tier":"Advanced""#));
}

#[tokio::test]
async fn a_promote_that_got_the_next_number_was_alone() {
    let answers = [
        history(&[(1, Some(2), "")]),
        history(&[(7, Some(1), "")]),
        put(8),
        deleted(),
    ];
    let (told, service) = promote(answers).await;
    assert_eq!(told.unwrap(), Native("8".into()));
    assert!(service.asked()[2].contains(r#""Overwrite":true"#));
}

#[tokio::test]
async fn no_failure_after_the_switch_says_that_nothing_changed() {
    let denied = |call| fails(call, 400, "AccessDeniedException", "no");
    for after in [
        vec![put(8), denied("DeleteParameter")],
        vec![put(9), denied("GetParameterHistory")],
    ] {
        let before = [history(&[(1, Some(2), "")]), history(&[(7, Some(1), "")])];
        let (told, service) = promote(before.into_iter().chain(after)).await;
        assert_eq!(told.unwrap_err().kind, ErrorKind::Ambiguous);
        service.asked();
    }
}

#[tokio::test]
async fn somebody_who_wrote_in_between_is_noticed_by_the_number() {
    let after = history(&[(7, Some(1), ""), (8, None, ""), (9, Some(2), "")]);
    let answers = [
        history(&[(1, Some(2), "")]),
        history(&[(7, Some(1), "")]),
        put(9),
        after,
        deleted(),
    ];
    let (told, service) = promote(answers).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
    service.asked();

    // Also by whoever goes on after a death between the put and the comparison.
    let stands = || history(&[(7, Some(1), ""), (8, None, ""), (9, Some(2), "")]);
    let answers = [history(&[(1, Some(2), "")]), stands(), stands(), deleted()];
    let (told, service) = promote(answers).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
    service.asked();
}

#[tokio::test]
async fn an_earlier_try_of_ours_is_not_somebody_else() {
    let after = || history(&[(7, Some(1), ""), (8, Some(2), ""), (9, Some(2), "")]);
    let answers = [
        history(&[(1, Some(2), "")]),
        history(&[(7, Some(1), "")]),
        put(9),
        after(),
        deleted(),
    ];
    let (told, service) = promote(answers).await;
    assert_eq!(told.unwrap(), Native("9".into()));
    service.asked();
    // And what was current before is not that try.
    let service = Service::with([absent(), after()]).await;
    let all = provider(&service).describe(&at()).await.unwrap();
    let previous = all.iter().find(|v| v.stages == [Stage::Previous]).unwrap();
    assert_eq!(previous.ours, Some(id(1)));
}

#[tokio::test]
async fn another_current_is_not_overwritten() {
    let (told, service) = promote([
        history(&[(1, Some(2), "")]),
        history(&[(7, Some(1), ""), (8, None, "")]),
    ])
    .await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
    service.asked();
}

#[tokio::test]
async fn nothing_is_written_into_an_open_parameter() {
    let open = || Answer::replacing(history(&[(7, None, "")]), "SecureString", "String");
    let (told, service) = write([absent(), open()]).await;
    let told = told.unwrap_err();
    assert_eq!(told.kind, ErrorKind::Invalid);
    assert!(told.context.contains("not a SecureString"), "{told}");
    service.asked();
    let (told, service) = promote([history(&[(1, Some(2), "")]), open()]).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Invalid);
    service.asked();
}

#[tokio::test]
async fn what_is_not_ours_is_not_replaced_nor_destroyed() {
    let foreign = || [history(&[(3, None, "")]), history(&[(7, Some(1), "")])];
    assert_eq!(
        write(foreign()).await.0.unwrap_err().kind,
        ErrorKind::Conflict
    );
    let service = Service::with(foreign()).await;
    let told = provider(&service)
        .destroy(&at(), &VersionRef::Stage(Stage::Pending))
        .await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Conflict);
    service.asked();
}

#[tokio::test]
async fn one_that_was_made_in_between_is_looked_at() {
    let exists = || fails("PutParameter", 400, "ParameterAlreadyExists", "");
    let before = || [absent(), history(&[(7, Some(1), "")]), exists()];
    for (n, good) in [(2, true), (3, false)] {
        let now = history(&[(1, Some(n), "")]);
        let (told, service) = write(before().into_iter().chain([now])).await;
        assert_eq!(
            told.map_err(|e| e.kind).err(),
            (!good).then_some(ErrorKind::Conflict)
        );
        service.asked();
    }
}

#[tokio::test]
async fn a_full_history_is_told_apart_and_our_own_label_makes_way() {
    let full = fails("PutParameter", 400, "ParameterMaxVersionLimitExceeded", "");
    let answers = [
        history(&[(1, Some(2), "")]),
        history(&[(7, Some(1), "")]),
        full,
    ];
    let told = promote(answers).await.0.unwrap_err();
    assert_eq!(told.kind, ErrorKind::Invalid);
    assert!(told.context.contains("100 versions"), "{told}");

    let label = r#","Labels":["keyrota-destroyed"]"#;
    let window: Vec<_> = (1..=100)
        .map(|n| (n, Some(100), if n == 1 { label } else { "" }))
        .collect();
    let service = Service::with([
        history(&[(1, Some(2), "")]),
        history(&window),
        ok("UnlabelParameterVersion", "{}"),
        put(101),
        deleted(),
    ])
    .await;
    let from = Native("100".into());
    provider(&service)
        .promote(&at(), id(2), Some(&from))
        .await
        .unwrap();
    service.asked();
}

#[tokio::test]
async fn what_was_destroyed_is_absent_with_all_before_it() {
    let label = r#","Labels":["keyrota-destroyed"]"#;
    let marked = || history(&[(1, Some(1), ""), (2, Some(2), label), (3, Some(3), "")]);
    let service = Service::with([absent(), marked(), absent(), marked(), marked()]).await;
    let p = provider(&service);
    assert_eq!(p.describe(&at()).await.unwrap().len(), 1);
    for v in [VersionRef::Ours(id(2)), VersionRef::Stage(Stage::Previous)] {
        assert!(p.read(&at(), &v).await.unwrap().is_none());
    }
    service.asked();
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (status, code, kind) in [
        (400, "ThrottlingException", ErrorKind::Throttled),
        (400, "TooManyUpdates", ErrorKind::Throttled),
        (400, "InvalidKeyId", ErrorKind::Denied),
        (400, "ExpiredTokenException", ErrorKind::Unavailable),
        (400, "ParameterLimitExceeded", ErrorKind::Invalid),
        (
            400,
            "HierarchyLevelLimitExceededException",
            ErrorKind::Invalid,
        ),
        (400, "ValidationException", ErrorKind::Invalid),
        (500, "InternalServerError", ErrorKind::Ambiguous),
    ] {
        let answers = [absent(), absent(), fails("PutParameter", status, code, "")];
        assert_eq!(write(answers).await.0.unwrap_err().kind, kind, "{code}");
    }
}

#[tokio::test]
async fn puts_wait_for_their_turn() {
    let answers = (0..4).flat_map(|_| [absent(), absent(), put(1)]);
    let service = Service::with(answers).await;
    let p = provider(&service);
    let began = tokio::time::Instant::now();
    for n in 0..4 {
        let at = Place::new(format!("app/{n}"));
        p.write(&at, id(n), &value("v"), &nothing()).await.unwrap();
    }
    let took = began.elapsed().as_millis();
    assert!(took >= 300, "the fourth of a second waits: {took} ms");
    service.asked();
}

#[tokio::test]
async fn values_are_refused_before_anything_is_asked() {
    let service = Service::with([]).await;
    let advanced = SsmConfig {
        tier: Tier::Advanced,
        ..SsmConfig::default()
    };
    let large = SsmProvider::new(service.config.clone(), advanced);
    for (p, length) in [
        (provider(&service), 4_097),
        (provider(&service), 0),
        (large, 8_193),
    ] {
        let told = p
            .write(&at(), id(1), &value(&"x".repeat(length)), &nothing())
            .await;
        assert_eq!(told.unwrap_err().kind, ErrorKind::Invalid);
    }
    assert!(service.asked().is_empty());
}

#[test]
fn names() {
    for (path, full, sibling) in [
        ("a", "a", "/a/.keyrota/pending"),
        ("a/b", "/a/b", "/a/b/.keyrota/pending"),
        ("/a/b", "/a/b", "/a/b/.keyrota/pending"),
    ] {
        assert_eq!(
            (full_name(path).as_str(), sibling_of(path).as_str()),
            (full, sibling)
        );
    }
}

/// Half a history would show an older version as the current one.
#[tokio::test]
async fn a_history_is_read_to_its_end_or_not_at_all() {
    let page = |versions: &str, next: &str| {
        let body = format!(r#"{{"Parameters":[{versions}],"NextToken":"{next}"}}"#);
        ok("GetParameterHistory", body)
    };
    let service = Service::with([
        absent(),
        page("", "a"),
        page(r#"{"Type":"SecureString","Version":1}"#, "b"),
        page(r#"{"Type":"SecureString","Version":2}"#, ""),
    ])
    .await;
    let all = provider(&service).describe(&at()).await.unwrap();
    assert!(
        all.iter()
            .any(|v| v.native == Native("2".to_owned()) && v.stages == [Stage::Current])
    );
    service.asked();

    let endless = std::iter::once(absent()).chain((0..16).map(|_| page("", "more")));
    let service = Service::with(endless).await;
    let told = provider(&service).describe(&at()).await.unwrap_err();
    assert_eq!(told.kind, ErrorKind::Unavailable);
    service.asked();
}

#[tokio::test]
async fn a_parameter_that_aws_will_delete_is_not_begun_with() {
    let policy =
        r#","Policies":[{"PolicyType":"Expiration","PolicyText":"{}","PolicyStatus":"Pending"}]"#;
    let service = Service::with([absent(), history(&[(7, Some(1), policy)])]).await;
    let refused = provider(&service).preflight(&at()).await.unwrap_err();
    service.asked();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    assert!(refused.context.contains("expiration policy"));
}

#[tokio::test]
async fn no_version_number_of_aws_stops_the_program() {
    let numbers = [i64::MIN, -1, 0, 1, 7, 8, i64::MAX - 1, i64::MAX];
    for current in numbers {
        for made in numbers {
            // Asked for once more where the number is beyond the next one.
            let asked = made.saturating_sub(current) > 1;
            let again = asked.then(|| history(&[(current, Some(1), ""), (made, Some(2), "")]));
            let before = [
                history(&[(1, Some(2), "")]),
                history(&[(current, Some(1), "")]),
                put(made),
            ];
            let answers = before.into_iter().chain(again).chain([deleted()]);
            let service = Service::with(answers).await;
            let from = Native(current.to_string());
            let told = provider(&service).promote(&at(), id(2), Some(&from)).await;
            assert_eq!(told.is_ok(), !asked, "{current} {made}");
            service.asked();
        }
    }
}
