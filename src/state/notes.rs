//! Signed notes that do not fit the log.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

use super::db::Tx;
use super::{StateError, walk};
use crate::audit::{Checkpoint, Finding, Head, Problem, Signers};

/// What is wrong with a genuine checkpoint, if anything is.
pub(super) async fn unfit(
    tx: &mut Tx,
    head: &Head,
    signed: &Checkpoint,
) -> Result<Option<Finding>, StateError> {
    if signed.chain != head.chain {
        let detail = "a checkpoint is about another log: the state was replaced";
        return Ok(Some(Finding::new(0, Problem::Fork, detail)));
    }
    if signed.size > head.size {
        let detail = "the log is shorter than a checkpoint says: an older copy of the state was put back, or entries were cut off";
        return Ok(Some(Finding::new(signed.size, Problem::Shorter, detail)));
    }
    let detail = "the log up to here is not the one that was signed";
    let fits = walk::fits(tx, head, signed).await?;
    Ok((!fits).then(|| Finding::new(signed.size, Problem::Fork, detail)))
}

/// What is wrong with the first of these notes that does not fit, and the digest of all that do not.
pub(super) async fn all_unfit(
    tx: &mut Tx,
    head: &Head,
    signers: &Signers,
    notes: &[String],
) -> Result<(Option<Finding>, String), StateError> {
    let (mut first, mut wrong) = (None, Vec::new());
    for note in notes {
        let finding = match signers.judge(note, head.chain) {
            Ok(signed) => unfit(tx, head, &signed).await?,
            Err(_) => {
                let detail = "a checkpoint is not signed by the key given";
                Some(Finding::new(0, Problem::BadSignature, detail))
            }
        };
        if let Some(finding) = finding {
            first.get_or_insert(finding);
            wrong.push(note.as_str());
        }
    }
    Ok((first, digest_of_notes(wrong)))
}

/// The digest of notes, in whatever order; empty if there are none.
fn digest_of_notes(mut notes: Vec<&str>) -> String {
    if notes.is_empty() {
        return String::new();
    }
    notes.sort_unstable();
    notes.dedup();
    let mut digest = Context::new(&SHA256);
    for note in notes {
        digest.update(note.as_bytes());
        digest.update(&[0]);
    }
    HEXLOWER.encode(digest.finish().as_ref())
}
