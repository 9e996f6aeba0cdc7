#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use keyrota_contract::{Place, Provider};
use proptest::prelude::*;

use super::text::unescape;
use super::*;

fn value(bytes: &[u8]) -> SecretValue {
    SecretValue::copy_of(bytes)
}

/// A version 7 id of 2025-08-22, so that `created` shows.
const ID: Uuid = Uuid::from_u128(0x0198_d0a0_0000_7000_8000_0000_0000_0001);

fn with_one() -> Document {
    let mut document = Document::new("ops-1");
    let public = Public::from([("kid".to_string(), "k1".to_string())]);
    document
        .write("a/b", ID, &value(b"line\n\"two\" \x01"), &public)
        .unwrap();
    document.promote("a/b", ID, None).unwrap();
    document.generation = 1;
    document
}

fn parse(json: &str) -> Result<Document, DocumentError> {
    Document::from_json(json.as_bytes())
}

#[test]
fn the_text_is_as_described_and_reads_back() {
    let mut document = with_one();
    document
        .write("bytes", Uuid::nil(), &value(b"\xff\0"), &Public::new())
        .unwrap();
    let text = document.to_json();
    let expected = r#"{
  "keyrota": 1,
  "host": "ops-1",
  "generation": 1,
  "secrets": {
    "a/b": {
      "versions": [
        {
          "id": "0198d0a0-0000-7000-8000-000000000001",
          "native": "1",
          "stage": "current",
          "created": 1755846803456,
          "value": "line\n\"two\" \u0001",
          "public": {
            "kid": "k1"
          }
        }
      ]
    },
    "bytes": {
      "versions": [
        {
          "id": "00000000-0000-0000-0000-000000000000",
          "native": "2",
          "stage": "pending",
          "created": null,
          "value": {
            "base64": "/wA="
          },
          "public": {}
        }
      ]
    }
  }
}
"#;
    assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
    let again = Document::from_json(&text).unwrap();
    assert_eq!(again.to_json(), text);
    let bytes = again.read("bytes", &VersionRef::Ours(Uuid::nil())).unwrap();
    assert!(bytes.same_as(&value(b"\xff\0")));
    assert_eq!(again.describe("a/b"), document.describe("a/b"));
}

#[test]
fn each_wrong_text_has_its_own_answer() {
    let good = String::from_utf8(with_one().to_json().to_vec()).unwrap();
    assert!(parse(&good).is_ok());
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let twice = |stage: &str| {
        let version = &good[good.find("        {").unwrap()..good.find("\n      ]").unwrap()];
        let other = version
            .replace("000001\"", "000002\"")
            .replace("\"native\": \"1\"", "\"native\": \"2\"");
        good.replace(
            version,
            &format!("{version},\n{}", other.replace("current", stage)),
        )
    };
    assert!(parse(&twice("previous")).is_ok());
    for (text, expected) in [
        (String::new(), DocumentError::NotOurs),
        ("[]".into(), DocumentError::NotOurs),
        ("{\"host\":\"x\"}".into(), DocumentError::NotOurs),
        (good.clone() + "x", DocumentError::NotOurs),
        (
            change("\"keyrota\": 1", "\"keyrota\": 0"),
            DocumentError::NotOurs,
        ),
        (
            change("\"keyrota\": 1", "\"keyrota\": 2"),
            DocumentError::Newer,
        ),
        (
            change("\"keyrota\": 1", "\"keyrota\": 2, \"new\": []"),
            DocumentError::Newer,
        ),
        (
            change("\"generation\": 1", "\"generation\": -1"),
            DocumentError::Malformed,
        ),
        (change("\"generation\": 1,", ""), DocumentError::Malformed),
        (
            change("\"generation\": 1", "\"generation\": 1, \"more\": 1"),
            DocumentError::Malformed,
        ),
        (
            change("\"current\"", "\"curent\""),
            DocumentError::Malformed,
        ),
        (
            change("\"kid\": \"k1\"", "\"kid\": \"k1\", \"kid\": \"k2\""),
            DocumentError::Malformed,
        ),
        (change("\"line", "\"\\ud800line"), DocumentError::Malformed),
        (
            change("\"value\": \"", "\"value\": 7, \"x\": \""),
            DocumentError::Malformed,
        ),
        (
            change("\"line\\n\\\"two\\\" \\u0001\"", "{\"base64\": \"?\"}"),
            DocumentError::Malformed,
        ),
        (change("0198d0a0-", "0198d0a0"), DocumentError::Malformed),
        (twice("current"), DocumentError::Ambiguous),
    ] {
        let error = parse(&text).err();
        assert_eq!(error, Some(expected), "{text}");
        assert!(
            !error.unwrap().to_string().contains("line"),
            "an error quotes the value"
        );
    }
}

#[test]
fn an_operation_that_changes_nothing_says_so() {
    let mut document = with_one();
    let from = document.describe("a/b")[0].native.clone();
    assert!(
        !document
            .write("a/b", ID, &value(b"line\n\"two\" \x01"), &Public::new())
            .unwrap()
            .changed
    );
    assert!(!document.promote("a/b", ID, Some(&from)).unwrap().changed);
    assert!(
        !document
            .destroy("a/b", &VersionRef::Stage(Stage::Previous))
            .unwrap()
            .changed
    );
    assert!(
        !document
            .destroy("nowhere", &VersionRef::Stage(Stage::Previous))
            .unwrap()
            .changed
    );
}

#[test]
fn previous_can_be_made_current_again() {
    let mut document = with_one();
    document.generation = 2;
    document
        .write("a/b", Uuid::nil(), &value(b"two"), &Public::new())
        .unwrap();
    document
        .promote("a/b", Uuid::nil(), Some(&Native("1".into())))
        .unwrap();
    document
        .promote("a/b", ID, Some(&Native("3".into())))
        .unwrap();
    let stages: Vec<_> = document
        .describe("a/b")
        .iter()
        .map(|v| (v.ours.unwrap(), v.stages[0]))
        .collect();
    assert_eq!(
        stages,
        [(ID, Stage::Current), (Uuid::nil(), Stage::Previous)]
    );
}

proptest! {
    #[test]
    fn strings_are_read_as_the_library_reads_them(text in any::<String>(), ascii: bool) {
        let mut json = serde_json::to_string(&text).unwrap();
        if ascii {
            json = json.chars().map(|c| match c {
                c if c.is_ascii() => c.to_string(),
                c => c.encode_utf16(&mut [0; 2]).iter().map(|u| format!("\\u{u:04x}")).collect(),
            }).collect();
        }
        prop_assert_eq!(unescape(&json).unwrap(), text.into_bytes());
    }

    #[test]
    fn escapes_are_refused_where_the_library_refuses_them(inside in "(\\\\u[0-9a-fA-F]{4}|\\\\[a-z\"/]|[a-z]){0,6}") {
        let json = format!("\"{inside}\"");
        let theirs = serde_json::from_str::<String>(&json).ok().map(String::into_bytes);
        prop_assert_eq!(unescape(&json), theirs);
    }

    #[test]
    fn values_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in any::<String>()) {
        let mut document = Document::new(&text);
        for (id, value) in [(1, &bytes[..]), (2, text.as_bytes())] {
            let public = Public::from([(text.clone(), text.clone())]);
            document.write(&format!("{text}{id}"), Uuid::from_u128(id), &super::tests::value(value), &public).unwrap();
        }
        let again = Document::from_json(&document.to_json()).unwrap();
        for (id, expected) in [(1, &bytes[..]), (2, text.as_bytes())] {
            let read = again.read(&format!("{text}{id}"), &VersionRef::Ours(Uuid::from_u128(id))).unwrap();
            prop_assert!(read.same_as(&super::tests::value(expected)));
        }
    }

    #[test]
    fn altered_text_never_panics_and_is_never_quoted(at in 0usize..600, with in any::<u8>(), cut: bool) {
        let mut text = with_one();
        text.write("c", Uuid::nil(), &value(b"canary-77"), &Public::new()).unwrap();
        let mut text = text.to_json().to_vec();
        let at = at % text.len();
        if cut { text.truncate(at) } else { text[at] = with }
        if let Err(error) = Document::from_json(&text) {
            let shown = format!("{error} {error:?}");
            prop_assert!(!shown.contains("canary"));
        }
    }
}

/// A wrapped generation would let an older document pass for a newer one.
#[tokio::test]
async fn no_generation_follows_the_highest_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("production.age");
    let new = crate::identity::generate();
    let identities = new.file.expose_to(crate::Identities::parse).unwrap();
    let mut document = Document::new("ops-1");
    document.generation = u64::MAX;
    let recipients = crate::identity::recipients(&[], &identities).unwrap();
    let whole = crate::file::seal(&document.to_json(), "production", &identities, &recipients);
    std::fs::write(&path, &whole).unwrap();
    let p = crate::FileProvider::new(&path, identities, &[], "production", "ops-1").unwrap();
    let (value, public) = (SecretValue::copy_of(b"v"), Public::new());
    let refused = p
        .write(&Place::new("a"), Uuid::nil(), &value, &public)
        .await;
    assert!(refused.unwrap_err().context.contains("generation"));
    assert_eq!(std::fs::read(&path).unwrap(), whole);
}
