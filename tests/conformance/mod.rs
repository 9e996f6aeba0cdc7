//! The contract, promise by promise, against servers that speak a provider's real protocol.

mod aws;
