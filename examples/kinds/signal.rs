//! `kind = "signal"`: a process that reads its configuration again when it gets a signal.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use keyrota::config::read::{Reader, Section};
use keyrota::config::registry::{
    ConsumerFacts, ConsumerKind, ConsumerRead, ConsumerSettings, ForSecret, Readers,
};
use keyrota_contract::{Ack, Consumer, Delivery, DeliveryError};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

pub static KIND: ConsumerKind = ConsumerKind {
    word: "signal",
    keys: &[Keys::KEYS],
    read,
};

keyrota::table! {
    struct Keys<'t> {
        /// The file that holds the number of the process.
        required pid_file: &'t str,
        /// Which signal makes it read its configuration.
        default("HUP") signal: Which,
    }
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Hup,
    Usr1,
    Usr2,
}

keyrota::words!(Which {
    "HUP" => Self::Hup,
    "USR1" => Self::Usr1,
    "USR2" => Self::Usr2,
});

fn read(reader: &mut Reader<'_>, section: &Section<'_>, of: &ForSecret<'_>) -> ConsumerRead {
    let keys = Keys::read(section);
    if keys.pid_file.is_stated && !keys.pid_file.ends_with(".pid") {
        let help = "write the file that the service makes, as in \"/run/app.pid\"";
        reader.refuse(&keys.pid_file, "is not a file ending in .pid", help);
    }
    let pid_file = of.root.join(keys.pid_file.value);
    let facts = ConsumerFacts {
        at: pid_file.display().to_string(),
        definition: format!("{:?}", *keys.signal),
        variables: Vec::new(),
        key_set: false,
        // It reads the file that a consumer before it wrote.
        readers: Readers::Notified,
        skips_known: true,
        file: None,
        time_limit: None,
        setup: format!(
            "a process that writes its number into {}",
            pid_file.display()
        ),
    };
    let signal = match *keys.signal {
        Which::Hup => Signal::HUP,
        Which::Usr1 => Signal::USR1,
        Which::Usr2 => Signal::USR2,
    };
    ConsumerRead {
        facts,
        settings: Arc::new(Process { pid_file, signal }),
    }
}

#[derive(Debug, Clone)]
struct Process {
    pid_file: PathBuf,
    signal: Signal,
}

impl ConsumerSettings for Process {
    fn build(&self) -> Result<Box<dyn Consumer>, &'static str> {
        Ok(Box::new(self.clone()))
    }
}

impl Process {
    fn pid(&self) -> Result<Pid, DeliveryError> {
        let text = std::fs::read_to_string(&self.pid_file);
        let text =
            text.map_err(|_| DeliveryError::Retry("the file of the process cannot be read"))?;
        let number = text.trim().parse().ok().and_then(Pid::from_raw);
        number.ok_or(DeliveryError::Refused(
            "the file of the process holds no number",
        ))
    }
}

#[async_trait]
impl Consumer for Process {
    async fn preflight(&self) -> Result<(), DeliveryError> {
        test_kill_process(self.pid()?)
            .map_err(|_| DeliveryError::Refused("the process is gone, or is another user's"))
    }

    async fn deliver(&self, _: &Delivery<'_>) -> Result<Ack, DeliveryError> {
        let sent = kill_process(self.pid()?, self.signal);
        sent.map_err(|_| DeliveryError::Retry("the process did not get the signal"))?;
        Ok(Ack::Told)
    }
}
