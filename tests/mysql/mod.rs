//! The rotator of MySQL and MariaDB against a real MariaDB.

mod bed;
mod faults;
mod hostile;
mod methods;
mod preflight;
mod probes;
mod sequences;
mod settings;
mod whole;
