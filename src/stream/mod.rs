//! Bytes at rest and in motion; knows nothing of tar.
