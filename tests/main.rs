//! One binary of all end-to-end tests: what needs a server, a process or a clean tree.
