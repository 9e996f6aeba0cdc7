//! A program that reads its URL anew and logs in, again and again, while keyrota works and dies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bed::env_file;

/// Logs in where a URL says, once; why not, if not.
pub type Login = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// The program at work.
pub struct Logins {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Count>,
}

/// What it met with.
#[derive(Debug, Default)]
pub struct Count {
    /// Logins that worked.
    pub done: u32,
    /// How often logins began to fail, for how long they did, and what the first one was told.
    pub gaps: Vec<(Duration, String)>,
}

impl Logins {
    /// Starts it: for each variable, with the URL that it has in `file`. What it has read may be used
    /// for `refresh`; a login that takes longer than that proves nothing.
    pub fn start(file: PathBuf, logins: Vec<(String, Login)>, refresh: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut count = Count::default();
            let mut gaps: Vec<Option<(Instant, String)>> = vec![None; logins.len()];
            while !flag.load(Ordering::SeqCst) {
                for ((variable, login), gap) in logins.iter().zip(&mut gaps) {
                    let read = Instant::now();
                    match (login(&url_in(&file, variable)), gap.take()) {
                        (Ok(()), began) => {
                            count.done += 1;
                            let ended = began.map(|(at, why)| (at.elapsed(), why));
                            count.gaps.extend(ended);
                        }
                        (Err(_), None) if read.elapsed() > refresh => {}
                        (Err(why), None) => *gap = Some((read, why)),
                        (Err(_), began) => *gap = began,
                    }
                }
            }
            let open = gaps.into_iter().flatten();
            count.gaps.extend(open.map(|(at, why)| (at.elapsed(), why)));
            count
        });
        Self { stop, thread }
    }

    /// Ends it.
    pub fn stop(self) -> Count {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// The URL in an environment file.
pub fn url(file: &Path) -> String {
    url_in(file, "DATABASE_URL")
}

fn url_in(file: &Path, variable: &str) -> String {
    let bytes = std::fs::read(file).unwrap();
    let variables = env_file(&bytes);
    let found = variables.into_iter().find(|(name, _)| name == variable);
    found.expect("the file has the variable").1
}
