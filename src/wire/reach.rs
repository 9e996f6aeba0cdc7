//! How a server is reached, and what can go wrong on the way.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// A server.
#[derive(Debug, Clone)]
pub enum At {
    /// Reached over TLS, with a verified name.
    Host(String, u16),
    /// A unix socket on this host.
    Socket(String),
}

/// What a Postgres server may do to be sure of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Have a proof that the password is known. Nothing of use to another is sent.
    Scram,
    /// Have the password's md5, which is as good as the password on any server that asks for it.
    Md5,
    /// Have the password.
    Password,
    /// Ask for nothing.
    Nothing,
}

/// Why a way ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no server, or it went away.
    Unreachable,
    /// No TLS, or not with this server.
    Untrusted,
    /// The server wants to be sure of the user in a way that is not allowed. `None`: by Kerberos, or
    /// another way that keyrota has not.
    Method(Option<Method>),
    /// A message, or an answer, is longer than any of use.
    Endless,
}

/// A connection, as bytes.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

pub(super) async fn reach(at: &At) -> Result<Box<dyn Bytes>, Fault> {
    Ok(match at {
        At::Host(host, port) => {
            let server = TcpStream::connect((host.as_str(), *port)).await;
            let server = server.map_err(|_| Fault::Unreachable)?;
            server.set_nodelay(true).map_err(|_| Fault::Unreachable)?;
            Box::new(server)
        }
        At::Socket(path) => {
            let server = UnixStream::connect(path).await;
            Box::new(server.map_err(|_| Fault::Unreachable)?)
        }
    })
}

/// As the driver would have it: public authorities, and those of the file.
pub(super) fn tls(pem: &[u8]) -> Result<Arc<ClientConfig>, Fault> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| Fault::Untrusted)?;
        roots.add(certificate).map_err(|_| Fault::Untrusted)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Fault::Untrusted)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Encrypts a connection.
pub(super) async fn encrypt(
    server: Box<dyn Bytes>,
    host: &str,
    tls: &Arc<ClientConfig>,
) -> Result<Box<dyn Bytes>, Fault> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Fault::Untrusted)?;
    match TlsConnector::from(tls.clone()).connect(name, server).await {
        Ok(server) => Ok(Box::new(server)),
        // How rustls says what it thinks of a certificate.
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(Fault::Untrusted),
        Err(_) => Err(Fault::Unreachable),
    }
}
