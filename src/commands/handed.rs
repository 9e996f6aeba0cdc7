//! What a person hands in: files of variables, and values on standard input or at a terminal.
//!
//! A file of variables may be any stream that can be read once (a pipe, `<(…)`, `/dev/stdin`), bounded
//! in size and time. A terminal is asked for one value, without an echo, as `passwd` does.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use keyrota_contract::SecretValue;
use keyrota_gate::{ENV_FILE_BYTES_MAX, EnvFile, parse_env_file};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

use super::exit::{self, Failed};
use crate::output;

type Bytes = Zeroizing<Vec<u8>>;

/// More than any provider takes.
const VALUE_BYTES_MAX: usize = 1 << 20;
/// The kernel drops what a line at a terminal has beyond this, without a word.
const LINE_BYTES_MAX: usize = 4095;
/// Long enough for a program that asks a person for a password first.
const STREAM_WAIT: Duration = Duration::from_secs(120);

/// The variables of a file or stream. A mistake in a line that sets no `wanted` variable is a note,
/// unless the answer is JSON, which has a member for it.
pub fn env_file(path: &Path, wanted: &dyn Fn(&str) -> bool, json: bool) -> Result<EnvFile, Failed> {
    let at = path.display();
    let bytes = stream(path.to_owned(), ENV_FILE_BYTES_MAX, STREAM_WAIT)
        .map_err(|why| Failed::config(format!("{at}: {why}")))?;
    let file = parse_env_file(&bytes, wanted).map_err(|mistakes| {
        let told: Vec<String> = mistakes.iter().map(|m| format!("{at}: {m}")).collect();
        Failed::config(told.join("\n"))
    })?;
    if !file.skipped.is_empty() && !json {
        let lines: Vec<u32> = file.skipped.iter().map(|skipped| skipped.line).collect();
        let lines = ranges(&lines);
        output::note(&format!(
            "{at}: skipped {lines}: no variable of the schedule, and programs read them differently\n"
        ));
    }
    Ok(file)
}

/// `line 3`, `lines 3, 5-9 and 12`.
fn ranges(lines: &[u32]) -> String {
    let together = |a: &u32, b: &u32| *b == a.saturating_add(1);
    let mut runs: Vec<String> = lines
        .chunk_by(together)
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            _ => run.iter().map(u32::to_string).collect(),
        })
        .collect();
    let last = runs.pop().unwrap_or_default();
    match runs.is_empty() {
        true if lines.len() < 2 => format!("line {last}"),
        true => format!("lines {last}"),
        false => format!("lines {} and {last}", runs.join(", ")),
    }
}

/// A value from standard input, without the line break that a terminal or `echo` adds. On a terminal
/// keyrota asks for the value of `name`.
pub fn value(name: &str) -> Result<SecretValue, Failed> {
    let stdin = std::io::stdin();
    let unreadable =
        |e: std::io::Error| Failed::new(exit::TRANSIENT, format!("standard input: {}", e.kind()));
    // Not through the library's own buffer, which nothing wipes.
    let input = stdin.as_fd().try_clone_to_owned().map_err(unreadable)?;
    if stdin.is_terminal() {
        return at_terminal(input, name);
    }
    let mut bytes = bounded(File::from(input), VALUE_BYTES_MAX).map_err(unreadable)?;
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(Failed::config(
            "the value on standard input is larger than 1 MiB",
        ));
    }
    without_line_break(&mut bytes);
    if bytes.is_empty() {
        return Err(Failed::config("standard input is empty: pipe the value in"));
    }
    Ok(SecretValue::copy_of(&bytes))
}

/// Everything a file or stream holds, read once. The thread that waits for a stream that never ends
/// is left behind: the process is about to end.
fn stream(path: PathBuf, bytes_max: usize, wait: Duration) -> Result<Bytes, String> {
    let (done, read) = mpsc::channel();
    std::thread::spawn(move || done.send(whole(&path, bytes_max)));
    read.recv_timeout(wait).unwrap_or_else(|_| {
        let seconds = wait.as_secs();
        Err(format!("did not end within {seconds} seconds"))
    })
}

fn whole(path: &Path, bytes_max: usize) -> Result<Bytes, String> {
    let kind = |e: std::io::Error| e.kind().to_string();
    let own = ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
    // Opening it again needs rights of its own, and fails for a socket.
    let file = match own.iter().any(|own| Path::new(own) == path) {
        true => File::from(
            std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(kind)?,
        ),
        false => File::open(path).map_err(kind)?,
    };
    if file.is_terminal() {
        return Err(
            "this is a terminal, which would show what you type; name a file, or pipe the variables in"
                .to_owned(),
        );
    }
    let bytes = bounded(file, bytes_max).map_err(kind)?;
    match bytes.len() > bytes_max {
        true => Err(format!("larger than {} KiB", bytes_max / 1024)),
        false => Ok(bytes),
    }
}

/// At most one byte more than `bytes_max`. The buffer is as large as it gets: one that grew would
/// leave copies of what it held behind.
fn bounded(file: File, bytes_max: usize) -> std::io::Result<Bytes> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 2));
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A PEM keeps its last line break: it is part of the format.
fn without_line_break(bytes: &mut Vec<u8>) {
    if bytes.ends_with(b"\n") && !bytes.starts_with(b"-----BEGIN") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
}

/// Asks for a value. Signals end the question as they would end the process, after the echo is back.
fn at_terminal(terminal: OwnedFd, name: &str) -> Result<SecretValue, Failed> {
    let failed = |_| Failed::new(exit::TRANSIENT, "the terminal cannot be used");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let answer = runtime.block_on(async {
        let mut signals = Signals::listen().map_err(failed)?;
        ASKED.store(true, Ordering::SeqCst);
        let quiet = Quiet::begin(&terminal).map_err(|e| failed(e.into()))?;
        let prompt = format!("value of {} (it is not shown): ", output::line(name));
        let mut screen = File::from(terminal.try_clone().map_err(failed)?);
        // Standard input may be open for reading only.
        if screen.write_all(prompt.as_bytes()).is_err() {
            let tty = File::options().write(true).open("/dev/tty");
            tty.and_then(|mut tty| tty.write_all(prompt.as_bytes()))
                .map_err(failed)?;
        }
        let typed = tokio::task::spawn_blocking(move || typed(screen));
        let signal = tokio::select! {
            typed = typed => {
                drop(quiet);
                return typed.unwrap_or_else(|_| Err(Failed::new(exit::TRANSIENT, "the terminal cannot be used")));
            }
            signal = signals.next() => signal,
        };
        Err(Failed::new(128 + signal, "interrupted: nothing was changed"))
    });
    // The thread still waits for a line.
    runtime.shutdown_background();
    answer
}

/// Whether a terminal was asked. From then on a signal does nothing by itself: what catches it stays
/// for as long as the process.
static ASKED: AtomicBool = AtomicBool::new(false);
/// Whether the command ends by itself, with a record of what it did, when it is told to.
static ENDS_ITSELF: AtomicBool = AtomicBool::new(false);

/// From here on SIGINT and SIGTERM are the command's own.
pub fn ends_itself() {
    ENDS_ITSELF.store(true, Ordering::SeqCst);
}

/// Ends when a signal would have ended the process, if a terminal had not been asked.
pub async fn interrupted() -> Failed {
    let signals = Some(()).filter(|()| ASKED.load(Ordering::SeqCst));
    let Some(Ok(mut signals)) = signals.map(|()| Signals::listen()) else {
        return std::future::pending().await;
    };
    loop {
        let signal = signals.next().await;
        if !(matches!(signal, 2 | 15) && ENDS_ITSELF.load(Ordering::SeqCst)) {
            return Failed::new(
                128 + signal,
                "interrupted: `keyrota status` shows what was done",
            );
        }
    }
}

/// The signals that end a process.
struct Signals {
    hung_up: Signal,
    interrupted: Signal,
    quit: Signal,
    ended: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hung_up: signal(SignalKind::hangup())?,
            interrupted: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            ended: signal(SignalKind::terminate())?,
        })
    }

    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hung_up.recv() => 1,
            _ = self.interrupted.recv() => 2,
            _ = self.quit.recv() => 3,
            _ = self.ended.recv() => 15,
        }
    }
}

/// What a person typed: one line, or a PEM up to its last.
fn typed(mut screen: File) -> Result<SecretValue, Failed> {
    let mut line = Zeroizing::new([0; LINE_BYTES_MAX + 1]);
    let mut bytes = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + line.len()));
    loop {
        let read = screen
            .read(line.as_mut_slice())
            .map_err(|e| Failed::new(exit::TRANSIENT, format!("the terminal: {}", e.kind())))?;
        let line = &line[..read];
        bytes.extend_from_slice(line);
        if read >= LINE_BYTES_MAX || bytes.len() > VALUE_BYTES_MAX {
            return Err(Failed::config(
                "a terminal takes at most 4,000 characters in a line: pipe the value in",
            ));
        }
        let more = bytes.starts_with(b"-----BEGIN") && !line.starts_with(b"-----END");
        if read == 0 || !more {
            break;
        }
    }
    without_line_break(&mut bytes);
    match bytes.is_empty() {
        true => Err(Failed::config("nothing was typed")),
        false => Ok(SecretValue::copy_of(&bytes)),
    }
}

/// A terminal without echo, until dropped. Line breaks are echoed. Ctrl-Z does nothing: the shell would
/// go on without an echo.
struct Quiet<'a> {
    terminal: &'a OwnedFd,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a OwnedFd) -> rustix::io::Result<Self> {
        let before = rustix::termios::tcgetattr(terminal)?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO);
        without
            .local_modes
            .insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        without.special_codes[SpecialCodeIndex::VSUSP] = 0;
        let quiet = Self { terminal, before };
        rustix::termios::tcsetattr(terminal, OptionalActions::Flush, &without)?;
        Ok(quiet)
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // What was typed and not read goes to nobody.
        let flush = OptionalActions::Flush;
        let _ = rustix::termios::tcsetattr(self.terminal, flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    #[test]
    fn lines_are_told_in_ranges() {
        for (lines, text) in [
            (&[3][..], "line 3"),
            (&[3, 4], "lines 3-4"),
            (&[3, 5], "lines 3 and 5"),
            (&[1, 3, 4, 5, 9], "lines 1, 3-5 and 9"),
        ] {
            assert_eq!(ranges(lines), text);
        }
    }

    #[test]
    fn a_stream_is_bounded_in_size_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let read = |path: &str, wait| {
            let path = dir.path().join(path);
            stream(path, 1024, wait).map(|b| b.to_vec())
        };
        let long = Duration::from_secs(60);
        std::fs::write(dir.path().join("file"), [b'x'; 1024]).unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        std::fs::write(dir.path().join("large"), [b'x'; 1025]).unwrap();
        assert_eq!(read("file", long).unwrap().len(), 1024);
        assert_eq!(read("link", long).unwrap().len(), 1024);
        assert_eq!(read("/dev/null", long).unwrap(), b"");
        for endless in ["large", "/dev/zero"] {
            assert_eq!(read(endless, long).unwrap_err(), "larger than 1 KiB");
        }
        assert!(read("", long).is_err(), "a directory");
        assert!(read("missing", long).unwrap_err().contains("not found"));

        let pipe = |name: &str| {
            let pipe = dir.path().join(name);
            let mode = rustix::fs::Mode::RWXU;
            rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
            pipe
        };
        pipe("silent");
        let late = read("silent", Duration::from_millis(50)).unwrap_err();
        assert!(late.contains("did not end"), "{late}");
        let pipe = pipe("pipe");
        let writer = std::thread::spawn(move || std::fs::write(pipe, "A=1\n").unwrap());
        assert_eq!(read("pipe", long).unwrap(), b"A=1\n");
        writer.join().unwrap();
    }
}
