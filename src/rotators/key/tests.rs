#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use super::super::testing::Seeded;
use super::*;

const RS256: Algorithm = Algorithm::Rs256(KeySize::Rsa2048);
const ALL: [Algorithm; 3] = [RS256, Algorithm::Es256, Algorithm::EdDsa];

/// RFC 8037, appendix A.1 to A.3: a key, its public half and its thumbprint.
#[test]
fn the_ed25519_key_of_rfc_8037() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = Key::read(Algorithm::EdDsa, KeyForm::Jwk, jwk).unwrap();
    let public = key.public().unwrap();
    assert_eq!(public.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(key.matches(&public));
}

/// RFC 7515, appendix A.3: an ES256 key.
#[test]
fn the_p256_key_of_rfc_7515() {
    let jwk = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let key = Key::read(Algorithm::Es256, KeyForm::Jwk, jwk).unwrap();
    assert!(key.matches(&key.public().unwrap()));
}

#[test]
fn both_texts_give_the_same_key_back() {
    for algorithm in ALL {
        let key = Key::generate(algorithm, &mut Seeded(5)).unwrap();
        let public = key.public().unwrap();
        assert!(key.matches(&public), "{algorithm:?}");
        let (pem, jwk) = (key.to_pem().unwrap(), key.to_jwk().unwrap());
        for again in [
            Key::read(algorithm, KeyForm::Pem, &pem),
            Key::read(algorithm, KeyForm::Jwk, &jwk),
        ] {
            let again = again.unwrap();
            assert_eq!(again.public().unwrap(), public, "{algorithm:?}");
            assert_eq!(*again.private, *key.private, "{algorithm:?}");
        }
        // The buffers were large enough from the start: nothing was copied behind our back.
        assert!(jwk.capacity() < public.to_json().len() + 2 * key.private.len() + 200);
    }
}

#[test]
fn another_algorithm_is_named() {
    for made in ALL {
        let key = Key::generate(made, &mut Seeded(6)).unwrap();
        let (pem, jwk) = (key.to_pem().unwrap(), key.to_jwk().unwrap());
        for wanted in ALL.into_iter().filter(|a| *a != made) {
            for (form, text) in [(KeyForm::Pem, &pem), (KeyForm::Jwk, &jwk)] {
                let complaint = Key::read(wanted, form, text).err().unwrap();
                assert!(complaint.contains("not of the algorithm"), "{complaint}");
            }
        }
    }
}

#[test]
fn halves_of_two_keys_are_refused() {
    for algorithm in ALL {
        let a = Key::generate(algorithm, &mut Seeded(7)).unwrap();
        let b = Key::generate(algorithm, &mut Seeded(8)).unwrap();
        let (a_public, b_public) = (a.public().unwrap(), b.public().unwrap());
        assert_ne!(a_public.kid, b_public.kid, "{algorithm:?}");
        assert!(!a.matches(&b_public), "{algorithm:?}");
        let mixed = match algorithm {
            Algorithm::Rs256(_) => a
                .to_jwk()
                .unwrap()
                .replace(a_public.n.as_ref().unwrap(), b_public.n.as_ref().unwrap()),
            _ => a
                .to_jwk()
                .unwrap()
                .replace(a_public.x.as_ref().unwrap(), b_public.x.as_ref().unwrap()),
        };
        assert_eq!(
            Key::read(algorithm, KeyForm::Jwk, &mixed).err(),
            Some(DAMAGED),
            "{algorithm:?}"
        );
    }
}

/// Runs `openssl` (Debian package `openssl`) and gives its output.
fn openssl(args: &str, input: &str) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("openssl")
        .args(args.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test needs the program openssl");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn openssl_finds_our_keys_sound() {
    for algorithm in ALL {
        let pem = Key::generate(algorithm, &mut Seeded(9))
            .unwrap()
            .to_pem()
            .unwrap();
        assert!(!pem.ends_with('\n'));
        // The same bytes come back: PKCS#8 version 1, lines of 64.
        assert_eq!(
            openssl("pkey -check", &pem)
                .replace("Key is valid\n", "")
                .trim(),
            &pem[..]
        );
    }
}

#[test]
fn keys_that_openssl_made_are_read() {
    for (algorithm, args) in [
        (RS256, "genrsa -traditional 2048"),
        (
            RS256,
            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
        ),
        (Algorithm::Es256, "ecparam -name prime256v1 -genkey -noout"),
        (
            Algorithm::Es256,
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        ),
        (Algorithm::EdDsa, "genpkey -algorithm ED25519"),
    ] {
        let key = Key::read(algorithm, KeyForm::Pem, &openssl(args, "")).unwrap();
        assert!(key.matches(&key.public().unwrap()), "{args}");
    }
}

#[test]
fn what_cannot_be_used_is_told_apart() {
    let ed = openssl("genpkey -algorithm ED25519", "");
    for (algorithm, pem, word) in [
        (
            RS256,
            openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024", ""),
            "2048 bits",
        ),
        (
            Algorithm::Es256,
            openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384", ""),
            "algorithm",
        ),
        (
            Algorithm::Es256,
            openssl("ecparam -name secp384r1 -genkey -noout", ""),
            "algorithm",
        ),
        (
            Algorithm::EdDsa,
            openssl("pkcs8 -topk8 -passout pass:x", &ed),
            "passphrase",
        ),
        (
            Algorithm::EdDsa,
            openssl("pkey -pubout", &ed),
            "public half",
        ),
        (Algorithm::EdDsa, ed.replace('\n', "\\n"), "line breaks"),
        (Algorithm::EdDsa, format!("{ed}{ed}"), "two private keys"),
        (Algorithm::EdDsa, "hunter2".to_owned(), "not PEM"),
    ] {
        let complaint = Key::read(algorithm, KeyForm::Pem, &pem).err().unwrap();
        assert!(complaint.contains(word), "{complaint}, not {word}");
    }
    let whole = Key::generate(RS256, &mut Seeded(10)).unwrap();
    let (public, whole) = (whole.public().unwrap(), whole.to_jwk().unwrap());
    for (from, to, word) in [
        (public.n.as_deref().unwrap(), "AQAB", "wrong length"),
        (r#""d":"#, r#""other":"#, "public half"),
        (r#""qi":"#, r#""other":"#, "missing"),
        (r#"{"#, r#"{"oth":[],"#, "two primes"),
        ("sig", "enc", "signatures"),
        ("RS256", "RS512", "alg"),
        (&public.kid, "", "kid"),
        (r#""kty""#, r#""kid":7,"kty""#, "wrong type"),
    ] {
        let text = whole.replacen(from, to, 1);
        let complaint = Key::read(RS256, KeyForm::Jwk, &text).err().unwrap();
        assert!(complaint.contains(word), "{complaint}, not {word}");
    }
}
