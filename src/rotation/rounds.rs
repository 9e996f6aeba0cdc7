//! Telling several consumers, some of which fail.
//!
//! A pass tells every consumer once, in order; one that fails does not keep the others from being
//! told. What stands after a consumer that failed may depend on it (a program is reloaded after its
//! file was written), so when it succeeds at last, those behind it are told again.

use crate::record::{Listener, Telling, Told};

/// How a round stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Somebody is to be told yet in this pass.
    Telling,
    /// Everybody was asked; some failed and are told again in the next pass.
    Failing,
    /// Everybody was asked; a required one refused for good.
    Refused,
    /// Every required one has it.
    Complete,
}

impl Telling {
    /// A round in which nobody was told yet.
    pub fn of(listeners: &[Listener]) -> Self {
        Self(listeners.iter().map(|l| (l.clone(), Told::Due)).collect())
    }

    /// Those that the round still waits for.
    pub fn waiting_for(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(_, told)| *told != Told::Acknowledged)
            .map(|(l, _)| l.key.as_str())
    }

    /// Who is to be told next, in this pass.
    pub(crate) fn next(&self) -> Option<&Listener> {
        self.turn().map(|i| &self.0[i].0)
    }

    pub(crate) fn standing(&self) -> Standing {
        if self.turn().is_some() {
            Standing::Telling
        } else if self
            .0
            .iter()
            .any(|(l, told)| l.required && *told == Told::Failed)
        {
            Standing::Failing
        } else if self.is_refused() {
            Standing::Refused
        } else {
            Standing::Complete
        }
    }

    /// Whether a required one refused for good, even if others are still to be told.
    pub(crate) fn is_refused(&self) -> bool {
        self.0
            .iter()
            .any(|(l, told)| l.required && *told == Told::Refused)
    }

    /// The one whose turn it was has it.
    pub(crate) fn acknowledge(&mut self) {
        let Some(i) = self.turn() else { return };
        if self.0[i].1 == Told::Again {
            for (_, told) in self.0[i.saturating_add(1)..]
                .iter_mut()
                .filter(|(_, told)| *told == Told::Acknowledged)
            {
                *told = Told::Due;
            }
        }
        self.0[i].1 = Told::Acknowledged;
    }

    /// The one whose turn it was failed.
    pub(crate) fn fail(&mut self, told: Told) {
        if let Some(i) = self.turn() {
            self.0[i].1 = told;
        }
    }

    /// The next pass: those that failed are told again.
    pub(crate) fn again(&mut self) {
        for (_, told) in self.0.iter_mut().filter(|(_, told)| *told == Told::Failed) {
            *told = Told::Again;
        }
    }

    /// A person wants those that refused to be asked once more.
    pub(crate) fn ask_refused(&mut self) {
        for (_, told) in self
            .0
            .iter_mut()
            .filter(|(_, told)| matches!(told, Told::Refused | Told::Failed))
        {
            *told = Told::Again;
        }
    }

    fn turn(&self) -> Option<usize> {
        self.0
            .iter()
            .position(|(_, told)| matches!(told, Told::Due | Told::Again))
    }
}
