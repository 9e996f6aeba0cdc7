//! What a person accepted, as an entry of the log says.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;

use super::db::{Arg, Tx};
use super::{StateError, columns, notes, walk};
use crate::audit::{Checkpoint, Head, Report, Row, Signers, Verifier, canonical, chain};

/// The event of the entry.
pub const EVENT: &str = "audit.accepted";

/// What was accepted last.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    /// The entry that says so.
    pub at: Checkpoint,
    /// Digest of the entries before it, and of what is wrong with them.
    pub entries: String,
    /// Digest of the notes in the state that did not fit.
    pub inside: String,
    /// Digest of those outside it.
    pub outside: String,
}

impl Accepted {
    /// The newest acceptance that a host with the seed wrote; without the seed, that a checkpoint covers.
    pub(super) async fn find(
        tx: &mut Tx,
        head: &Head,
        signers: &Signers,
    ) -> Result<Option<Self>, StateError> {
        let sql = columns::entries!("WHERE event = $1 ORDER BY seq DESC LIMIT 1");
        let row = tx.row(sql, &[Arg::Text(EVENT)]).await?;
        let Some(row) = row.map(|row| columns::entry(&row)).transpose()? else {
            return Ok(None);
        };
        let Some(accepted) = Self::of(head, &row) else {
            return Ok(None);
        };
        let genuine = match (signers.vouch(), &row.mac) {
            (Some(vouch), Some(mac)) => vouch.vouches(&accepted.at.hash, mac),
            (Some(_), None) => false,
            (None, _) => {
                let mut covered = false;
                for note in columns::notes(tx).await? {
                    if let Ok(signed) = signers.judge(&note, head.chain)
                        && signed.size >= accepted.at.size
                        && walk::fits(tx, head, &signed).await?
                    {
                        covered = true;
                    }
                }
                covered
            }
        };
        Ok(genuine.then_some(accepted))
    }

    /// What is wrong with the log but for what was accepted; `None` if that is not what was wrong then.
    /// `notes`: those in the state, and those outside it.
    pub(super) async fn but_for(
        &self,
        tx: &mut Tx,
        head: &Head,
        signers: &Signers,
        notes: (&[String], &[String]),
        from: i64,
    ) -> Result<Option<Report>, StateError> {
        for (notes, accepted) in [(notes.0, &self.inside), (notes.1, &self.outside)] {
            let (wrong, digest) = notes::all_unfit(tx, head, signers, notes).await?;
            if wrong.is_some() && digest != *accepted {
                return Ok(None);
            }
        }
        let (earlier, entries) = before(tx, head, signers, self.at.size).await?;
        // Without the seed the MACs are not judged, and so not found wrong again: what covers the
        // acceptance covers what it says of them.
        if signers.vouch().is_some() && entries != self.entries {
            return Ok(None);
        }
        let from = from.max(self.at.size);
        let mut verifier = Verifier::new(head.chain, from);
        verifier.vouch(signers.vouch().cloned());
        let mut sizes = Vec::new();
        for note in notes.0 {
            let signed = signers.judge(note, head.chain).ok();
            sizes.extend(signed.map(|c| c.size));
        }
        verifier.kept(sizes);
        for note in notes.0.iter().chain(notes.1) {
            if let Ok(signed) = signers.judge(note, head.chain)
                && walk::fits(tx, head, &signed).await?
            {
                verifier.checkpoint(Ok(signed));
            }
        }
        walk::walk(tx, from, i64::MAX, |row| verifier.push(row)).await?;
        let mut report = verifier.finish(Some(head));
        report.accepted = Some((self.at.size, earlier.findings.len()));
        Ok(Some(report))
    }

    fn of(head: &Head, row: &Row) -> Option<Self> {
        let body = canonical::read(&row.body).ok()?;
        let hash = chain::hash(head.chain, row.seq, &row.prev_hash, &row.body);
        let text = |key: &str| Some(body["detail"][key].as_str()?.to_owned());
        let genuine =
            body["event"] == EVENT && body["seq"] == row.seq && row.hash.as_slice() == hash;
        genuine.then_some(())?;
        Some(Self {
            at: Checkpoint::of(&Head {
                chain: head.chain,
                size: row.seq,
                hash,
            }),
            entries: text("entries")?,
            inside: text("inside")?,
            outside: text("outside")?,
        })
    }
}

/// What is wrong with the entries before `seq` by themselves, and a digest of that and of them.
pub(super) async fn before(
    tx: &mut Tx,
    head: &Head,
    signers: &Signers,
    seq: i64,
) -> Result<(Report, String), StateError> {
    let mut verifier = Verifier::new(head.chain, 1);
    verifier.vouch(signers.vouch().cloned());
    let notes = columns::notes(tx).await?;
    let judged = notes
        .iter()
        .filter_map(|n| signers.judge(n, head.chain).ok());
    verifier.kept(judged.map(|c| c.size));
    let mut rows = Context::new(&SHA256);
    let each = |row: &Row| {
        verifier.push(row);
        update(&mut rows, row);
    };
    walk::walk(tx, i64::MIN, seq.saturating_sub(1), each).await?;
    let report = verifier.finish(None);
    let mut digest = rows;
    for f in &report.findings {
        digest.update(format!("{} {} {}\0", f.seq, f.problem.as_str(), f.detail).as_bytes());
    }
    Ok((report, HEXLOWER.encode(digest.finish().as_ref())))
}

/// Everything that is stored of an entry, each part with its length.
fn update(digest: &mut Context, row: &Row) {
    let copies = format!("{:?}", row.copies);
    let mac = row.mac.as_deref().unwrap_or_default();
    let seq = row.seq.to_be_bytes();
    for part in [
        &seq[..],
        &row.prev_hash,
        &row.hash,
        &row.body,
        mac,
        copies.as_bytes(),
    ] {
        digest.update(&part.len().to_be_bytes());
        digest.update(part);
    }
}
