//! A person goes on after a finding: the log itself says what was found, and who accepted it.
//!
//! An entry `audit.accepted` holds digests of the entries before it, of what was wrong with them, and
//! of the notes that do not fit. Whoever verifies finds the same again and passes over it. When one
//! byte of it changes later, all of it counts again.

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::commit::{append, read_head, sign};
use super::db::{Arg, Tx};
use super::rows::{self, Rows};
use super::{Holder, StateError, Store, log, prove, read};
use crate::audit::{
    Checkpoint, Head, NewEntry, Report, Row, Signers, Verifier, Vouch, anchors, canonical, chain,
};

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

/// What an acceptance led to.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// The entry.
    pub seq: i64,
    /// How many findings there were in the entries before it.
    pub findings: usize,
    /// The signed note over it.
    pub note: String,
}

impl Accepted {
    /// The newest acceptance that a host with the seed wrote; without the seed, that a checkpoint covers.
    pub(super) async fn find(
        tx: &mut Tx,
        head: &Head,
        signers: &Signers,
    ) -> Result<Option<Self>, StateError> {
        let sql = read::entries!("WHERE event = $1 ORDER BY seq DESC LIMIT 1");
        let row = tx.row(sql, &[Arg::Text(EVENT)]).await?;
        let Some(row) = row.map(|row| read::entry(&row)).transpose()? else {
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
                for note in read::notes(tx).await? {
                    if let Ok(signed) = signers.judge(&note, head.chain)
                        && signed.size >= accepted.at.size
                        && log::fits(tx, head, &signed).await?
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
            let (wrong, digest) = prove::all_unfit(tx, head, signers, notes).await?;
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
                && log::fits(tx, head, &signed).await?
            {
                verifier.checkpoint(Ok(signed));
            }
        }
        log::walk(tx, from, i64::MAX, |row| verifier.push(row)).await?;
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

impl Store {
    /// Accepts everything that is wrong with the log now: appends `entry` with digests of it, and signs.
    /// `None`: nothing is wrong.
    pub async fn accept(
        &self,
        who: &Holder,
        entry: NewEntry,
        now: Timestamp,
    ) -> Result<Option<Acceptance>, StateError> {
        let hand = self.hand()?;
        let signers = Signers::own(&hand.keys);
        let mut tx = self.db.write().await?;
        let vouch = &Vouch::of(&hand.keys);
        let before_it = read_head(&mut tx).await?;
        let named = Rows::named(&mut tx, &before_it, vouch).await?;
        let stored = Rows::stored(&mut tx).await?;
        let head = mended(&mut tx, before_it).await?;
        let given = match hand.outside.as_deref().map(anchors::read).transpose() {
            Ok(anchors) => anchors.map(|a| a.notes()).unwrap_or_default(),
            Err(_) => return Err(prove::UNREADABLE),
        };
        let kept = read::notes(&mut tx).await?;
        let (report, entries) = before(&mut tx, &head, &signers, i64::MAX).await?;
        let (_, inside) = prove::all_unfit(&mut tx, &head, &signers, &kept).await?;
        let (_, outside) = prove::all_unfit(&mut tx, &head, &signers, &given).await?;
        let found = report.findings.len();
        let sound = named.as_ref() == Some(&stored) && head == before_it;
        if found == 0 && inside.is_empty() && outside.is_empty() && sound {
            return Ok(None);
        }
        let named = named.unwrap_or_default();
        let differing: Vec<_> = stored.differing(&named).collect();
        rows::drop_forged_requests(&mut tx, &named).await?;
        let rows = Rows::stored(&mut tx).await?;
        let entry = entry
            .detail("found", found.to_string())
            .detail("entries", entries)
            .detail("inside", inside)
            .detail("outside", outside)
            .detail("rows", differing.join(" "));
        let head = append(&mut tx, head, vouch, who, None, &[entry], now).await?;
        rows.write(&mut tx, &head, vouch).await?;
        let note = sign(&mut tx, hand, &head).await?;
        tx.commit().await?;
        hand.wrote(&head);
        Ok(Some(Acceptance {
            seq: head.size,
            findings: found,
            note,
        }))
    }
}

/// The head, put right where it is not the last entry's: what follows must follow something.
async fn mended(tx: &mut Tx, head: Head) -> Result<Head, StateError> {
    let last = tx
        .row(read::entries!("ORDER BY seq DESC LIMIT 1"), &[])
        .await?;
    let last = last.map(|row| read::entry(&row)).transpose()?;
    let (size, hash) = match last {
        None => (0, chain::genesis(head.chain)),
        Some(row) => {
            let computed = chain::hash(head.chain, row.seq, &row.prev_hash, &row.body);
            (row.seq, row.hash.try_into().unwrap_or(computed))
        }
    };
    Ok(Head { size, hash, ..head })
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
    let notes = read::notes(tx).await?;
    let judged = notes
        .iter()
        .filter_map(|n| signers.judge(n, head.chain).ok());
    verifier.kept(judged.map(|c| c.size));
    let mut rows = Context::new(&SHA256);
    let each = |row: &Row| {
        verifier.push(row);
        update(&mut rows, row);
    };
    log::walk(tx, i64::MIN, seq.saturating_sub(1), each).await?;
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

/// The digest of notes, in whatever order; empty if there are none.
pub(super) fn digest_of_notes(mut notes: Vec<&str>) -> String {
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
