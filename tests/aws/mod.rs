//! The providers of AWS, against a server that speaks AWS' protocols.

mod faults;
mod profiles;
mod quiet;
mod shapes;
mod whole;
