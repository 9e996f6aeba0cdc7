//! turns: to be written
