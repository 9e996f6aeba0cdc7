//! Nothing of a value or a token is in what is logged, at the most verbose.

use std::io::Write;
use std::sync::{Arc, Mutex};

use keyrota::commands::log;
use keyrota_contract::{ErrorKind, Place, Provider, VersionRef};
use keyrota_rest::vault::{Auth, VaultProvider};
use reqwest::Method;
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

use super::{CURRENT, PREVIOUS, id, kind, make_current, write};
use crate::support::leaks::Leaks;
use crate::support::openbao::{OpenBao, input};

const OLD: &str = "canary-1f6b0e93-old";
const NEW: &str = "canary-1f6b0e93-\"new\"";
const HAND: &str = "canary-1f6b0e93-by-hand";
const SECRET_ID: &str = "canary-1f6b0e93-secret-id";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Everything the provider does, refusals and failures too.
async fn everything(server: &OpenBao) {
    let p = server.provider(server.root_token());
    let at = Place {
        path: "app/canary".into(),
        field: Some("password".into()),
    };
    server
        .put("app/canary", json!({"password": HAND, "other": HAND}))
        .await;
    p.preflight(&at).await.unwrap();
    make_current(&p, &at, 1, OLD).await;
    let from = make_current(&p, &at, 2, NEW).await;
    for v in [CURRENT, PREVIOUS, VersionRef::Ours(id(1))] {
        p.read(&at, &v).await.unwrap().unwrap();
    }
    p.destroy(&at, &PREVIOUS).await.unwrap();
    write(&p, &at, 3, OLD).await.unwrap();
    assert_eq!(
        kind(write(&p, &at, 3, NEW).await),
        Some(ErrorKind::Conflict)
    );
    server
        .put("app/canary", json!({"password": HAND, "other": HAND}))
        .await;
    let stale = p.promote(&at, id(3), Some(&from)).await;
    assert_eq!(kind(stale), Some(ErrorKind::Conflict));
    let whole = Place::new("app/canary");
    assert_eq!(
        kind(p.read(&whole, &CURRENT).await),
        Some(ErrorKind::Invalid)
    );

    server
        .ok(
            Method::POST,
            "sys/auth/approle",
            Some(json!({"type": "approle"})),
        )
        .await;
    let role = Auth::AppRole {
        mount: "approle".into(),
        role_id: "nobody".into(),
        secret_id: input(SECRET_ID),
    };
    let role = VaultProvider::new(server.config(role)).unwrap();
    assert_eq!(kind(role.describe(&at).await), Some(ErrorKind::Denied));
    let bogus = server
        .provider("s.canary-1f6b0e93-token")
        .describe(&at)
        .await;
    assert_eq!(kind(bogus), Some(ErrorKind::Unavailable));
    server.seal().await;
    assert_eq!(
        kind(write(&p, &at, 4, NEW).await),
        Some(ErrorKind::Unavailable)
    );
}

async fn said(cap: bool) -> (String, String) {
    let server = OpenBao::start().await;
    let captured = Captured::default();
    let verbose = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("trace,rustify::client=trace,[exec]=trace"))
        .with_writer(captured.clone())
        .with_ansi(false)
        .finish();
    if cap {
        let _on = tracing::subscriber::set_default(verbose.with(log::cap()));
        everything(&server).await;
    } else {
        let _on = tracing::subscriber::set_default(verbose);
        everything(&server).await;
    }
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    (text, server.root_token().to_owned())
}

fn leaks(text: &str, root: &str) -> Vec<String> {
    let leaks = Leaks::of(&[
        ("old", OLD),
        ("new", NEW),
        ("by hand", HAND),
        ("secret id", SECRET_ID),
        ("token", root),
        ("mark", "canary-1f6b0e93"),
    ]);
    leaks.in_text("log", text.as_bytes())
}

#[tokio::test]
async fn under_the_cap_the_crates_below_say_nothing() {
    let (text, root) = said(true).await;
    assert_eq!(leaks(&text, &root), [""; 0]);
    for (line, below) in text
        .lines()
        .flat_map(|l| ["vaultrs", "rustify"].map(|c| (l, c)))
    {
        assert!(!line.contains(below), "{line}");
    }
}

/// The cap is the second lock: even without it there is nothing to be found.
#[tokio::test]
async fn even_without_the_cap_no_value_is_said() {
    let (text, root) = said(false).await;
    assert!(text.contains("rustify"), "the capture hears nothing");
    assert_eq!(leaks(&text, &root), [""; 0]);
}
