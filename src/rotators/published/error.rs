//! Why nothing was learnt about a public key set, told apart so that a person knows whom to ask.

use std::error::Error;
use std::{fmt, io};

use rustls::CertificateError;

/// Why nothing was learnt about a public key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishedError {
    /// Not an https address, or http to another host than this one, or with a password in it.
    Url,
    /// A link-local address or a metadata service.
    Never,
    /// This host or a private network, and the schedule does not allow it.
    Private,
    /// No HTTPS client: the system's certificates cannot be loaded.
    Client,
    /// `jwks_ca_file` cannot be used.
    CaFile,
    /// The DNS has no such host.
    Name,
    /// Nothing listens there.
    Refused,
    /// No way to the address.
    NoRoute,
    /// No answer in ten seconds.
    Timeout,
    /// An unknown authority signed the certificate.
    Authority,
    /// The certificate is another host's.
    OtherName,
    /// The certificate is out of date.
    Expired,
    /// The certificate is not valid yet.
    NotYet,
    /// Another trouble with TLS.
    Tls,
    /// The connection broke, or the answer is not HTTP.
    Broken,
    /// 404.
    NotFound,
    /// 401 or 403.
    Denied,
    /// Another status than 200.
    Status,
    /// A redirect, which is not followed.
    Redirect,
    /// More than one mebibyte.
    TooLarge,
    /// Not JSON.
    NotJson,
    /// Not `{"keys": […]}`.
    NotASet,
}

impl PublishedError {
    /// What a person reads.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Url => "jwks_url must be https without a user, or http to this host",
            Self::Never => "jwks_url leads to a link-local address or a metadata service",
            Self::Private => {
                "jwks_url leads to this host or a private network; write jwks_private = true if that is right"
            }
            Self::Client => {
                "no HTTPS client could be made; are the system's certificates installed?"
            }
            Self::CaFile => {
                "jwks_ca_file cannot be read, others can change it, or it holds no PEM certificate"
            }
            Self::Name => "the DNS does not know the host of jwks_url",
            Self::Refused => {
                "the host of jwks_url refuses the connection: nothing listens on that port"
            }
            Self::NoRoute => "there is no route to the host of jwks_url",
            Self::Timeout => "the host of jwks_url does not answer within ten seconds",
            Self::Authority => {
                "keyrota does not know the authority that signed the certificate at jwks_url; name its file in jwks_ca_file"
            }
            Self::OtherName => "the certificate at jwks_url is for another host name",
            Self::Expired => "the certificate at jwks_url has expired",
            Self::NotYet => "the certificate at jwks_url is not valid yet",
            Self::Tls => "the host of jwks_url and keyrota cannot agree on TLS",
            Self::Broken => {
                "the connection to the host of jwks_url broke, or the answer is not HTTP"
            }
            Self::NotFound => "the host of jwks_url knows no such path (404)",
            Self::Denied => {
                "the host of jwks_url asks for a login (401 or 403); verifiers have none"
            }
            Self::Status => "the host of jwks_url answered with another status than 200",
            Self::Redirect => "jwks_url redirects; state the address it leads to",
            Self::TooLarge => "the answer at jwks_url is larger than 1 MiB",
            Self::NotJson => "the answer at jwks_url is not JSON",
            Self::NotASet => "the answer at jwks_url is not a JSON Web Key Set",
        }
    }
}

impl fmt::Display for PublishedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl Error for PublishedError {}

/// Why a request got no answer: the first cause in it that says something.
pub(super) fn cause(error: &reqwest::Error) -> PublishedError {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        let io = error.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return PublishedError::Refused,
            Some(io::ErrorKind::TimedOut) => return PublishedError::Timeout,
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                return PublishedError::NoRoute;
            }
            _ => {}
        }
        // An io::Error passes over the error that it was made of.
        let inner = io.and_then(io::Error::get_ref);
        next = inner.map_or(error.source(), |inner| Some(inner));
    }
    PublishedError::Broken
}

pub(super) fn of_tls(error: &rustls::Error) -> PublishedError {
    let rustls::Error::InvalidCertificate(why) = error else {
        return PublishedError::Tls;
    };
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            PublishedError::Authority
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            PublishedError::OtherName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            PublishedError::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            PublishedError::NotYet
        }
        _ => PublishedError::Tls,
    }
}
