//! One binary of all end-to-end tests: what needs a server, a process or a clean tree.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod cli_gate;
mod cli_read;
mod state;
mod support;
