//! Servers with the right certificate that lie: they ask for passwords, and send without end. Each is
//! a small listener of the test's own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An encrypted connection of a client's.
pub type Client = StreamOwned<ServerConnection, TcpStream>;

/// A listener that does one thing with every client, and keeps all that it hears.
pub struct Hostile {
    directory: tempfile::TempDir,
    pub port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

/// What a client sent, read and kept.
pub struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// One read of whatever comes.
    pub fn read(&self, client: &mut impl Read) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 4096];
        let n = client.read(&mut bytes).ok().filter(|n| *n > 0)?;
        bytes.truncate(n);
        self.0.lock().unwrap().extend_from_slice(&bytes);
        Some(bytes)
    }
}

impl Hostile {
    /// Speaks Postgres: after the startup message, `act` begins.
    pub fn postgres(act: impl Fn(&mut Client, &Heard) + Send + Sync + 'static) -> Self {
        Self::start(move |mut client, tls, heard| {
            let mut request = [0; 8];
            if client.read_exact(&mut request).is_err() || client.write_all(b"S").is_err() {
                return;
            }
            let connection = ServerConnection::new(tls).unwrap();
            let mut client = StreamOwned::new(connection, client);
            if heard.read(&mut client).is_some() {
                act(&mut client, heard);
            }
        })
    }

    /// Speaks MySQL: greets, proposing a method, and after the client's login `act` begins.
    pub fn mysql(
        method: &'static str,
        act: impl Fn(&mut Client, &Heard) + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |mut client, tls, heard| {
            let mut request = [0; 36];
            let sent = client.write_all(&packet(0, &greeting(method)));
            if sent.is_err() || client.read_exact(&mut request).is_err() {
                return;
            }
            let connection = ServerConnection::new(tls).unwrap();
            let mut client = StreamOwned::new(connection, client);
            if heard.read(&mut client).is_some() {
                act(&mut client, heard);
            }
        })
    }

    /// Says whatever it likes, without TLS.
    pub fn plain(act: impl Fn(&mut TcpStream, &Heard) + Send + Sync + 'static) -> Self {
        Self::start(move |mut client, _, heard| act(&mut client, heard))
    }

    fn start(act: impl Fn(TcpStream, Arc<ServerConfig>, &Heard) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tls = certificate(directory.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        let act = Arc::new(act);
        // They end with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (act, tls, heard) = (act.clone(), tls.clone(), Heard(kept.clone()));
                std::thread::spawn(move || act(client, tls, &heard));
            }
        });
        Self {
            directory,
            port,
            heard,
        }
    }

    /// The authority of its certificate, which is for `localhost` and 127.0.0.1.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// Whether a client ever sent these bytes.
    pub fn heard(&self, bytes: &[u8]) -> bool {
        let heard = self.heard.lock().unwrap();
        heard.windows(bytes.len()).any(|w| w == bytes)
    }
}

/// What a server says: a piece for each thing that it hears. A message is a kind (or a number) and a body.
pub type Talk = Vec<Vec<(u8, Vec<u8>)>>;

/// The bytes of its pieces; a test may change them between two clients.
pub type Script = Arc<Mutex<Vec<Vec<u8>>>>;

/// Says the pieces of a script, and goes.
pub fn recite(script: &Script) -> impl Fn(&mut Client, &Heard) + Send + Sync + 'static {
    let script = script.clone();
    move |client, heard| {
        let pieces = script.lock().unwrap().clone();
        let short = Some(Duration::from_millis(100));
        client.sock.set_read_timeout(short).unwrap();
        for (n, piece) in pieces.iter().enumerate() {
            if n > 0 {
                heard.read(client);
            }
            let _ = client.write_all(piece);
            let _ = client.flush();
        }
    }
}

/// A talk as bytes.
pub fn spoken(talk: &Talk, write: fn(u8, &[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let piece = |piece: &Vec<(u8, Vec<u8>)>| piece.iter().flat_map(|(k, b)| write(*k, b)).collect();
    talk.iter().map(piece).collect()
}

/// The talk with one message cut short: each message, at each length. Its head says how long it is.
pub fn cut_short(talk: &Talk) -> impl Iterator<Item = Talk> {
    let places = talk.iter().enumerate().flat_map(|(piece, messages)| {
        let lengths = messages.iter().enumerate();
        lengths.flat_map(move |(at, (_, body))| (0..body.len()).map(move |n| (piece, at, n)))
    });
    places.map(|(piece, at, length)| {
        let mut cut = talk.clone();
        cut[piece][at].1.truncate(length);
        cut
    })
}

/// What a MySQL server says first, proposing a method.
pub fn greeting(method: &str) -> Vec<u8> {
    let begin = b"\x0a8.0.0-lies\0\x01\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15";
    [
        &begin[..],
        &[0; 10],
        b"abcdefghijkl\0",
        method.as_bytes(),
        &[0],
    ]
    .concat()
}

/// A message of Postgres'.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// A packet of MySQL's.
pub fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], body].concat()
}

/// Sends until the client has enough; how much that was.
pub fn flood(client: &mut impl Write, enough: usize) -> usize {
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while sent < enough && client.write_all(&piece).is_ok() {
        sent += piece.len();
    }
    sent
}

fn certificate(at: &Path) -> Arc<ServerConfig> {
    let run = |arguments: &str| {
        let mut openssl = Command::new("openssl");
        let ran = openssl.current_dir(at).args(arguments.split(' ')).output();
        assert!(ran.unwrap().status.success(), "{arguments}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    run(&format!(
        "req -x509 {key} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt"
    ));
    let names = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    run(&format!(
        "req {key} -subj /CN=localhost {names} -keyout server.key -out server.csr"
    ));
    run(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out server.crt",
    );
    let chain = CertificateDer::pem_file_iter(at.join("server.crt")).unwrap();
    let chain = chain.map(|c| c.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(at.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}
