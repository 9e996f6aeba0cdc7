//! Copies in other stores, by the real binary, read back with the vendors' own programs.

mod bed;
mod fallback;
mod kills;
mod logins;
mod mend;
mod missing;
mod token;
mod whole;
