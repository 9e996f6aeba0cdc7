//! Counts the steps that reading a file takes. Schedules come from strangers too: a test compares
//! the counts of two sizes, which say more than a clock does.

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Adds steps: bytes that are looked at, names that are compared. Free outside tests.
#[cfg(not(test))]
pub fn spend(_: usize) {}

/// Adds steps of this thread.
#[cfg(test)]
pub fn spend(steps: usize) {
    STEPS.with(|spent| spent.set(spent.get() + steps));
}

/// The steps since the last call.
#[cfg(test)]
pub fn spent() -> usize {
    STEPS.with(std::cell::Cell::take)
}
