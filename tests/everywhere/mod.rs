//! Values in every kind of store at once, with real databases behind them.

mod bed;
mod calls;
mod faults;
mod hands;
mod kills;
mod lagging;
mod middle;
mod who;
mod whole;
