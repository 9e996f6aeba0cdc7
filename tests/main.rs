//! One binary of all end-to-end tests: what needs a server, a process or a clean tree.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(
    clippy::disallowed_methods,
    reason = "these tests wait for real processes, by the real clock"
)]
#![allow(
    clippy::print_stdout,
    reason = "what a test counted is read by whoever runs it"
)]

mod adding;
mod aws;
mod cli_gate;
mod cli_read;
mod clock;
mod command_rotator;
mod conformance;
mod copies;
mod databases;
mod deps;
mod edits;
mod everywhere;
mod faults;
mod handed;
mod imports;
mod keys;
mod mysql;
mod policy;
mod postgres;
mod readme;
mod recovery;
mod redaction;
mod rotations;
mod state;
mod support;
mod systemd;
mod terminal;
mod tidy;
mod tokens;
mod tour;
mod transcripts;
mod trust;
