//! A program that logs in, again and again, with what its file of variables says by then.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

/// `DATABASE_URL`, as the program knows it.
pub struct Url(PgConnectOptions);

impl Url {
    /// Reads the file anew.
    pub fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("DATABASE_URL="));
        Self(line.unwrap().trim_matches(['"', '\'']).parse().unwrap())
    }

    /// The user that is current.
    pub fn username(&self) -> String {
        self.0.get_username().to_owned()
    }

    async fn log_in(self, ca: &Path) -> Result<(), sqlx::Error> {
        let options = self.0.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(ca);
        let session = options.disable_statement_logging().connect().await?;
        session.close().await
    }
}

/// The loop, on a thread of its own.
pub struct Logins {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u32, u32)>,
}

impl Logins {
    pub fn start(file: PathBuf, ca: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            let (mut done, mut refused) = (0, 0);
            while !stopped.load(Ordering::SeqCst) {
                match runtime.block_on(Url::read(&file).log_in(&ca)) {
                    Ok(()) => done += 1,
                    Err(why) => {
                        eprintln!("a login failed: {why}");
                        refused += 1;
                    }
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            (done, refused)
        });
        Self { stop, thread }
    }

    /// How many were done, and how many refused.
    pub fn stop(self) -> (u32, u32) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
