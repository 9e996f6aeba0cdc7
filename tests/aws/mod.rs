//! The providers of AWS, against a server that speaks AWS' protocols.

mod faults;
mod quiet;
mod whole;
