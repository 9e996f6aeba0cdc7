//! A person goes on after a finding: the log itself says what was found, and who accepted it.
//!
//! An entry `audit.accepted` holds digests of the entries before it, of what was wrong with them, and
//! of the notes that do not fit. Whoever verifies finds the same again and passes over it. When one
//! byte of it changes later, all of it counts again.

use jiff::Timestamp;

use super::accepted::before;
use super::commit::{append, read_head, sign};
use super::db::Tx;
use super::rows::{self, Rows};
use super::{Holder, StateError, Store, columns, notes, prove};
use crate::audit::{Head, NewEntry, Signers, Vouch, anchors, chain};

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
        let kept = columns::notes(&mut tx).await?;
        let (report, entries) = before(&mut tx, &head, &signers, i64::MAX).await?;
        let (_, inside) = notes::all_unfit(&mut tx, &head, &signers, &kept).await?;
        let (_, outside) = notes::all_unfit(&mut tx, &head, &signers, &given).await?;
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
        .row(columns::entries!("ORDER BY seq DESC LIMIT 1"), &[])
        .await?;
    let last = last.map(|row| columns::entry(&row)).transpose()?;
    let (size, hash) = match last {
        None => (0, chain::genesis(head.chain)),
        Some(row) => {
            let computed = chain::hash(head.chain, row.seq, &row.prev_hash, &row.body);
            (row.seq, row.hash.try_into().unwrap_or(computed))
        }
    };
    Ok(Head { size, hash, ..head })
}
