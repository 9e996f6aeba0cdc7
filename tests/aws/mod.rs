//! The providers of AWS, against a server that speaks AWS' protocols.

mod faults;
mod kills;
mod quiet;
mod whole;
