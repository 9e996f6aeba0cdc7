//! The rules of this repository that a compiler does not know.

mod imports;
mod layers;
mod listed;
mod text;
pub mod tree;
