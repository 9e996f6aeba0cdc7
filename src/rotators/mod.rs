//! rotators: to be written
