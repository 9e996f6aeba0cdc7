//! One judge of keys: what the gate lets start is what `import` takes, and no peer refuses it.
//!
//! corpus.py makes the texts, and asks OpenSSL and PyJWT (with cryptography) about each.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use keyrota::config::model::Environment;
use keyrota::config::{self, gate_rules};
use keyrota::rotators::jwt::{Algorithm, Format, Jwt};
use keyrota_contract::{Entropy, Rotator, SecretValue};
use serde::Deserialize;

use crate::support::moto::venv;

const HEAD: &str = r#"environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

/// The secrets, one for each algorithm and format.
const KINDS: [(&str, &str); 7] = [
    ("RS256", "pem"),
    ("ES256", "pem"),
    ("EdDSA", "pem"),
    ("RS256", "jwk"),
    ("ES256", "jwk"),
    ("EdDSA", "jwk"),
    ("HS256", "raw"),
];

/// Forms that keyrota refuses though both peers take them, and why it is stricter.
const STRICTER: &[(&str, &str)] = &[
    // Where a symmetric key belongs.
    ("drawn, with", "no variable of a file carries it everywhere"),
    ("short for HS256", "RFC 7518: at least 256 bits"),
    ("DER in", "a pair: who has the public half could sign"),
    ("PKCS #12 in base64", "a pair"),
    ("for HS256", "a pair, or a part of one"),
    // Readers differ, or the text is one slip away from the other key.
    (
        "public key before",
        "some programs take the first key of a text",
    ),
    (
        "public key after",
        "some programs take the first key of a text",
    ),
    (", twice", "which of two keys signs?"),
    ("another key after", "which of two keys signs?"),
    ("a broken block after", "a cut text: what else is missing?"),
    (" twice", "readers differ in which of two members they take"),
    // RFC 7468 and RFC 1421 do not allow it, and other readers (Node, Go, Java) refuse it.
    (
        "before the body",
        "indented lines are refused by other readers",
    ),
    (
        "before one line",
        "indented lines are refused by other readers",
    ),
    (
        "within a line",
        "white space within base64 is refused by other readers",
    ),
    (
        "an empty line after the first",
        "other readers take it for the end of headers",
    ),
    (
        "no-break space after",
        "it is no white space of ASCII, and other readers refuse it",
    ),
    (
        "byte order mark",
        "programs and other variables break on it",
    ),
    // RFC 7517 and 7518.
    ("with padding", "RFC 7515: base64url without padding"),
    (
        "with a line break",
        "RFC 7515: base64url without line breaks",
    ),
    (
        "without its primes",
        "a key without its primes is not written back by every library",
    ),
    (
        r#"use is "enc""#,
        "the key says that it is not for signatures",
    ),
    (r#"use is "sign""#, "RFC 7517: sig"),
    (r#"alg is """#, "it states an algorithm, and none"),
    (
        r#"key_ops is ["verify"]"#,
        "the key says that it does not sign",
    ),
    (r#"key_ops is "sign""#, "RFC 7517: an array"),
    (r#"kid is """#, "tokens without an id find no key"),
    (
        r#"kid is "kkk"#,
        "an id of 257 bytes: headers and file names end before",
    ),
    ("kid is 7", "RFC 7517: a text"),
    // Sizes.
    ("RSA 1024", "RFC 7518: at least 2048 bits"),
    (
        "hybrid",
        "no standard of keys allows hybrid points, and other libraries refuse them",
    ),
];

#[derive(Deserialize)]
struct Row {
    name: String,
    algorithm: String,
    format: String,
    text: String,
    /// `None` where OpenSSL has no say: it knows no JWK, and judges no symmetric key.
    openssl: Option<bool>,
    pyjwt: bool,
}

#[test]
fn the_gate_import_and_their_peers_agree_on_every_key() {
    let rows = corpus();
    let schedule = schedule();
    let (mut differ, mut gate_alone, mut import_alone) = (Vec::new(), Vec::new(), Vec::new());
    let (mut fit, mut stricter, mut unexplained) = (0, BTreeMap::new(), Vec::new());
    for row in &rows {
        let (gate, import) = (gate(&schedule, row), import(&schedule, row));
        let peers = row.openssl.unwrap_or(true) && row.pyjwt;
        if gate.is_ok() != import.is_ok() {
            differ.push(format!("{}: gate {gate:?}, import {import:?}", row.name));
        }
        if gate.is_ok() && !peers {
            gate_alone.push(row.name.as_str());
        }
        if import.is_ok() && !peers {
            import_alone.push(row.name.as_str());
        }
        fit += usize::from(gate.is_ok() && import.is_ok());
        if peers && gate.is_err() && import.is_err() {
            match STRICTER.iter().find(|(form, _)| row.name.contains(form)) {
                Some((form, _)) => *stricter.entry(*form).or_insert(0) += 1,
                None => unexplained.push(format!("{}: {gate:?}, {import:?}", row.name)),
            }
        }
    }
    println!(
        "{} key texts, {fit} fit; gate and import differ on {}; fit though a peer refuses: gate {}, import {}; \
         refused though both peers take them: {} with a reason, {} without",
        rows.len(),
        differ.len(),
        gate_alone.len(),
        import_alone.len(),
        stricter.values().sum::<usize>(),
        unexplained.len(),
    );
    assert!(rows.len() > 2000 && fit > 250, "half a corpus");
    assert!(
        differ.is_empty(),
        "gate and import differ:\n{}",
        differ.join("\n")
    );
    assert!(
        gate_alone.is_empty(),
        "a peer refuses:\n{}",
        gate_alone.join("\n")
    );
    assert!(
        import_alone.is_empty(),
        "a peer refuses:\n{}",
        import_alone.join("\n")
    );
    assert!(
        unexplained.is_empty(),
        "no reason:\n{}",
        unexplained.join("\n")
    );
    let idle: Vec<_> = STRICTER
        .iter()
        .filter(|(form, _)| !stricter.contains_key(form))
        .collect();
    assert!(idle.is_empty(), "reasons for nothing: {idle:?}");
}

fn corpus() -> Vec<Row> {
    let python = venv("python");
    assert!(python.exists(), "PyJWT is missing: run tests/run");
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys/corpus.py"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "corpus.py failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A real schedule, so that the rules are those of `check` and `run`.
fn schedule() -> Environment {
    let directory = tempfile::tempdir().unwrap();
    let mut text = HEAD.to_owned();
    for (algorithm, format) in KINDS {
        let name = variable(algorithm, format);
        let readers = match algorithm {
            "HS256" => "accept_invalidation = true",
            _ => "jwks_max_age = \"5s\"",
        };
        text.push_str(&format!(
            "[secrets.{}]\nkind = \"jwt\"\nalgorithm = \"{algorithm}\"\nformat = \"{format}\"\n\
             token_ttl = \"5s\"\n{readers}\nenv = \"{name}\"\n",
            name.to_lowercase(),
        ));
    }
    let schedules = directory.path().join("schedules");
    std::fs::create_dir(&schedules).unwrap();
    std::fs::write(schedules.join("development.toml"), text).unwrap();
    let mut loaded = config::load(
        &schedules,
        None,
        jiff::Timestamp::now(),
        &keyrota::kinds::registry(),
    );
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    loaded.environments.remove(0)
}

fn variable(algorithm: &str, format: &str) -> String {
    format!("KEY{algorithm}{format}").to_uppercase()
}

/// What `check` and `run` say.
fn gate(schedule: &Environment, row: &Row) -> Result<(), String> {
    let name = variable(&row.algorithm, &row.format);
    let rules = gate_rules::rules(schedule, None, &[]);
    let rule = rules
        .into_iter()
        .find(|rule| rule.variable == name)
        .unwrap();
    let problems = keyrota_gate::check(&[rule], &|_| Some(row.text.as_bytes()));
    match problems.first() {
        None => Ok(()),
        Some(problem) => Err(problem.remedy.clone()),
    }
}

/// What `import` says: nothing that nobody means, and a key that its rotator adopts.
fn import(schedule: &Environment, row: &Row) -> Result<(), String> {
    let name = variable(&row.algorithm, &row.format).to_lowercase();
    let secret = schedule.secrets.iter().find(|s| s.name == name).unwrap();
    if let Some(why) = gate_rules::unmeant(secret, row.text.as_bytes()).first() {
        return Err((*why).to_owned());
    }
    let value = SecretValue::copy_of(row.text.as_bytes());
    match rotator(row).adopt(value, &mut Zeros) {
        Ok(_) => Ok(()),
        Err(why) => Err(why.to_string()),
    }
}

fn rotator(row: &Row) -> Jwt {
    let algorithm = match row.algorithm.as_str() {
        "RS256" => Algorithm::Rs256 { bits: 2048 },
        "ES256" => Algorithm::Es256,
        "EdDSA" => Algorithm::EdDsa,
        _ => Algorithm::Hs256 { bytes: 32 },
    };
    let format = match row.format.as_str() {
        "pem" => Format::Pem,
        "jwk" => Format::Jwk,
        _ => Format::Raw,
    };
    Jwt::new(algorithm, format).unwrap()
}

/// Adopting draws a key id at most.
struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
