//! The audit log as a whole: verified and exported page by page, from one view of the database.

use super::db::{Arg, Tx};
use super::{StateError, Store, read};
use crate::audit::export::ExportError;
use crate::audit::{Checkpoint, Exporter, Head, NoteError, Report, Row, Verifier, chain};
use crate::keys::Keys;

/// Entries per page.
const PAGE: i64 = 500;

/// Why an export of the state's log could not be made.
#[derive(Debug)]
pub enum ExportFailure {
    /// The state failed.
    State(StateError),
    /// The export did.
    Export(ExportError),
}

impl Store {
    /// Verifies the whole log against its own head and `checkpoints`: those kept here
    /// ([`Store::checkpoints`]) and those kept elsewhere.
    pub async fn verify(
        &self,
        checkpoints: impl IntoIterator<Item = Result<Checkpoint, NoteError>>,
    ) -> Result<Report, StateError> {
        Ok(self.verify_from(1, checkpoints).await?.0)
    }

    /// Verifies the log from the entry `from` on (1: the whole log; past its head: nothing but the
    /// head is there to look at, and it is not the last entry's). Also the head it was held to.
    pub async fn verify_from(
        &self,
        from: i64,
        checkpoints: impl IntoIterator<Item = Result<Checkpoint, NoteError>>,
    ) -> Result<(Report, Head), StateError> {
        let mut tx = self.db.read().await?;
        let head = head(&mut tx).await?;
        let mut verifier = Verifier::new(head.chain, from);
        for checkpoint in checkpoints {
            verifier.checkpoint(checkpoint);
        }
        // The whole log: also what stands where no entry should.
        let mut next = if from == 1 { i64::MIN } else { from };
        loop {
            let page = page(&mut tx, next, i64::MAX).await?;
            page.iter().for_each(|row| verifier.push(row));
            match page.last().and_then(|row| row.seq.checked_add(1)) {
                Some(after) => next = after,
                None => return Ok((verifier.finish(Some(&head)), head)),
            }
        }
    }

    /// Whether the log still is what a checkpoint says, at the price of one entry: for the start of
    /// a process. `false`: it was cut off, or an older copy was put back, or it is another log.
    pub async fn fits(&self, checkpoint: &Checkpoint) -> Result<bool, StateError> {
        let mut tx = self.db.read().await?;
        let head = head(&mut tx).await?;
        if checkpoint.chain != head.chain || checkpoint.size > head.size {
            return Ok(false);
        }
        if checkpoint.size == 0 {
            return Ok(checkpoint.hash == chain::genesis(head.chain));
        }
        let entry = page(&mut tx, checkpoint.size, checkpoint.size).await?;
        Ok(entry.first().is_some_and(|row| row.hash == checkpoint.hash))
    }

    /// Exports the entries from the exporter's first to `to`, and signs for exactly these.
    pub async fn export(
        &self,
        mut exporter: Exporter,
        to: i64,
        keys: &Keys,
    ) -> Result<(), ExportFailure> {
        let mut tx = self.db.read().await?;
        let mut from = exporter.from();
        while from <= to {
            let page = page(&mut tx, from, to).await?;
            for row in &page {
                exporter.push(row)?;
            }
            match page.last() {
                Some(row) if row.seq < i64::MAX => from = row.seq.saturating_add(1),
                _ => break,
            }
        }
        Ok(exporter.finish(keys)?)
    }
}

async fn head(tx: &mut Tx) -> Result<Head, StateError> {
    let row = tx
        .row("SELECT chain, seq, hash FROM audit_head WHERE id = 1", &[])
        .await?;
    read::head(&row.ok_or(StateError::Corrupt)?)
}

async fn page(tx: &mut Tx, from: i64, to: i64) -> Result<Vec<Row>, StateError> {
    let args = [Arg::Int(from), Arg::Int(to), Arg::Int(PAGE)];
    tx.rows(
        read::entries!("WHERE seq >= $1 AND seq <= $2 ORDER BY seq LIMIT $3"),
        &args,
    )
    .await?
    .iter()
    .map(read::entry)
    .collect()
}

impl From<StateError> for ExportFailure {
    fn from(e: StateError) -> Self {
        Self::State(e)
    }
}

impl From<ExportError> for ExportFailure {
    fn from(e: ExportError) -> Self {
        Self::Export(e)
    }
}

impl std::fmt::Display for ExportFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(e) => e.fmt(f),
            Self::Export(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for ExportFailure {}
