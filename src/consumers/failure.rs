//! Files that could not be written.

use keyrota_contract::DeliveryError;
use keyrota_local::FileError;

/// A file that was not written: somebody must change something, unless it may pass by itself.
pub fn file_failed(e: FileError) -> DeliveryError {
    match e {
        FileError::Mounted => DeliveryError::Refused(
            "a single file is mounted at this name, and a mounted file cannot be replaced; mount its directory \
             instead, or write = \"in-place\" for a `file` consumer",
        ),
        e if e.may_pass() => DeliveryError::Retry(e.sentence()),
        e => DeliveryError::Refused(e.sentence()),
    }
}
