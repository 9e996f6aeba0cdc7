//! Films files while keyrota works and dies: which bytes they certainly held, and when.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A film under way.
pub struct Camera {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<Shot>>>,
    paths: Vec<PathBuf>,
}

/// What one file held for a while. Because keyrota replaces files whole, each is one inode.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Certainly from here …
    pub from: Instant,
    /// … to here; before `from` if it was seen only once.
    pub to: Instant,
    /// Its bytes; `None`: there was no such file.
    pub bytes: Option<Arc<Vec<u8>>>,
    inode: Option<(u64, i64)>,
}

/// The shots of several files, by path.
pub struct Film(Vec<(PathBuf, Vec<Shot>)>);

impl Camera {
    /// Films `paths` from now on.
    pub fn start(paths: Vec<PathBuf>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, files) = (stop.clone(), paths.clone());
        let thread = std::thread::spawn(move || {
            let mut shots = vec![Vec::new(); files.len()];
            loop {
                let last = flag.load(Ordering::SeqCst);
                for (path, shots) in files.iter().zip(&mut shots) {
                    shoot(path, shots);
                }
                if last {
                    return shots;
                }
                std::thread::sleep(Duration::from_millis(4));
            }
        });
        Self {
            stop,
            thread,
            paths,
        }
    }

    /// Ends the film, after one more look.
    pub fn stop(self) -> Film {
        self.stop.store(true, Ordering::SeqCst);
        let shots = self.thread.join().unwrap();
        Film(self.paths.into_iter().zip(shots).collect())
    }
}

impl Film {
    /// The shots of a file that was filmed, in order.
    pub fn of(&self, path: &Path) -> &[Shot] {
        let filmed = self.0.iter().find(|(p, _)| p == path);
        &filmed.expect("this file was filmed").1
    }
}

fn shoot(path: &Path, shots: &mut Vec<Shot>) {
    let begun = Instant::now();
    let file = File::open(path).ok();
    let meta = file.as_ref().map(|f| f.metadata().unwrap());
    let inode = meta.map(|m| (m.ino(), m.mtime() * 1_000_000_000 + m.mtime_nsec()));
    if let Some(shot) = shots.last_mut().filter(|shot| shot.inode == inode) {
        shot.to = begun;
        return;
    }
    let bytes = file.map(|mut file| {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        Arc::new(bytes)
    });
    shots.push(Shot {
        from: Instant::now(),
        to: begun,
        bytes,
        inode,
    });
}

/// Two parties that read at different moments: what one uses, the other accepts.
pub struct Promise<'a> {
    /// Where the user reads.
    pub used: &'a [Shot],
    /// Where the verifier reads.
    pub accepted: &'a [Shot],
    /// How long after reading a value the user may still use it, and its products may be shown.
    pub used_for: Duration,
    /// How long the verifier goes by what it read.
    pub accepted_for: Duration,
    /// Whether a verifier that read the second accepts what a user of the first makes.
    pub accepts: &'a dyn Fn(&[u8], &[u8]) -> bool,
}

/// keyrota counts whole milliseconds.
const TOLERANCE: Duration = Duration::from_millis(5);

impl Promise<'_> {
    /// Holds every use against every reading that may meet it, the rarest ones too. How many
    /// meetings there were.
    pub fn keep(&self) -> usize {
        let mut meetings = 0;
        for used in self.used.iter().filter(|s| s.from < s.to) {
            let Some(user) = &used.bytes else { continue };
            let first = used.from.checked_sub(self.accepted_for).unwrap() + TOLERANCE;
            let last = used.to + self.used_for - TOLERANCE;
            for read in self.accepted.iter().filter(|s| s.from < s.to) {
                if read.from >= last || read.to <= first {
                    continue;
                }
                meetings += 1;
                let accepts = read.bytes.as_ref().is_some_and(|r| (self.accepts)(user, r));
                assert!(
                    accepts,
                    "a value in use {:?} to {:?} is not accepted by what a verifier read {:?} to {:?} (after the start)",
                    used.from - self.used[0].from,
                    used.to - self.used[0].from,
                    read.from.saturating_duration_since(self.used[0].from),
                    read.to.saturating_duration_since(self.used[0].from),
                );
            }
        }
        meetings
    }
}
