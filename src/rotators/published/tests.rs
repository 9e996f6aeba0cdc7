#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustls::CertificateError;

use super::error::of_tls;
use super::*;

/// Answers one request with exactly these bytes; gives the address.
async fn serve(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(&answer).await;
    });
    url
}

fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[tokio::test]
async fn what_servers_answer() {
    let set = r#"{"keys":[{"kid":"one","kty":"oct?"},{"kty":"EC"}],"extra":1}"#;
    let long = format!("{{\"keys\":[]}}{}", " ".repeat(BODY_BYTES_MAX));
    let status = |line: &str| format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n").into_bytes();
    for (answer, expected) in [
        (ok(set), Ok(true)),
        (ok(&set.replace("one", "two")), Ok(false)),
        (ok(r#"{"keys":[]}"#), Ok(false)),
        (
            ok("<html>captive portal</html>"),
            Err(PublishedError::NotJson),
        ),
        (ok(r#"{"key":[]}"#), Err(PublishedError::NotASet)),
        (ok("[]"), Err(PublishedError::NotASet)),
        (ok(&long), Err(PublishedError::TooLarge)),
        (
            status("302 Found\r\nlocation: http://127.0.0.1:1/"),
            Err(PublishedError::Redirect),
        ),
        (status("304 Not Modified"), Err(PublishedError::Redirect)),
        (status("404 Not Found"), Err(PublishedError::NotFound)),
        (status("403 Forbidden"), Err(PublishedError::Denied)),
        (status("500 Oops"), Err(PublishedError::Status)),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec(),
            Err(PublishedError::Broken),
        ),
        (b"hello".to_vec(), Err(PublishedError::Broken)),
    ] {
        let published = Published::new(&serve(answer.clone()).await, None, true).unwrap();
        let text = String::from_utf8_lossy(&answer[..answer.len().min(80)]).into_owned();
        assert_eq!(published.shows("one").await, expected, "{text}");
    }
}

#[test]
fn addresses() {
    use PublishedError::{Never, Private, Url};
    for (url, public, private) in [
        ("https://id.example.com/.well-known/jwks.json", None, None),
        ("https://8.8.8.8/jwks", None, None),
        ("http://127.0.0.1:8080/jwks", Some(Private), None),
        ("http://[::1]:8080/jwks", Some(Private), None),
        ("http://localhost/jwks", Some(Private), None),
        ("https://10.0.0.1/jwks", Some(Private), None),
        ("https://2130706433/jwks", Some(Private), None),
        ("https://[fd12::1]/jwks", Some(Private), None),
        ("https://169.254.169.254/latest", Some(Never), Some(Never)),
        ("https://0xa9fea9fe/latest", Some(Never), Some(Never)),
        ("https://169.254.169.254./latest", Some(Never), Some(Never)),
        (
            "https://[::ffff:a9fe:a9fe]/latest",
            Some(Never),
            Some(Never),
        ),
        ("https://[fe80::1]/latest", Some(Never), Some(Never)),
        (
            "https://metadata.google.internal/",
            Some(Never),
            Some(Never),
        ),
        ("http://id.example.com/jwks", Some(Url), Some(Url)),
        ("http://127.0.0.1.example.com/jwks", Some(Url), Some(Url)),
        ("http://10.0.0.1/jwks", Some(Url), Some(Url)),
        (
            "https://user:password@id.example.com/jwks",
            Some(Url),
            Some(Url),
        ),
        ("file:///etc/passwd", Some(Url), Some(Url)),
        ("id.example.com/jwks", Some(Url), Some(Url)),
    ] {
        assert_eq!(Published::new(url, None, false).err(), public, "{url}");
        assert_eq!(Published::new(url, None, true).err(), private, "{url}");
    }
}

/// What the name leads to decides, not what it looks like.
#[tokio::test]
async fn a_name_is_judged_by_its_addresses() {
    let url = Url::parse("http://localhost:1/jwks").unwrap();
    let published = Published {
        url,
        ca_file: None,
        private: false,
    };
    assert_eq!(published.shows("one").await, Err(PublishedError::Private));
    let unknown = Published::new("https://keyrota.invalid/jwks", None, true).unwrap();
    assert_eq!(unknown.shows("one").await, Err(PublishedError::Name));
}

#[tokio::test]
async fn why_no_answer_came() {
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let ask = async |url: String, ca_file: Option<PathBuf>| {
        Published::new(&url, ca_file, true)
            .unwrap()
            .shows("one")
            .await
    };
    let closed = format!("http://127.0.0.1:{port}/jwks");
    assert_eq!(
        ask(closed.clone(), None).await,
        Err(PublishedError::Refused)
    );
    // No TLS at all behind an https address.
    let plain = serve(ok("{}")).await.replace("http:", "https:");
    assert_eq!(ask(plain, None).await, Err(PublishedError::Tls));
    let missing = Some(PathBuf::from("/nonexistent/ca.pem"));
    assert_eq!(ask(closed, missing).await, Err(PublishedError::CaFile));
    let invalid = |why| rustls::Error::InvalidCertificate(why);
    for (error, expected) in [
        (
            invalid(CertificateError::UnknownIssuer),
            PublishedError::Authority,
        ),
        (
            invalid(CertificateError::NotValidForName),
            PublishedError::OtherName,
        ),
        (invalid(CertificateError::Expired), PublishedError::Expired),
        (
            invalid(CertificateError::NotValidYet),
            PublishedError::NotYet,
        ),
        (invalid(CertificateError::Revoked), PublishedError::Tls),
        (rustls::Error::HandshakeNotComplete, PublishedError::Tls),
    ] {
        assert_eq!(of_tls(&error), expected);
    }
}

/// A server of OpenSSL's on this host, whose certificate a private authority signed for `name`. It
/// serves the files of `dir`.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(dir: &Path, name: &str) -> Self {
        let openssl = |line: &str| {
            let mut command = Command::new("openssl");
            command.args(line.split_whitespace()).current_dir(dir);
            command.stdin(Stdio::null()).stderr(Stdio::null());
            command
        };
        let make = |line: &str| {
            assert!(
                openssl(line)
                    .stdout(Stdio::null())
                    .status()
                    .unwrap()
                    .success(),
                "{line}"
            )
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        make(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca"
        ));
        make(&format!(
            "req {key} -keyout leaf.key -out leaf.csr -subj /CN=leaf"
        ));
        std::fs::write(dir.join("leaf.ext"), format!("subjectAltName=IP:{name}\n")).unwrap();
        make(
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile leaf.ext -out leaf.pem",
        );
        let mut process = openssl("s_server -accept 127.0.0.1:0 -cert leaf.pem -key leaf.key -WWW")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().strip_prefix("ACCEPT ")?.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        let port = address
            .unwrap()
            .rsplit_once(':')
            .unwrap()
            .1
            .parse()
            .unwrap();
        Self { process, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_private_authority_is_named_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("jwks.json"), r#"{"keys":[{"kid":"one"}]}"#).unwrap();
    for (name, with_ca) in [
        ("127.0.0.1", Ok(true)),
        ("127.0.0.2", Err(PublishedError::OtherName)),
    ] {
        let server = Server::start(dir.path(), name);
        let url = format!("https://127.0.0.1:{}/jwks.json", server.port);
        let ca_file = Some(dir.path().join("ca.pem"));
        let with = Published::new(&url, ca_file, true).unwrap();
        assert_eq!(with.shows("one").await, with_ca, "{name}");
        let without = Published::new(&url, None, true).unwrap();
        assert_eq!(
            without.shows("one").await,
            Err(PublishedError::Authority),
            "{name}"
        );
        std::fs::write(dir.path().join("empty.pem"), "").unwrap();
        let empty = Published::new(&url, Some(dir.path().join("empty.pem")), true).unwrap();
        assert_eq!(
            empty.shows("one").await,
            Err(PublishedError::CaFile),
            "{name}"
        );
    }
}

/// A variable for a proxy sends the question to nobody else.
#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    const CHILD: &str = "KEYROTA_TEST_PROXY_URL";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(url) = std::env::var(CHILD) {
        let published = Published::new(&url, None, true).unwrap();
        assert_eq!(runtime.block_on(published.shows("one")), Ok(true));
        return;
    }
    let url = runtime.block_on(serve(ok(r#"{"keys":[{"kid":"one"}]}"#)));
    let nobody = "http://127.0.0.1:1";
    let this = std::env::current_exe().unwrap();
    let name = "rotators::published::tests::a_proxy_of_the_environment_is_not_asked";
    let status = Command::new(this)
        .args([name, "--exact"])
        .env(CHILD, url)
        .env("http_proxy", nobody)
        .env("HTTP_PROXY", nobody)
        .env("https_proxy", nobody)
        .env("ALL_PROXY", nobody)
        .env_remove("NO_PROXY")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
