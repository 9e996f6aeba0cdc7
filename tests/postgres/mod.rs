//! Passwords of a real Postgres server: rotated by hand, step by step, and disturbed at every one.
//!
//! - `bed`: a database, its users, and the values a rotation has
//! - `turns`: whole rotations; `probes`: what a login shows; `preflight`: what is said before
//! - `functions`: whose are called
//! - `faults`: hanging, racing and lost changes, and the server's log; `pooler`: pgbouncer between

mod bed;
mod faults;
mod functions;
mod hostile;
mod pooler;
mod preflight;
mod probes;
mod scram;
mod settings;
mod turns;
mod unreadable;
