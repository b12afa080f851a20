//! Verdicts of checks, from the worst to the best.

use std::fmt;

use serde::{Serialize, Serializer};

/// The part of an archive that an engine loads; the verdict on an archive is the worst of its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing, or not all images.
    No,
    /// All images, but of several platforms under one name the first.
    FirstPlatformOnly,
    /// All images, but of several platforms under one name the last.
    LastPlatformOnly,
    /// All images, if the base of this increment is loaded already.
    WhereBaseIs,
    /// All that the engine reads.
    Yes,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::FirstPlatformOnly => "first platform only",
            Self::LastPlatformOnly => "last platform only",
            Self::WhereBaseIs => "where the base is",
            Self::Yes => "yes",
        })
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
