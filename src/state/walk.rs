//! The entries of the log, page by page, in one view of the database.

use super::db::{Arg, Tx};
use super::{StateError, columns};
use crate::audit::{Checkpoint, Head, Row, chain};

/// Entries per page.
const PAGE: i64 = 500;

/// Hands the entries from `from` to `to` to `each`, page by page.
pub(super) async fn walk(
    tx: &mut Tx,
    from: i64,
    to: i64,
    mut each: impl FnMut(&Row),
) -> Result<(), StateError> {
    // The whole log: also what stands where no entry should.
    let mut next = if from == 1 { i64::MIN } else { from };
    loop {
        let page = page(tx, next, to).await?;
        page.iter().for_each(&mut each);
        match page.last().and_then(|row| row.seq.checked_add(1)) {
            Some(after) => next = after,
            None => return Ok(()),
        }
    }
}

/// Whether the log with this head holds the entry that a checkpoint signs.
pub(super) async fn fits(
    tx: &mut Tx,
    head: &Head,
    checkpoint: &Checkpoint,
) -> Result<bool, StateError> {
    if checkpoint.chain != head.chain || checkpoint.size > head.size {
        return Ok(false);
    }
    if checkpoint.size == 0 {
        return Ok(checkpoint.hash == chain::genesis(head.chain));
    }
    let entry = page(tx, checkpoint.size, checkpoint.size).await?;
    Ok(entry.first().is_some_and(|row| {
        let hash = chain::hash(head.chain, row.seq, &row.prev_hash, &row.body);
        hash == checkpoint.hash && row.hash == checkpoint.hash
    }))
}

/// The head, as this transaction sees it.
pub(super) async fn head(tx: &mut Tx) -> Result<Head, StateError> {
    let row = tx
        .row("SELECT chain, seq, hash FROM audit_head WHERE id = 1", &[])
        .await?;
    columns::head(&row.ok_or(StateError::Corrupt)?)
}

/// Entries from `from` to `to`, a page of them.
pub(super) async fn page(tx: &mut Tx, from: i64, to: i64) -> Result<Vec<Row>, StateError> {
    let args = [Arg::Int(from), Arg::Int(to), Arg::Int(PAGE)];
    tx.rows(
        columns::entries!("WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3"),
        &args,
    )
    .await?
    .iter()
    .map(columns::entry)
    .collect()
}
