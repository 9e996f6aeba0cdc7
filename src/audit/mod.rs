//! audit: to be written
