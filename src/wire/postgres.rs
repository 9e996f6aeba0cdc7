//! Postgres' protocol, as far as it is watched: <https://www.postgresql.org/docs/current/protocol.html>

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::reach::{self, At, Bytes, Fault, Method, encrypt};

/// All that a server says until a session begins: a few kilobytes.
const LOGIN_BYTES_MAX: usize = 64 * 1024;
/// The work that even the shortest message makes, in bytes.
const MESSAGE_COST: usize = 64;
/// Messages up to here are passed on in one piece.
const PIECE: usize = 16 * 1024;

/// A server that will hear of a login; encrypted, but for a socket on this host.
pub(super) async fn reach(at: &At, tls: &Arc<ClientConfig>) -> Result<Box<dyn Bytes>, Fault> {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
    let mut server = reach::reach(at).await?;
    let At::Host(host, _) = at else {
        return Ok(server);
    };
    let gone = |_| Fault::Unreachable;
    server.write_all(&SSL_REQUEST).await.map_err(gone)?;
    server.flush().await.map_err(gone)?;
    match server.read_u8().await.map_err(gone)? {
        b'S' => encrypt(server, host, tls).await,
        b'N' => Err(Fault::Untrusted),
        _ => Err(Fault::Unreachable),
    }
}

/// Carries one session.
pub(super) async fn carry(
    driver: &mut UnixStream,
    server: Box<dyn Bytes>,
    methods: &[Method],
    answer_bytes_max: usize,
) -> Result<(), Fault> {
    let gone = |_| Fault::Unreachable;
    let (mut from_driver, mut to_driver) = driver.split();
    let (from_server, mut to_server) = tokio::io::split(server);
    // What the server has said since the driver last spoke.
    let answered = AtomicUsize::new(0);
    let up = async {
        let mut bytes = vec![0; PIECE];
        loop {
            match from_driver.read(&mut bytes).await {
                Ok(0) | Err(_) => {
                    let _ = to_server.shutdown().await;
                    return Ok(());
                }
                Ok(n) => {
                    answered.store(0, Ordering::Relaxed);
                    to_server.write_all(&bytes[..n]).await.map_err(gone)?;
                    to_server.flush().await.map_err(gone)?;
                }
            }
        }
    };
    let down = async {
        let mut from_server = BufReader::with_capacity(PIECE, from_server);
        let mut login = Login::new(methods);
        let mut out = Vec::with_capacity(PIECE);
        loop {
            // What came together goes together.
            if from_server.buffer().is_empty() || out.len() >= PIECE {
                to_driver.write_all(&out).await.map_err(gone)?;
                out.clear();
            }
            let mut head = [0; 5];
            if from_server.read_exact(&mut head).await.is_err() {
                return Ok(());
            }
            let [kind, length @ ..] = head;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            let body = length.checked_sub(4).ok_or(Fault::Endless)?;
            let cost = length.max(MESSAGE_COST);
            let so_far = answered.load(Ordering::Relaxed).saturating_add(cost);
            let question = kind == b'R' && length > PIECE;
            if so_far > answer_bytes_max || question || !login.has_room_for(cost) {
                return Err(Fault::Endless);
            }
            answered.store(so_far, Ordering::Relaxed);
            out.extend_from_slice(&head);
            let mut left = body;
            while login.is_over() && left > PIECE {
                to_driver.write_all(&out).await.map_err(gone)?;
                out.resize(PIECE, 0);
                from_server.read_exact(&mut out).await.map_err(gone)?;
                left = left.saturating_sub(PIECE);
            }
            let begun = out.len();
            out.resize(begun.saturating_add(left), 0);
            let rest = out.get_mut(begun..).unwrap_or_default();
            from_server.read_exact(rest).await.map_err(gone)?;
            login.hear(kind, rest)?;
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// What a server has said before its session began.
struct Login<'a> {
    methods: &'a [Method],
    /// Nothing more may be asked for.
    proved: bool,
    let_in: bool,
    over: bool,
    bytes: usize,
}

impl<'a> Login<'a> {
    fn new(methods: &'a [Method]) -> Self {
        Self {
            methods,
            proved: false,
            let_in: false,
            over: false,
            bytes: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn has_room_for(&mut self, length: usize) -> bool {
        self.bytes = self.bytes.saturating_add(length);
        self.over || self.bytes <= LOGIN_BYTES_MAX
    }

    /// Judges a message before the driver sees it. `R` is a question about the user, or says that the
    /// user is let in; it is judged as long as the connection lasts.
    fn hear(&mut self, kind: u8, body: &[u8]) -> Result<(), Fault> {
        // Questions, errors, notices and the protocol's version come before the user is let in. The
        // driver would take anything else for having been let in.
        if !self.let_in && !matches!(kind, b'R' | b'E' | b'N' | b'v') {
            return Err(Fault::Method(Some(Method::Nothing)));
        }
        match (kind, body) {
            // The driver ends the program for these.
            (b'Z', []) | (b'R', [0, 0, 0, 5]) => Err(Fault::Method(None)),
            (b'K', key) if key.len() < 8 => Err(Fault::Method(None)),
            (b'R', [a, b, c, d, ..]) => {
                let asked = match u32::from_be_bytes([*a, *b, *c, *d]) {
                    // Let in.
                    0 if self.proved => {
                        self.let_in = true;
                        return Ok(());
                    }
                    0 => Method::Nothing,
                    3 => Method::Password,
                    5 => Method::Md5,
                    // SCRAM's three messages; the driver takes them in this order only, and believes
                    // the last by the server's own proof.
                    10 | 11 => Method::Scram,
                    12 => {
                        self.proved = true;
                        Method::Scram
                    }
                    _ => return Err(Fault::Method(None)),
                };
                if !self.methods.contains(&asked) {
                    return Err(Fault::Method(Some(asked)));
                }
                self.proved |= matches!(asked, Method::Password | Method::Md5);
                self.let_in |= asked == Method::Nothing;
                Ok(())
            }
            (b'R', _) => Err(Fault::Method(None)),
            (b'Z', _) => {
                self.over = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(code: u32) -> Vec<u8> {
        [&code.to_be_bytes()[..], b"anything"].concat()
    }

    /// Every code of the protocol's, and some that it does not have, against every list.
    #[test]
    fn only_what_is_listed_is_heard() {
        use Method::{Md5, Nothing, Password, Scram};
        let all = [Scram, Md5, Password, Nothing];
        for code in (0..=20).chain([u32::MAX]) {
            for mask in 0..16_u32 {
                let listed = |i: usize| mask & (1 << i) != 0;
                let methods: Vec<_> = (0..4).filter(|i| listed(*i)).map(|i| all[i]).collect();
                let means = match code {
                    0 => Some(Nothing),
                    3 => Some(Password),
                    5 => Some(Md5),
                    10..=12 => Some(Scram),
                    _ => None,
                };
                let heard = Login::new(&methods).hear(b'R', &asked(code));
                let allowed = means.is_some_and(|m| methods.contains(&m));
                assert_eq!(heard.is_ok(), allowed, "{code} {methods:?}");
                if !allowed {
                    assert_eq!(heard, Err(Fault::Method(means)));
                }
            }
        }
        for short in [&b""[..], b"\0", b"\0\0\0"] {
            assert!(Login::new(&all).hear(b'R', short).is_err());
        }
    }

    /// Whoever skips the questions has proved nothing, and was proved nothing.
    #[test]
    fn nothing_is_heard_before_the_user_is_let_in() {
        let early = [b'R', b'E', b'N', b'v'];
        let skipped = Err(Fault::Method(Some(Method::Nothing)));
        for kind in (0..=u8::MAX).filter(|kind| !early.contains(kind)) {
            let mut login = Login::new(&[Method::Scram]);
            assert_eq!(login.hear(kind, b"I"), skipped, "{kind}");
            for code in [10, 11, 12] {
                assert_eq!(login.hear(b'R', &asked(code)), Ok(()));
                assert_eq!(login.hear(kind, b"I"), skipped, "{kind} after {code}");
            }
        }
        for (kind, body) in [(b'Z', &b""[..]), (b'K', b""), (b'K', b"1234567")] {
            let mut login = Login::new(&[Method::Nothing]);
            assert_eq!(login.hear(b'R', &asked(0)), Ok(()));
            assert_eq!(login.hear(kind, body), Err(Fault::Method(None)));
        }
        let mut login = Login::new(&[Method::Md5]);
        assert!(login.hear(b'R', &5_u32.to_be_bytes()).is_err());
    }

    #[test]
    fn a_proof_lets_in_and_no_later_question_is_heard() {
        let mut login = Login::new(&[Method::Scram]);
        for code in [10, 11, 12, 0] {
            assert_eq!(login.hear(b'R', &asked(code)), Ok(()));
        }
        let clear = Err(Fault::Method(Some(Method::Password)));
        assert_eq!(login.hear(b'R', &asked(3)), clear);
        assert_eq!(login.hear(b'Z', b"I"), Ok(()));
        assert_eq!(login.hear(b'R', &asked(3)), clear);
        // SCRAM that was begun is no proof.
        let mut login = Login::new(&[Method::Scram]);
        for code in [10, 11] {
            assert_eq!(login.hear(b'R', &asked(code)), Ok(()));
        }
        let unproved = Err(Fault::Method(Some(Method::Nothing)));
        assert_eq!(login.hear(b'R', &asked(0)), unproved);
    }
}
