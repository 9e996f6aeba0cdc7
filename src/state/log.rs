//! The audit log as a whole: verified and exported page by page, from one view of the database.

use super::accepted::Accepted;
use super::walk::{fits, head, page, walk};
use super::{StateError, Store, columns, rows};
use crate::audit::export::ExportError;
use crate::audit::{Checkpoint, Exporter, Head, NoteError, Report, Signers, Verifier, Vouch};
use crate::keys::Keys;

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
        let kept = columns::notes(&mut tx).await?;
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
