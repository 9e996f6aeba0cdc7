//! Watches the processes below this one, as everybody on the machine can.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A process that ran, as everybody on the machine could see it.
pub struct Seen {
    /// Each ends with a zero byte.
    pub arguments: Vec<u8>,
    /// Empty where the kernel does not show it.
    pub environment: Vec<u8>,
}

impl Seen {
    /// Whether it runs this program, itself or by an interpreter.
    pub fn is(&self, program: &str) -> bool {
        let arguments = self.arguments.split(|b| *b == 0).take(2);
        let names = |a: &[u8]| a.ends_with(format!("/{program}").as_bytes());
        arguments.into_iter().any(names)
    }
}

/// Looks at all processes below this one, all the time.
pub struct Witness {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<Seen>>,
}

impl Witness {
    /// Looks from now on.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeMap::new();
            while !flag.load(Ordering::SeqCst) {
                for pid in descendants() {
                    let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}"));
                    // The environment of a process that guards itself is shown to root alone.
                    if let Ok(arguments) = read("cmdline") {
                        let environment = read("environ").unwrap_or_default();
                        // A fork is its parent until it becomes the program.
                        seen.insert(
                            (pid, arguments.clone()),
                            Seen {
                                arguments,
                                environment,
                            },
                        );
                    }
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            seen.into_values().collect()
        });
        Self { stop, thread }
    }

    /// What was seen.
    pub fn stop(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn descendants() -> Vec<u32> {
    let parents: BTreeMap<u32, u32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // After the name, which may hold anything: state, parent.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    let ours = |pid: &u32| {
        let mut at = *pid;
        while let Some(parent) = parents.get(&at) {
            if *parent == std::process::id() {
                return true;
            }
            at = *parent;
        }
        false
    };
    parents.keys().copied().filter(ours).collect()
}
