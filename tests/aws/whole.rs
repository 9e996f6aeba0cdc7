//! Whole rotations by the real binary.
