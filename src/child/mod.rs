//! Programs of the administrator's, told by one JSON document on their standard input.
//!
//! Consumers and rotators start them in the same way: no shell, nothing in arguments or environment
//! (which is `PATH` and `LANG` alone), the working directory `/`, a process group of its own. After
//! the timeout the whole group gets SIGTERM, five seconds later SIGKILL.
//!
//! # Layout
//! - `group`: a child with all that it starts; `holders`: who of them still lives after we died
//! - `document`: what it is told; `scrub`: what it says, without values
//! - `script`: the interpreters that a script names

mod document;
mod group;
mod holders;
mod script;
mod scrub;

pub(crate) use document::{NotText, document};
pub(crate) use holders::{end_holders, lock_within};
pub(crate) use scrub::Scrubber;

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use keyrota_local::trusted::{Changeable, Why};
use keyrota_local::{FileError, FileLock};
use rustix::fs::{Access, OFlags};
use rustix::io::{FdFlags, fcntl_setfd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::trust::{self, Untrusted};
use group::Group;

/// A program and how long it may take.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
}

/// Why a program was not started: provably it did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotStarted {
    /// A person must change something.
    Refused(&'static str),
    /// It may pass.
    Retry(&'static str),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this exit code.
    Code(i32),
    /// By a signal that was not ours.
    Signal,
    /// By us, after its timeout.
    Timeout,
    /// The system did not say.
    Unlearnt,
}

impl End {
    /// The exit code, if there was one.
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal | Self::Timeout | Self::Unlearnt => None,
        }
    }
}

/// The beginning of what a program said, 64 KiB at most: it may hold values.
pub(crate) struct Heard {
    /// What was kept.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether there was more.
    pub(crate) cut: bool,
}

/// A program that ended.
pub(crate) struct Ended {
    /// How.
    pub(crate) end: End,
    /// Its standard output; `None` if somebody it left behind still holds it open.
    pub(crate) stdout: Option<Heard>,
    stderr: Option<Heard>,
}

impl Ended {
    /// What it said, by stream, without the values that `scrubber` knows. Nothing for silence.
    pub(crate) fn said(&self, scrubber: &Scrubber) -> Vec<(&'static str, String)> {
        [("stdout", &self.stdout), ("stderr", &self.stderr)]
            .into_iter()
            .filter_map(|(stream, heard)| Some((stream, heard.as_ref()?)))
            .filter(|(_, heard)| !heard.bytes.is_empty())
            .map(|(stream, heard)| (stream, scrubber.clean(&heard.bytes, heard.cut)))
            .collect()
    }
}

impl Program {
    /// The program that `argv` begins with, by its absolute path; whether it can be run is asked
    /// by [`check`](Self::check).
    ///
    /// # Errors
    /// A sentence about the configuration: no program, a relative path, no time.
    pub(crate) fn new(argv: Vec<String>, timeout: Duration) -> Result<Self, &'static str> {
        let mut arguments = argv.into_iter();
        let path = PathBuf::from(arguments.next().ok_or("argv names no program")?);
        if !path.is_absolute() {
            return Err(
                "argv begins with the absolute path of a program; there is no shell to look for it",
            );
        }
        if timeout.is_zero() {
            return Err("a program needs a timeout above zero");
        }
        Ok(Self {
            path,
            arguments: arguments.collect(),
            timeout,
        })
    }

    /// Whether it can be run, and nobody but root and this user decides what it does.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        vouch(&self.path).map(drop)
    }

    /// Tells the program `message` and waits for its end. If the future is dropped, its whole group
    /// is killed. It inherits `lock`, if there is one: that is held for as long as the program, or
    /// anything that it started, lives, even if keyrota does not.
    pub(crate) async fn run(
        &self,
        message: &[u8],
        lock: Option<&FileLock>,
    ) -> Result<Ended, NotStarted> {
        // Each time, because whoever could replace the program would be given the values.
        let vouched = vouch(&self.path).map_err(NotStarted::Refused)?;
        let mut child = self.spawn(&vouched, lock)?;
        let mut group = Group::of(&child);
        let mut stdin = child.stdin.take().expect("stdin was asked for");
        let stdout = listen(child.stdout.take().expect("stdout was asked for"));
        let stderr = listen(child.stderr.take().expect("stderr was asked for"));

        let tell = async {
            // A program that does not care what it is told may close its input; its exit counts.
            let _ = stdin.write_all(message).await;
            drop(stdin);
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            status = child.wait() => Some(status),
            () = tell => None,
            () = tokio::time::sleep(self.timeout) => None,
        };
        if ended.is_some() {
            group.disarm();
        } else {
            group.end(PATIENCE).await;
            let _ = child.wait().await;
        }
        let end = match ended {
            None => End::Timeout,
            Some(Err(_)) => End::Unlearnt,
            Some(Ok(status)) => status.code().map_or(End::Signal, End::Code),
        };
        Ok(Ended {
            end,
            stdout: the_rest(stdout).await,
            stderr: the_rest(stderr).await,
        })
    }

    /// Starts what [`vouch`] opened, whatever has its name by now. A script is started by its name:
    /// the kernel would hand it the descriptor's path as `$0`, and scripts look for their neighbours
    /// there. Nobody but root and this user can put another file at that name, by [`vouch`]'s rule.
    fn spawn(&self, program: &Vouched, lock: Option<&FileLock>) -> Result<Child, NotStarted> {
        let mut command = Command::new(match program.script {
            true => self.path.clone(),
            false => by_descriptor(&program.fd),
        });
        command
            .arg0(&self.path)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // One at a time: between the two calls every new child would inherit the descriptors.
        let one = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
        let inherits = |flags| lock.map_or(Ok(()), |lock| fcntl_setfd(lock.as_fd(), flags));
        if inherits(FdFlags::empty()).is_err() {
            let _ = inherits(FdFlags::CLOEXEC);
            return Err(NotStarted::Retry(
                "the program's lock could not be handed to it",
            ));
        }
        let child = command.spawn();
        let kept = inherits(FdFlags::CLOEXEC);
        drop(one);
        debug_assert!(kept.is_ok(), "it is a descriptor of ours");
        child.map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => {
                NotStarted::Refused("the program, or the interpreter it names, cannot be run")
            }
            _ => NotStarted::Retry("the program could not be started"),
        })
    }
}

/// A program that nobody but root and this user can change or replace.
#[derive(Debug)]
struct Vouched {
    fd: OwnedFd,
    /// Whether an interpreter reads it.
    script: bool,
}

/// Opens a program that can be run and that nobody but root and this user can change or replace, nor
/// an interpreter that reads it.
fn vouch(path: &Path) -> Result<Vouched, &'static str> {
    let opened = match trust::open(path, OFlags::PATH) {
        Ok(opened) => opened,
        Err(Untrusted::Changeable(changeable)) => return Err(refused(path, &changeable)),
        Err(Untrusted::File(FileError::NotRegular)) => return Err("the program is not a file"),
        Err(Untrusted::File(_)) => {
            return Err("the program does not exist, or may not be looked at");
        }
    };
    let executable = Access::EXEC_OK;
    if rustix::fs::access(by_descriptor(&opened.fd), executable).is_err() {
        return Err("the program is not executable for this user");
    }
    let script = vouch_for_interpreters(&opened.fd, INTERPRETERS_MAX)?;
    let fd = opened.fd;
    Ok(Vouched { fd, script })
}

/// Whether an interpreter reads the program: one that nobody else can change or replace.
fn vouch_for_interpreters(program: &OwnedFd, left: u8) -> Result<bool, &'static str> {
    let Some(named) = script::interpreters(&first_bytes(program), PATH) else {
        return Ok(false);
    };
    let left = left
        .checked_sub(1)
        .ok_or("the program's interpreters are scripts themselves, more than the system follows")?;
    for interpreter in named {
        match trust::open(&interpreter, OFlags::PATH) {
            Ok(opened) => drop(vouch_for_interpreters(&opened.fd, left)?),
            Err(Untrusted::Changeable(changeable)) => {
                return Err(refused(&interpreter, &changeable));
            }
            // One that is not there fails when it is started.
            Err(Untrusted::File(_)) => {}
        }
    }
    Ok(true)
}

fn refused(program: &Path, changeable: &Changeable) -> &'static str {
    tracing::warn!(program = %program.display(), "{}", trust::refusal(changeable));
    match changeable.why {
        Why::Owner(_) => {
            "the program, its interpreter, a link to it or a directory above it belongs to another user, who could change it; the log names it"
        }
        Why::Group | Why::Everybody => {
            "the program, its interpreter or a directory above it is writable by others; chmod go-w it; the log names it"
        }
    }
}

/// As many bytes as the kernel looks at. What this user may not read is no script: its interpreter could
/// not read it either.
fn first_bytes(program: &OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let file = std::fs::File::open(by_descriptor(program));
    match file.and_then(|file| file.take(256).read_to_end(&mut bytes)) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

/// The path of an open file that leads to it alone. (`execveat` would do the same for programs,
/// and take a call that Rust only offers as unsafe code.)
fn by_descriptor(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Reads to the end, so that the program never waits for us, and keeps the beginning.
fn listen(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<Heard> {
    tokio::spawn(async move {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEARD_BYTES_MAX));
        let mut chunk = Zeroizing::new([0_u8; 4096]);
        let mut cut = false;
        while let Ok(n @ 1..) = pipe.read(chunk.as_mut_slice()).await {
            let kept = n.min(HEARD_BYTES_MAX - bytes.len());
            bytes.extend_from_slice(&chunk[..kept]);
            cut |= kept < n;
        }
        Heard { bytes, cut }
    })
}

/// What the program left running may keep the pipe open for as long as it likes.
async fn the_rest(listener: JoinHandle<Heard>) -> Option<Heard> {
    let stop = listener.abort_handle();
    let heard = tokio::time::timeout(LISTEN, listener).await;
    stop.abort();
    heard.ok()?.ok()
}

static SPAWNING: Mutex<()> = Mutex::new(());

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The kernel's own limit.
const INTERPRETERS_MAX: u8 = 5;

/// Between SIGTERM and SIGKILL.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// For the rest of the output once the program has ended.
const LISTEN: Duration = Duration::from_millis(500);
const HEARD_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests;
