//! Whether keyrota may go on with this state: what is proven before it writes or signs anything.
//!
//! A signature over a forged log would make it genuine, and a rotation on a replaced state would repeat
//! or lose what the newest one knew. So these are proven: the newest note of every file outside, and
//! the newest in the state, are about this log and fit; every entry since then is sound and has its
//! MAC; no entry is missing or out of its place. That is cheap, since checkpoints are made often. What
//! takes hashing the whole log is for `audit verify`.

use std::path::Path;

use super::accepted::Accepted;
use super::db::{Arg, Tx};
use super::hand::Hand;
use super::notes::{all_unfit, unfit};
use super::rows::{Rows, forged_head};
use super::{StateError, Store, columns, walk};
use crate::audit::{Finding, Head, Problem, Signers, Verifier, Vouch, anchors};
use crate::keys::Keys;

/// Entries whose links are compared at each start; more would be slow.
const LINKS_MAX: i64 = 100_000;
/// Looks at a log that grows meanwhile.
const LOOKS_MAX: u32 = 5;

impl Store {
    /// Proves that this is the newest state and that its log is sound since its last checkpoint.
    pub async fn prove(&self) -> Result<(), StateError> {
        // Another process may write after this one's snapshot of the database, and keep a checkpoint outside
        // before this one reads those. A finding counts when the log has not grown meanwhile.
        for _ in 1..LOOKS_MAX {
            let (head, found) = self.look().await?;
            let grew = matches!(found, Err(StateError::Unvouched(_))) && self.head().await? != head;
            if !grew {
                return found;
            }
        }
        self.look().await?.1
    }

    /// The head of the log in one snapshot, and whether all is proven there.
    async fn look(&self) -> Result<(Head, Result<(), StateError>), StateError> {
        let hand = self.hand()?;
        let mut tx = self.db.read().await?;
        let head = walk::head(&mut tx).await?;
        if let Err(why) = check(&mut tx, &head, hand, Depth::Whole).await {
            return Ok((head, Err(why)));
        }
        let named = Rows::named(&mut tx, &head, &Vouch::of(&hand.keys)).await?;
        let named = named.ok_or_else(|| StateError::Unvouched(forged_head(&head)));
        Ok((head, named.map(drop)))
    }
}

/// How much is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The entries since the newest checkpoint in the state: before each write.
    Recent,
    /// Also the places of all entries, and the checkpoints outside: before a signature.
    Whole,
}

/// Proves the log before a transaction writes to it; whether the new head may be signed, if `signs` asks for that.
/// Where the checkpoints outside cannot be read nothing is signed, and the transaction goes on: what was done must
/// still be written down.
pub(super) async fn before(
    tx: &mut Tx,
    head: &Head,
    hand: &Hand,
    signs: bool,
) -> Result<bool, StateError> {
    if signs {
        match check(tx, head, hand, Depth::Whole).await {
            Err(UNREADABLE) => tracing::warn!("the log is not signed: {UNREADABLE}"),
            other => return other.map(|()| true),
        }
    }
    check(tx, head, hand, Depth::Recent).await.map(|()| false)
}

/// Whether notes that were kept outside speak of a log, where there is no state.
pub fn speak_of_a_log(keys: &Keys, outside: &Path) -> Result<bool, StateError> {
    let signers = Signers::own(keys);
    let files = anchors::newest(outside).map_err(|_| UNREADABLE)?;
    let mut notes = files.iter().flatten();
    Ok(notes.any(|note| signers.judge(note, uuid::Uuid::nil()).is_ok()))
}

pub(super) const UNREADABLE: StateError =
    StateError::Refused("the directory of checkpoints, or a file in it, cannot be read");

/// Proves it, or says what is wrong. What a person accepted is not held against the log again.
async fn check(tx: &mut Tx, head: &Head, hand: &Hand, depth: Depth) -> Result<(), StateError> {
    let signers = &Signers::own(&hand.keys);
    let outside = hand.outside.as_deref().filter(|_| depth == Depth::Whole);
    if let Some(finding) = strictly(tx, head, signers, outside, depth).await? {
        let accepted = Accepted::find(tx, head, signers).await?;
        let accepted = accepted.ok_or(StateError::Unvouched(finding))?;
        if let Some(later) = since(tx, head, signers, outside, &accepted).await? {
            return Err(StateError::Unvouched(later));
        }
    }
    // Whoever can write to the database and to the directory can put an older state back as a whole.
    match hand.last() {
        Some(last) => match unfit(tx, head, &last).await? {
            Some(gone) => Err(StateError::Unvouched(Finding {
                detail: "this process wrote an entry here that is gone: an older copy of the state was put back, or entries were cut off",
                ..gone
            })),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

async fn strictly(
    tx: &mut Tx,
    head: &Head,
    signers: &Signers,
    outside: Option<&Path>,
    depth: Depth,
) -> Result<Option<Finding>, StateError> {
    if let Some(outside) = outside {
        for file in anchors::newest(outside).map_err(|_| UNREADABLE)? {
            // Damaged lines and those of other seeds: `audit verify` says more.
            let mut genuine = file
                .iter()
                .filter_map(|n| signers.judge(n, head.chain).ok());
            if let Some(newest) = genuine.next()
                && let Some(finding) = unfit(tx, head, &newest).await?
            {
                return Ok(Some(finding));
            }
        }
    }
    let newest = "SELECT note FROM checkpoint ORDER BY size DESC, note LIMIT 1";
    let note = tx.row(newest, &[]).await?;
    let mut verifier = Verifier::new(head.chain, 1);
    let (mut from, mut kept) = (i64::MIN, None);
    if let Some(note) = note.map(|row| row.text(0)).transpose()? {
        let Ok(signed) = signers.judge(&note, head.chain) else {
            let detail = "a checkpoint in the state is not signed by this host's key";
            return Ok(Some(Finding::new(0, Problem::BadSignature, detail)));
        };
        if let Some(finding) = unfit(tx, head, &signed).await? {
            return Ok(Some(finding));
        }
        verifier = Verifier::after(&signed);
        from = signed.size.saturating_add(1);
        // An entry since then names this checkpoint, and no other.
        kept = Some(signed.size);
    }
    verifier.kept(kept);
    if depth == Depth::Whole
        && let Some(finding) = places(tx, head, 1).await?
    {
        return Ok(Some(finding));
    }
    rest(tx, head, signers, verifier, from).await
}

/// As [`strictly`], but for what a person accepted with the entry `accepted`.
async fn since(
    tx: &mut Tx,
    head: &Head,
    signers: &Signers,
    outside: Option<&Path>,
    accepted: &Accepted,
) -> Result<Option<Finding>, StateError> {
    if let Some(outside) = outside {
        let notes = anchors::read(outside).map_err(|_| UNREADABLE)?.notes();
        let (finding, digest) = all_unfit(tx, head, signers, &notes).await?;
        if finding.is_some() && digest != accepted.outside {
            return Ok(finding);
        }
    }
    let notes = columns::notes(tx).await?;
    let (finding, digest) = all_unfit(tx, head, signers, &notes).await?;
    if finding.is_some() && digest != accepted.inside {
        return Ok(finding);
    }
    if let Some(finding) = places(tx, head, accepted.at.size).await? {
        return Ok(Some(finding));
    }
    // From the newest checkpoint that fits, but for nothing before the acceptance.
    let mut base = accepted.at.clone();
    let mut sizes = Vec::new();
    for note in &notes {
        let Ok(signed) = signers.judge(note, head.chain) else {
            continue;
        };
        sizes.push(signed.size);
        if signed.size > base.size && walk::fits(tx, head, &signed).await? {
            base = signed;
        }
    }
    let mut verifier = Verifier::after(&base);
    verifier.kept(sizes);
    rest(tx, head, signers, verifier, base.size.saturating_add(1)).await
}

/// Everything from the entry `from` on.
async fn rest(
    tx: &mut Tx,
    head: &Head,
    signers: &Signers,
    mut verifier: Verifier,
    from: i64,
) -> Result<Option<Finding>, StateError> {
    verifier.vouch(signers.vouch().cloned());
    walk::walk(tx, from, i64::MAX, |row| verifier.push(row)).await?;
    Ok(verifier.finish(Some(head)).findings.into_iter().next())
}

/// Whether the entries from `first` on all stand there, each behind the one it follows. The database
/// compares; no hash is computed.
async fn places(tx: &mut Tx, head: &Head, first: i64) -> Result<Option<Finding>, StateError> {
    let count = "SELECT count(*) FROM audit WHERE seq >= $1 AND seq <= $2";
    let args = [Arg::Int(first), Arg::Int(head.size)];
    let count = tx.row(count, &args).await?.ok_or(StateError::Corrupt)?;
    let expected = head.size.saturating_sub(first).saturating_add(1);
    let whole = count.int(0)? == expected;
    // Where some are missing, say which is the first; else only recent ones are compared.
    let from = match whole {
        true => first.max(head.size.saturating_sub(LINKS_MAX)),
        false => first,
    };
    let broken = "SELECT min(a.seq) FROM audit a LEFT JOIN audit b ON b.seq = a.seq + 1
                  WHERE a.seq >= $1 AND a.seq < $2 AND (b.seq IS NULL OR b.prev_hash <> a.hash)";
    let args = [Arg::Int(from), Arg::Int(head.size)];
    let broken = tx.row(broken, &args).await?.ok_or(StateError::Corrupt)?;
    Ok(match (whole, broken.maybe_int(0)?) {
        (true, None) => None,
        (true, Some(seq)) => {
            let detail = "it does not follow the entry before it";
            Some(Finding::new(
                seq.saturating_add(1),
                Problem::Modified,
                detail,
            ))
        }
        (false, seq) => {
            let seq = seq.map_or(first, |seq| seq.saturating_add(1));
            Some(Finding::new(seq, Problem::Gap, "it is missing"))
        }
    })
}
