//! Verification: walks over the entries once, in the order in which they are stored, and says what
//! is wrong where. Pure; remembers only what is missing and which intents are open.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use uuid::Uuid;

use super::chain::{self, Hash};
use super::report::{Dangling, FINDINGS_MAX, Finding, Problem, Report};
use super::{Checkpoint, Copies, Head, NoteError, Row, Vouch, canonical};

/// The words that are remembered of an entry are shorter.
const WORD_BYTES_MAX: usize = 64;

/// A verification under way: [`push`](Verifier::push) every entry, then [`finish`](Verifier::finish).
#[derive(Debug)]
pub struct Verifier {
    chain: Uuid,
    /// The highest place seen, and the hashes that the next entry may follow.
    last: (i64, [Option<Hash>; 2]),
    /// Places not seen yet below the highest, as ranges from first to last.
    missing: BTreeMap<i64, i64>,
    /// The hash that the last entry of a missing range must have, by its place.
    wanted: BTreeMap<i64, Hash>,
    /// Statements about the log, by size.
    checkpoints: BTreeMap<i64, Vec<Hash>>,
    vouched: Option<i64>,
    /// Judges the MACs of entries; `None`: the seed is not at hand.
    vouch: Option<Vouch>,
    /// The sizes of the checkpoints that the state keeps, and the last one that an entry named.
    kept: Option<(BTreeSet<i64>, Option<i64>)>,
    /// The whole log is judged, from its first entry on.
    whole: bool,
    intents: HashMap<(String, String), Dangling>,
    entries: i64,
    entries_max: i64,
    findings: Vec<Finding>,
}

impl Verifier {
    /// Begins with the entry `from` (1: the whole log). What precedes it is not judged, but for the
    /// start of the log.
    pub fn new(chain: Uuid, from: i64) -> Self {
        let before = (from == 1).then(|| chain::genesis(chain));
        Self::begin(chain, from.max(1).saturating_sub(1), before, from <= 1)
    }

    /// Begins after the entry that `checkpoint` signs.
    pub fn after(checkpoint: &Checkpoint) -> Self {
        let Checkpoint {
            chain, size, hash, ..
        } = *checkpoint;
        Self::begin(chain, size, Some(hash), false)
    }

    fn begin(chain: Uuid, last: i64, hash: Option<Hash>, whole: bool) -> Self {
        Self {
            chain,
            last: (last, [hash, None]),
            missing: BTreeMap::new(),
            wanted: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            vouched: None,
            vouch: None,
            kept: None,
            whole,
            intents: HashMap::new(),
            entries: 0,
            entries_max: i64::MAX,
            findings: Vec::new(),
        }
    }

    /// Adds a checkpoint to hold the log to, or the reason why one is not to be believed. All of
    /// them come before the first entry.
    pub fn checkpoint(&mut self, checkpoint: Result<Checkpoint, NoteError>) {
        match checkpoint {
            Ok(c) if c.chain != self.chain => {
                self.find(c.size, Problem::Fork, "a checkpoint is about another log");
            }
            Ok(c) if c.size == 0 && c.hash != chain::genesis(self.chain) => {
                self.find(
                    0,
                    Problem::Fork,
                    "the log did not begin as a checkpoint says",
                );
            }
            Ok(c) => self.checkpoints.entry(c.size).or_default().push(c.hash),
            Err(NoteError::OtherLog) => {
                self.find(0, Problem::Fork, "a checkpoint is about another log")
            }
            Err(_) => self.find(
                0,
                Problem::BadSignature,
                "a checkpoint is not signed by the key given",
            ),
        }
    }

    /// Also judges whether a host with the seed wrote each entry.
    pub fn vouch(&mut self, vouch: Option<Vouch>) {
        self.vouch = vouch;
    }

    /// Also judges whether the checkpoints that entries name are still kept: those of these sizes are.
    pub fn kept(&mut self, sizes: impl IntoIterator<Item = i64>) {
        self.kept = Some((sizes.into_iter().collect(), None));
    }

    /// At most so many entries are expected: a part of a log that was signed has this many.
    pub fn expect(&mut self, entries: i64) {
        self.entries_max = entries;
    }

    /// Whether so much is wrong that nothing more is reported: the rest need not be read.
    pub fn is_full(&self) -> bool {
        self.findings.len() >= FINDINGS_MAX || self.entries > self.entries_max
    }

    /// Judges the next entry, in the order in which they are stored.
    pub fn push(&mut self, row: &Row) {
        if self.is_full() {
            return;
        }
        self.entries = self.entries.saturating_add(1);
        let body = canonical::read(&row.body).ok();
        let said = body.as_ref().and_then(|b| b["seq"].as_i64());
        // The place an entry claims in its own bytes counts if its hash confirms it.
        let own = said.map(|seq| chain::hash(self.chain, seq, &row.prev_hash, &row.body));
        let authentic = own.is_some_and(|hash| hash.as_slice() == row.hash);
        let seq = if authentic {
            said.unwrap_or(row.seq)
        } else {
            row.seq
        };
        let stored: Option<Hash> = row.hash.as_slice().try_into().ok();
        let computed = chain::hash(self.chain, seq, &row.prev_hash, &row.body);

        if !authentic {
            self.find(seq, Problem::Modified, "its bytes do not match its hash");
        }
        let next = self.last.0.checked_add(1);
        if next == Some(seq) || seq > self.last.0 {
            if next == Some(seq) {
                self.check_link(seq, row, authentic);
            } else {
                self.missing
                    .insert(self.last.0.saturating_add(1), seq.saturating_sub(1));
                if let Ok(prev) = row.prev_hash.as_slice().try_into() {
                    self.wanted.insert(seq.saturating_sub(1), prev);
                }
            }
            self.last = (seq, [stored, Some(computed)]);
        } else if self.fill(seq) {
            self.find(
                seq,
                Problem::Reordered,
                "it is at the place of another entry",
            );
            if self
                .wanted
                .remove(&seq)
                .is_some_and(|wanted| Some(wanted) != stored && wanted != computed)
            {
                self.find(seq, Problem::Modified, "the next entry does not follow it");
            }
        } else {
            self.find(seq, Problem::Fork, "its place is taken twice");
            return;
        }
        if authentic {
            self.check_vouch(seq, row, &computed);
        }
        self.compare(
            seq,
            row,
            authentic,
            &[stored, Some(computed)],
            body.as_ref(),
        );
    }

    /// Counts an entry that cannot even be read, in the place where the next one belongs.
    pub fn unreadable(&mut self) {
        self.entries = self.entries.saturating_add(1);
        self.last = (self.last.0.saturating_add(1), [None, None]);
        self.find(self.last.0, Problem::Modified, "it cannot be read");
    }

    /// Says what is missing, and judges the head that the database keeps (`None`: a part of the log
    /// was verified, so that neither its head nor later checkpoints say anything about it).
    pub fn finish(mut self, head: Option<&Head>) -> Report {
        for seq in std::mem::take(&mut self.missing)
            .into_iter()
            .flat_map(|(first, last)| first..=last)
        {
            if self.findings.len() >= FINDINGS_MAX {
                break; // a range may be as long as its numbers say
            }
            self.find(seq, Problem::Gap, "it is missing");
        }
        if let Some(head) = head {
            let (size, hashes) = self.last;
            if head.size > size {
                self.find(
                    size.saturating_add(1),
                    Problem::Shorter,
                    "the log is shorter than its head says",
                );
            } else if head.size < size || !hashes.contains(&Some(head.hash)) {
                self.find(size, Problem::Copy, "the head is not the last entry's");
            }
            if self.checkpoints.keys().any(|signed| *signed > size) {
                self.find(
                    size.saturating_add(1),
                    Problem::Shorter,
                    "the log is shorter than a checkpoint says",
                );
            }
        }
        self.findings.sort();
        let mut dangling: Vec<_> = self.intents.into_values().collect();
        dangling.sort();
        Report {
            findings: self.findings,
            dangling,
            entries: self.entries,
            vouched: self.vouched,
            accepted: None,
            // MACs show who wrote what is there; only a signature shows that it is the whole log.
            unsigned: self.vouched.is_none()
                && head.is_some()
                && (self.whole || self.vouch.is_none()),
        }
    }

    /// Whether the entry follows the one before it. Said of the one before, if this one is sound:
    /// then that one was written anew, with a hash to match.
    fn check_link(&mut self, seq: i64, row: &Row, authentic: bool) {
        let before = self.last.1;
        let known = before.iter().any(Option::is_some);
        let follows = before
            .iter()
            .flatten()
            .any(|hash| hash.as_slice() == row.prev_hash);
        if !known || follows || !authentic {
            return;
        }
        if seq == 1 {
            self.find(seq, Problem::Modified, "the log does not begin with it");
        } else {
            self.find(
                seq.saturating_sub(1),
                Problem::Modified,
                "the next entry does not follow it",
            );
        }
    }

    /// Everything about a place that is independent of the order.
    fn compare(
        &mut self,
        seq: i64,
        row: &Row,
        authentic: bool,
        hashes: &[Option<Hash>],
        body: Option<&Value>,
    ) {
        if let Some(signed) = self.checkpoints.get(&seq) {
            if signed.iter().all(|hash| hashes.contains(&Some(*hash))) {
                self.vouched = self.vouched.max(Some(seq));
            } else {
                self.find(
                    seq,
                    Problem::Fork,
                    "the log up to here is not the one that was signed",
                );
            }
        }
        let (true, Some(body)) = (authentic, body) else {
            return;
        };
        if body["chain"].as_str() != Some(&self.chain.to_string()) {
            self.find(seq, Problem::Modified, "it belongs to another log");
        }
        let misplaced = row.seq != seq && !self.findings.iter().any(|f| f.seq == seq);
        if misplaced
            || row
                .copies
                .as_ref()
                .is_some_and(|copies| !same(copies, body))
        {
            self.find(
                seq,
                Problem::Copy,
                "what the database repeats of it differs",
            );
        }
        self.check_kept(seq, body);
        self.follow_intent(seq, body);
    }

    fn check_vouch(&mut self, seq: i64, row: &Row, hash: &Hash) {
        let genuine = |vouch: &Vouch| {
            let mac = row.mac.as_ref();
            mac.is_some_and(|mac| vouch.vouches(hash, mac))
        };
        if !self.vouch.as_ref().is_none_or(genuine) {
            self.find(
                seq,
                Problem::Unvouched,
                "its MAC is not one of this host's keys: it was not written by keyrota",
            );
        }
    }

    fn check_kept(&mut self, seq: i64, body: &Value) {
        let (Some((kept, last)), Some(size)) = (&mut self.kept, body["signed"].as_i64()) else {
            return;
        };
        if *last != Some(size) && !kept.contains(&size) {
            *last = Some(size);
            self.find(
                seq,
                Problem::Unkept,
                "a checkpoint was made before it, and the state keeps that checkpoint no more",
            );
        }
    }

    fn follow_intent(&mut self, seq: i64, body: &Value) {
        let (Some(rotation), Some(effect)) = (body["rotation"].as_str(), body["effect"].as_str())
        else {
            return;
        };
        if rotation.len().max(effect.len()) > WORD_BYTES_MAX {
            return; // not ours, and not worth the memory
        }
        let key = (rotation.to_owned(), effect.to_owned());
        match body["phase"].as_str() {
            Some("intent") => {
                let event = body["event"].as_str().unwrap_or_default();
                let event = event.chars().take(WORD_BYTES_MAX).collect();
                self.intents.insert(key, Dangling { seq, event });
            }
            Some("outcome") => {
                self.intents.remove(&key);
            }
            _ => {}
        }
    }

    /// Takes a place off the missing ones; whether it was one.
    fn fill(&mut self, seq: i64) -> bool {
        let Some((&first, &last)) = self.missing.range(..=seq).next_back() else {
            return false;
        };
        if seq > last {
            return false;
        }
        self.missing.remove(&first);
        if first < seq {
            self.missing.insert(first, seq.saturating_sub(1));
        }
        if seq < last {
            self.missing.insert(seq.saturating_add(1), last);
        }
        true
    }

    pub(super) fn find(&mut self, seq: i64, problem: Problem, detail: &'static str) {
        let finding = Finding {
            seq,
            problem,
            detail,
        };
        if self.findings.len() < FINDINGS_MAX && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

fn same(copies: &Copies, body: &Value) -> bool {
    let object = &body["object"];
    body["ts_us"].as_i64() == Some(copies.ts_us)
        && body["event"].as_str() == Some(&copies.event)
        && object["env"].as_str() == copies.env.as_deref()
        && object["secret"].as_str() == copies.secret.as_deref()
        && body["rotation"].as_str() == copies.rotation.as_deref()
}
