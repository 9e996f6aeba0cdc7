//! The requests that vaultrs lacks, or makes in a way that keyrota cannot use.
//!
//! - Its `SetSecretRequest` takes a tree of JSON, whose copies of values nothing wipes, and prints
//!   them with `Debug`; ours takes the text.
//! - Its `SetSecretMetadataRequest` sends `null` for what it is not told, and the server takes that
//!   as zero: an operator's `max_versions` would be gone.
//! - It has no request for `sys/capabilities-self` and for what an engine of a mount is.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustify::endpoint::Endpoint;
use rustify::enums::{RequestMethod, RequestType, ResponseType};
use rustify::errors::ClientError;
use serde_json::json;
use zeroize::Zeroizing;

/// Writes the next version of a path, if its newest is `cas`.
#[derive(Clone)]
pub(super) struct PutVersion {
    mount: String,
    pub path: String,
    pub cas: u64,
    data: Arc<Zeroizing<Vec<u8>>>,
}

impl PutVersion {
    /// `data` is a JSON object.
    pub fn new(mount: &str, path: &str, cas: u64, data: Zeroizing<Vec<u8>>) -> Self {
        Self {
            mount: mount.to_owned(),
            path: path.to_owned(),
            cas,
            data: Arc::new(data),
        }
    }
}

impl Endpoint for PutVersion {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        format!("{}/data/{}", self.mount, self.path)
    }

    fn method(&self) -> RequestMethod {
        RequestMethod::POST
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let head = format!("{{\"options\":{{\"cas\":{}}},\"data\":", self.cas);
        let mut body =
            Vec::with_capacity(head.len().saturating_add(self.data.len()).saturating_add(1));
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.data);
        body.push(b'}');
        Ok(Some(body))
    }
}

/// A request without a value in it.
#[derive(Clone)]
pub(super) struct Plain {
    method: RequestMethod,
    path: String,
    body: Option<String>,
}

impl Plain {
    /// The custom metadata of a path, all of them; its settings stay.
    pub fn put_metadata(mount: &str, path: &str, custom: &BTreeMap<String, String>) -> Self {
        Self {
            method: RequestMethod::POST,
            path: format!("{mount}/metadata/{path}"),
            body: Some(json!({ "custom_metadata": custom }).to_string()),
        }
    }

    /// What the token may do.
    pub fn capabilities(paths: &[String]) -> Self {
        Self {
            method: RequestMethod::POST,
            path: "sys/capabilities-self".into(),
            body: Some(json!({ "paths": paths }).to_string()),
        }
    }

    /// What stands behind a mount; for any token that may use a path below it.
    pub fn mount(mount: &str) -> Self {
        Self {
            method: RequestMethod::GET,
            path: format!("sys/internal/ui/mounts/{mount}"),
            body: None,
        }
    }
}

impl Endpoint for Plain {
    type Response = ();
    const REQUEST_BODY_TYPE: RequestType = RequestType::JSON;
    const RESPONSE_BODY_TYPE: ResponseType = ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> RequestMethod {
        self.method.clone()
    }

    fn body(&self) -> Result<Option<Vec<u8>>, ClientError> {
        Ok(self.body.clone().map(String::into_bytes))
    }
}
