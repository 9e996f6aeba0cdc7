//! keyrota
fn main() {}
