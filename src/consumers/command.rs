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

use std::time::Duration;

use async_trait::async_trait;
use keyrota_contract::{Ack, Consumer, Delivery, DeliveryError};
use zeroize::Zeroizing;

use crate::child::{End, NotStarted, NotText, Program, Scrubber, document};

mod kind;
pub use kind::KIND;

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
    program: Program,
    value: bool,
}

impl CommandConsumer {
    /// A consumer; whether the program can be run shows in its preflight.
    ///
    /// # Errors
    /// A sentence about the configuration: no program, a relative path, no time.
    pub fn new(config: CommandConfig) -> Result<Self, &'static str> {
        Ok(Self {
            program: Program::new(config.argv, config.timeout)?,
            value: config.value,
        })
    }
}

#[async_trait]
impl Consumer for CommandConsumer {
    async fn preflight(&self) -> Result<(), DeliveryError> {
        self.program.check().map_err(DeliveryError::Refused)
    }

    async fn deliver(&self, d: &Delivery<'_>) -> Result<Ack, DeliveryError> {
        let message = compose(d, self.value)?;
        let ended = self
            .program
            .run(&message, None)
            .await
            .map_err(|e| match e {
                NotStarted::Refused(sentence) => DeliveryError::Refused(sentence),
                NotStarted::Retry(sentence) => DeliveryError::Retry(sentence),
            })?;
        let values = d.exposure.variables.iter().filter_map(|v| v.value.as_ref());
        for (stream, said) in ended.said(&Scrubber::new(values)) {
            tracing::debug!(
                environment = d.environment,
                secret = d.secret,
                round = d.round.as_str(),
                code = ended.end.code(),
                stream,
                %said,
                "a consumer's program"
            );
        }
        match ended.end {
            End::Code(0) => Ok(Ack::Told),
            End::Code(64 | 65 | 78) => Err(DeliveryError::Refused(
                "the program refused for good (exit 64, 65 or 78)",
            )),
            End::Code(75) => Err(DeliveryError::Retry(
                "the program asks to be called again later (exit 75)",
            )),
            End::Code(_) => Err(DeliveryError::Retry("the program failed")),
            End::Signal => Err(DeliveryError::Retry("the program was ended by a signal")),
            End::Timeout => Err(DeliveryError::Retry(
                "the program took longer than its timeout and was ended",
            )),
            End::Unlearnt => Err(DeliveryError::Retry("the program's end was not learnt")),
        }
    }
}

/// What the program is told.
fn compose(d: &Delivery<'_>, with_values: bool) -> Result<Zeroizing<Vec<u8>>, DeliveryError> {
    let head = serde_json::json!({
        "v": 1,
        "rotation": d.rotation,
        "environment": d.environment,
        "secret": d.secret,
        "round": d.round.as_str(),
        "fingerprint": d.fingerprint,
        "version": d.version,
    });
    let variables = d.exposure.variables.iter();
    let variables = variables.map(|v| (v.name.as_str(), v.value.as_ref()));
    let parts = [("variables", variables.collect())];
    let told = if with_values { &parts[..] } else { &[] };
    document(&head, told).map_err(|NotText| DeliveryError::Refused(NotText::SENTENCE))
}

#[cfg(test)]
mod tests;
