//! The provider `vault` against OpenBao, over TLS.

mod promises;
