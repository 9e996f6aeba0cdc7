//! The audit log as a whole: verified and exported page by page, from one view of the database.

use super::accept::Accepted;
use super::db::{Arg, Tx};
use super::{StateError, Store, read, rows};
use crate::audit::export::ExportError;
use crate::audit::{
    Checkpoint, Exporter, Head, NoteError, Report, Row, Signers, Verifier, Vouch, chain,
};
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

/// A verification, and what it was held to.
#[derive(Debug, Clone)]
pub struct Verified {
    /// What was found.
    pub report: Report,
    /// The head that the log was held to.
    pub head: Head,
    /// The genuine checkpoints of this log that the state keeps.
    pub inside: Vec<Checkpoint>,
    /// Those that were given.
    pub outside: Vec<Checkpoint>,
}

impl Store {
    /// Verifies the log from the entry `from` on; 1 is the whole log, and `from` is at most its size. The log has to fit
    /// its head, the checkpoints in the state, and the signed notes `given`, which come from outside. With the seed, the rows
    /// that the head names have to fit too. What a person accepted is no finding.
    pub async fn verify(
        &self,
        from: i64,
        signers: &Signers,
        given: &[String],
    ) -> Result<Verified, StateError> {
        // One view of all. The notes outside were read before, so they are not about later entries.
        let mut tx = self.db.read().await?;
        let head = head(&mut tx).await?;
        let kept = read::notes(&mut tx).await?;
        let judged = |notes: &[String]| -> Vec<Result<Checkpoint, NoteError>> {
            notes.iter().map(|n| signers.judge(n, head.chain)).collect()
        };
        let (inside, outside) = (judged(&kept), judged(given));
        let ours = |all: &[Result<Checkpoint, NoteError>]| -> Vec<Checkpoint> {
            let sound = all.iter().flatten().filter(|c| c.chain == head.chain);
            sound.cloned().collect()
        };
        let held = (ours(&inside), ours(&outside));
        let mut verifier = Verifier::new(head.chain, from);
        for checkpoint in inside.into_iter().chain(outside) {
            verifier.checkpoint(checkpoint);
        }
        verifier.vouch(signers.vouch().cloned());
        verifier.kept(held.0.iter().map(|c| c.size));
        walk(&mut tx, from, i64::MAX, |row| verifier.push(row)).await?;
        let mut report = verifier.finish(Some(&head));
        if !report.findings.is_empty()
            && let Some(accepted) = Accepted::find(&mut tx, &head, signers).await?
            && let Some(more) = accepted
                .but_for(&mut tx, &head, signers, (&kept, given), from)
                .await?
        {
            report = more;
        }
        if report.findings.is_empty()
            && let Some(vouch) = signers.vouch()
        {
            report
                .findings
                .extend(rows::wrong(&mut tx, &head, vouch).await?);
        }
        Ok(Verified {
            report,
            head,
            inside: held.0,
            outside: held.1,
        })
    }

    /// Whether the log still is what a checkpoint says, at the price of one entry: for the start of
    /// a process. `false`: it was cut off, or an older copy was put back, or it is another log.
    pub async fn fits(&self, checkpoint: &Checkpoint) -> Result<bool, StateError> {
        let mut tx = self.db.read().await?;
        let head = head(&mut tx).await?;
        fits(&mut tx, &head, checkpoint).await
    }

    /// Exports the entries from the exporter's first to `to`, and signs for exactly these.
    pub async fn export(
        &self,
        mut exporter: Exporter,
        to: i64,
        keys: &Keys,
    ) -> Result<(), ExportFailure> {
        let mut tx = self.db.read().await?;
        exporter.vouch(Vouch::of(keys));
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
        Ok(exporter.finish(to, keys)?)
    }
}

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

pub(super) async fn head(tx: &mut Tx) -> Result<Head, StateError> {
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
