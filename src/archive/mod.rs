//! Tar, the outer archive and layers alike: one decoder for the index, for layers and for import.
