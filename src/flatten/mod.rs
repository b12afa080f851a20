//! Layers into one tree.
