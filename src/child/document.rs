//! What a program is told: one line of JSON.

use keyrota_contract::SecretValue;
use serde_json::Value;
use zeroize::Zeroizing;

/// A value that JSON cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotText;

impl NotText {
    /// What a person reads.
    pub(crate) const SENTENCE: &'static str =
        "the value is not UTF-8 text, which is all JSON can hold";
}

/// Values by their names; `None`: null.
pub(crate) type Members<'a> = Vec<(&'a str, Option<&'a SecretValue>)>;

/// The object `head` with one more member per part, each an object of values, in a buffer that
/// never grew.
pub(crate) fn document(
    head: &Value,
    parts: &[(&str, Members<'_>)],
) -> Result<Zeroizing<Vec<u8>>, NotText> {
    let head = head.to_string();
    // One byte becomes six at most: \u0000.
    let room = |bytes: &[u8]| 6 * bytes.len() + 8;
    let sizes = parts.iter().map(|(name, values)| {
        let values = values
            .iter()
            .map(|(name, value)| room(name.as_bytes()) + value.map_or(4, |v| v.expose_to(room)));
        room(name.as_bytes()) + values.sum::<usize>()
    });
    let mut out = Zeroizing::new(Vec::with_capacity(head.len() + sizes.sum::<usize>() + 8));
    let fits = "a buffer in memory takes everything";
    out.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
    for (name, values) in parts {
        out.push(b',');
        serde_json::to_writer(&mut *out, name).expect(fits);
        out.extend_from_slice(b":{");
        for (i, (name, value)) in values.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, name).expect(fits);
            out.push(b':');
            match value {
                None => out.extend_from_slice(b"null"),
                Some(value) => value.expose_to(|bytes| {
                    let text = std::str::from_utf8(bytes).map_err(|_| NotText)?;
                    serde_json::to_writer(&mut *out, text).expect(fits);
                    Ok(())
                })?,
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
    Ok(out)
}
