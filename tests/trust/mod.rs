//! What other users of the host can do to keyrota, and what keyrota does with what is theirs.

mod files;
mod locks;
