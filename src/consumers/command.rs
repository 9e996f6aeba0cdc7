//! A program of the administrator's, told by one JSON document on its standard input.
//!
//! # What the program gets
//! `{"v":1, "rotation", "environment", "secret", "round": "announce"|"switch"|"withdraw",
//! "fingerprint", "version"}`, and with `value = true` also `"variables": {NAME: text or null}`
//! (null: the variable must be absent). One line, then the end of the input. It is called again
//! with the same `rotation` and `round` after a crash or a lost answer.
//!
//! Never a value in its arguments or its environment, which is `PATH` and `LANG` alone; the working
//! directory is `/`; it leads a process group of its own.
//!
//! # What it answers
//! The exit code, as in `sysexits.h`: 0 it is done; 64, 65, 78 it never will be, as configured;
//! 75 and all others, and death by a signal: try again. After `timeout` its whole group gets
//! SIGTERM, five seconds later SIGKILL, and the delivery is tried again. What it prints is logged
//! at debug level, 64 KiB of it, without the values.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use keyrota_contract::{Ack, Consumer, Delivery, DeliveryError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::group::Group;
use super::scrub::Scrubber;

/// Which program, and what it may know.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// The program, by its absolute path, and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// Whether it is given the values.
    pub value: bool,
    /// How long it may take.
    pub timeout: Duration,
}

/// Tells a program.
#[derive(Debug)]
pub struct CommandConsumer {
    program: PathBuf,
    config: CommandConfig,
}

impl CommandConsumer {
    /// A consumer; whether the program can be run shows in its preflight.
    ///
    /// # Errors
    /// A sentence about the configuration: no program, a relative path, no time.
    pub fn new(config: CommandConfig) -> Result<Self, &'static str> {
        let program = PathBuf::from(config.argv.first().ok_or("argv names no program")?);
        if !program.is_absolute() {
            return Err(
                "argv begins with the absolute path of a program; there is no shell to look for it",
            );
        }
        if config.timeout.is_zero() {
            return Err("a program needs a timeout above zero");
        }
        Ok(Self { program, config })
    }

    fn spawn(&self) -> Result<Child, DeliveryError> {
        Command::new(&self.program)
            .args(&self.config.argv[1..])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                    DeliveryError::Refused(
                        "the program, or the interpreter it names, cannot be run",
                    )
                }
                _ => DeliveryError::Retry("the program could not be started"),
            })
    }
}

#[async_trait]
impl Consumer for CommandConsumer {
    async fn preflight(&self) -> Result<(), DeliveryError> {
        check_program(&self.program).map_err(DeliveryError::Refused)
    }

    async fn deliver(&self, d: &Delivery<'_>) -> Result<Ack, DeliveryError> {
        // Again, because whoever could replace the program would be given the values.
        check_program(&self.program).map_err(DeliveryError::Refused)?;
        let message = compose(d, self.config.value)?;
        let mut child = self.spawn()?;
        let mut group = Group::of(&child);
        let mut stdin = child.stdin.take().expect("stdin was asked for");
        let stdout = listen(child.stdout.take().expect("stdout was asked for"));
        let stderr = listen(child.stderr.take().expect("stderr was asked for"));

        let tell = async {
            // A program that does not care what it is told may close its input; its exit counts.
            let _ = stdin.write_all(&message).await;
            drop(stdin);
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = tell => None,
            () = tokio::time::sleep(self.config.timeout) => None,
        };
        if ended.is_some() {
            group.disarm();
        } else {
            group.end(PATIENCE).await;
            let _ = child.wait().await;
        }
        let code = ended.as_ref().and_then(|s| s.as_ref().ok()?.code());
        log(d, code, stdout, stderr).await;
        match ended {
            None => Err(DeliveryError::Retry(
                "the program took longer than its timeout and was ended",
            )),
            Some(Err(_)) => Err(DeliveryError::Retry("the program's end was not learnt")),
            Some(Ok(status)) => match status.code() {
                Some(0) => Ok(Ack::Told),
                Some(64 | 65 | 78) => Err(DeliveryError::Refused(
                    "the program refused for good (exit 64, 65 or 78)",
                )),
                Some(75) => Err(DeliveryError::Retry(
                    "the program asks to be told again later (exit 75)",
                )),
                Some(_) => Err(DeliveryError::Retry("the program failed")),
                None => Err(DeliveryError::Retry("the program was ended by a signal")),
            },
        }
    }
}

/// Whether nobody but root and this user decides what the program does.
fn check_program(path: &Path) -> Result<(), &'static str> {
    let real = path
        .canonicalize()
        .map_err(|_| "the program does not exist, or may not be looked at")?;
    let m = real
        .metadata()
        .map_err(|_| "the program does not exist, or may not be looked at")?;
    if !m.is_file() {
        return Err("the program is not a file");
    }
    if rustix::fs::access(&real, rustix::fs::Access::EXEC_OK).is_err() {
        return Err("the program is not executable for this user");
    }
    let me = rustix::process::geteuid().as_raw();
    if m.uid() != 0 && m.uid() != me {
        return Err("the program belongs to another user, who could change it");
    }
    if m.mode() & 0o022 != 0 {
        return Err("the program is writable by others; chmod go-w it");
    }
    let dir = real
        .parent()
        .and_then(|d| d.metadata().ok())
        .ok_or("the program's directory cannot be read")?;
    if dir.mode() & 0o002 != 0 && dir.mode() & 0o1000 == 0 {
        return Err("the program's directory is writable by everybody; chmod o-w it");
    }
    Ok(())
}

/// The document, in a buffer that never grew.
fn compose(d: &Delivery<'_>, with_values: bool) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
    let head = serde_json::json!({
        "v": 1,
        "rotation": d.rotation,
        "environment": d.environment,
        "secret": d.secret,
        "round": d.round.as_str(),
        "fingerprint": d.fingerprint,
        "version": d.version,
    })
    .to_string();
    let variables = if with_values {
        d.exposure.variables.as_slice()
    } else {
        &[]
    };
    // One byte becomes six at most: \u0000.
    let room = |bytes: &[u8]| 6 * bytes.len() + 8;
    let values: usize = variables
        .iter()
        .map(|v| room(v.name.as_bytes()) + v.value.as_ref().map_or(4, |v| v.expose_to(room)))
        .sum();
    let mut out = Zeroizing::new(Vec::with_capacity(head.len() + values + 32));
    let fits = "a buffer in memory takes everything";
    if with_values {
        out.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
        out.extend_from_slice(b",\"variables\":{");
        for (i, variable) in variables.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, &variable.name).expect(fits);
            out.push(b':');
            match &variable.value {
                None => out.extend_from_slice(b"null"),
                Some(value) => value.expose_to(|bytes| {
                    let text = std::str::from_utf8(bytes).map_err(|_| {
                        DeliveryError::Refused(
                            "the value is not UTF-8 text, which is all JSON can hold",
                        )
                    })?;
                    serde_json::to_writer(&mut *out, text).expect(fits);
                    Ok(())
                })?,
            }
        }
        out.extend_from_slice(b"}}\n");
    } else {
        writeln!(out, "{head}").expect(fits);
    }
    Ok(out)
}

/// What was heard, and whether there was more.
type Heard = (Zeroizing<Vec<u8>>, bool);

/// Reads to the end, so that the program never waits for us, and keeps the beginning.
fn listen(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<Heard> {
    tokio::spawn(async move {
        let mut heard = Zeroizing::new(Vec::with_capacity(HEARD_BYTES_MAX));
        let mut chunk = Zeroizing::new([0_u8; 4096]);
        let mut more = false;
        while let Ok(n @ 1..) = pipe.read(chunk.as_mut_slice()).await {
            let kept = n.min(HEARD_BYTES_MAX - heard.len());
            heard.extend_from_slice(&chunk[..kept]);
            more |= kept < n;
        }
        (heard, more)
    })
}

async fn log(
    d: &Delivery<'_>,
    code: Option<i32>,
    stdout: JoinHandle<Heard>,
    stderr: JoinHandle<Heard>,
) {
    let scrubber = Scrubber::new(&d.exposure.variables);
    for (stream, listener) in [("stdout", stdout), ("stderr", stderr)] {
        let stop = listener.abort_handle();
        // What the program left running may keep the pipe open for as long as it likes.
        let heard = tokio::time::timeout(LISTEN, listener).await;
        stop.abort();
        let Ok(Ok((said, more))) = heard else {
            continue;
        };
        if !said.is_empty() {
            let said = scrubber.clean(&said, more);
            tracing::debug!(
                environment = d.environment,
                secret = d.secret,
                round = d.round.as_str(),
                code,
                stream,
                %said,
                "a consumer's program"
            );
        }
    }
}

/// Between SIGTERM and SIGKILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// For the rest of the output once the program has ended.
const LISTEN: Duration = Duration::from_millis(500);
const HEARD_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;
