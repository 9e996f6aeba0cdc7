//! consumers: to be written
