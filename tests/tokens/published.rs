//! `jwks_url`: a new key signs only after the document that verifiers read shows it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::spawn;

use super::bed::Bed;

/// Serves the key set of a time before, as a cache does, until it was asked so often.
const OLD_ANSWERS: usize = 2;

#[test]
fn a_key_waits_until_its_public_document_shows_it() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json", server.local_addr().unwrap());
    let bed = Bed::new("EdDSA", "pem");
    bed.rotate(&["--wait"]).code(0);
    let first = bed.variable("KID");
    bed.with_line(&format!("jwks_url = \"{url}\""));
    let refused = bed.rotate(&[]);
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(
        refused.code != 0 && said.contains("jwks_private"),
        "{refused:?}"
    );

    bed.with_line(&format!("jwks_url = \"{url}\"\njwks_private = true"));
    let file = bed.published();
    let old = std::fs::read(&file).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    spawn(move || {
        for client in server.incoming() {
            let mut client = client.unwrap();
            let mut request = BufReader::new(client.try_clone().unwrap()).lines();
            while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let body = match count.fetch_add(1, Ordering::SeqCst) < OLD_ANSWERS {
                true => old.clone(),
                false => std::fs::read(&file).unwrap(),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            client
                .write_all(&[head.as_bytes(), &body].concat())
                .unwrap();
        }
    });
    let asked = || asked.load(Ordering::SeqCst);
    // Announced, and the document does not show it: the old key signs.
    bed.rotate(&[]);
    assert!((1..=OLD_ANSWERS).contains(&asked()), "{}", asked());
    assert_eq!(bed.variable("KID"), first);
    let set = std::fs::read_to_string(bed.published()).unwrap();
    assert_eq!(set.matches("\"kid\"").count(), 2, "the consumer has both");
    bed.rotate(&["--wait"]).code(0);
    assert!(asked() > OLD_ANSWERS, "{}", asked());
    assert_ne!(bed.variable("KID"), first);
}
