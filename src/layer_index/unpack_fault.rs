//! The faults of a layer at which engines stop when they unpack it, and the engines that do.
//!
//! Sources: docs/formats.md; what Docker 20.10, containerd 1.6 and podman 4.3 did.

use crate::diagnostics::{Diagnostic, Severity};
use crate::path::quote;
use crate::rule::Rule;

/// Something in a layer that some engines do not unpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum UnpackFault {
    /// The tar cannot be read to its end.
    Unreadable,
    /// A number that is none, in a header or record of which nothing is needed.
    UnreadNumber,
    /// An end marker that is cut short.
    ShortEnd,
    /// A type of entry that Go's `archive/tar` knows but no engine unpacks: old GNU sparse files, contiguous files.
    UnknownType,
    /// A path that is there twice.
    PathTwice,
    /// An entry for the root that is not a directory.
    RootNoDirectory,
    /// A whiteout that names nothing.
    NamelessWhiteout,
    /// A whiteout of something that the layer has itself, before it.
    WhiteoutOfOwn,
    /// An entry below a whiteout or a file of the same layer.
    BelowNoDirectory,
    /// A hard link to what is in no entry before it, but perhaps in a lower layer.
    LinkToElsewhere,
    /// A hard link to itself.
    LinkToItself,
    /// A hard link to a directory.
    LinkToDirectory,
    /// An entry below a symbolic link that leads nowhere within the layer.
    BelowDanglingLink,
}

/// An engine's way to unpack layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unpacker {
    /// Docker's graph stores, and podman: an overlay, and a record of each path by tar-split.
    Docker,
    /// containerd: an overlay.
    Containerd,
    /// umoci: into the tree of the layers below.
    InPlace,
}

impl Unpacker {
    const ALL: [Self; 3] = [Self::Docker, Self::Containerd, Self::InPlace];
}

impl UnpackFault {
    /// Returns true if it stops `unpacker`.
    pub(crate) fn stops(self, unpacker: Unpacker) -> bool {
        match self {
            Self::Unreadable
            | Self::UnreadNumber
            | Self::ShortEnd
            | Self::UnknownType
            | Self::NamelessWhiteout
            | Self::LinkToDirectory => true,
            Self::WhiteoutOfOwn | Self::BelowNoDirectory | Self::LinkToElsewhere | Self::LinkToItself => {
                unpacker != Unpacker::InPlace
            }
            Self::PathTwice | Self::RootNoDirectory | Self::BelowDanglingLink => unpacker == Unpacker::Docker,
        }
    }

    /// Returns false if no tree can be made of a layer that has it, of which the layer could be written anew.
    pub(crate) fn is_squashable(self) -> bool {
        !matches!(
            self,
            Self::Unreadable
                | Self::RootNoDirectory
                | Self::NamelessWhiteout
                | Self::LinkToItself
                | Self::LinkToDirectory
        )
    }

    /// The rule of docs/formats.md that explains it.
    pub(crate) fn rule(self) -> Rule {
        match self {
            Self::Unreadable => Rule::H18,
            Self::UnreadNumber => Rule::H11,
            Self::ShortEnd => Rule::G13,
            Self::UnknownType => Rule::R13,
            Self::PathTwice => Rule::R10,
            Self::RootNoDirectory => Rule::R18,
            Self::NamelessWhiteout => Rule::R3,
            Self::WhiteoutOfOwn => Rule::R1,
            Self::BelowNoDirectory | Self::BelowDanglingLink => Rule::R6,
            Self::LinkToElsewhere | Self::LinkToItself | Self::LinkToDirectory => Rule::R12,
        }
    }

    /// The finding about a layer that messages call `at`, and about `path` in it: an error where no engine unpacks it.
    pub(crate) fn finding(self, at: &str, path: &[u8]) -> Diagnostic {
        let at = if path.is_empty() { at.to_owned() } else { format!("{at}: `{}`", quote(path)) };
        let stops_all = Unpacker::ALL.into_iter().all(|unpacker| self.stops(unpacker));
        let (severity, who) = if stops_all {
            (Severity::Error, "no engine unpacks it")
        } else {
            (Severity::Warning, "not every engine unpacks it")
        };
        Diagnostic::new(severity, self.rule(), at, format!("{}: {who}", self.problem()))
    }

    /// Returns a clause that describes the fault.
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::Unreadable => "its tar cannot be read",
            Self::UnreadNumber => "a number field of a header is not a number",
            Self::ShortEnd => "the tar's end marker is cut short",
            Self::UnknownType => "an entry is a sparse file in the old GNU format, or a contiguous one",
            Self::PathTwice => "a path occurs twice",
            Self::RootNoDirectory => "the entry for the root is not a directory",
            Self::NamelessWhiteout => "a whiteout names nothing",
            Self::WhiteoutOfOwn => "a whiteout comes after what it removes",
            Self::BelowNoDirectory => "an entry lies below a whiteout or a file of its own layer",
            Self::LinkToElsewhere => "a hard link leads to no earlier entry of its own layer",
            Self::LinkToItself => "a hard link leads to itself",
            Self::LinkToDirectory => "a hard link leads to a directory",
            Self::BelowDanglingLink => "an entry lies below a symbolic link that leads nowhere within its layer",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_stops_those_who_were_seen_to_stop() {
        use Unpacker::{Containerd, Docker, InPlace};
        for (fault, stopped) in [
            (UnpackFault::UnknownType, &[Docker, Containerd, InPlace][..]),
            (UnpackFault::UnreadNumber, &[Docker, Containerd, InPlace]),
            (UnpackFault::ShortEnd, &[Docker, Containerd, InPlace]),
            (UnpackFault::PathTwice, &[Docker]),
            (UnpackFault::RootNoDirectory, &[Docker]),
            (UnpackFault::WhiteoutOfOwn, &[Docker, Containerd]),
            (UnpackFault::BelowNoDirectory, &[Docker, Containerd]),
            (UnpackFault::LinkToElsewhere, &[Docker, Containerd]),
            (UnpackFault::LinkToItself, &[Docker, Containerd]),
            (UnpackFault::LinkToDirectory, &[Docker, Containerd, InPlace]),
            (UnpackFault::BelowDanglingLink, &[Docker]),
        ] {
            for unpacker in [Docker, Containerd, InPlace] {
                assert_eq!(fault.stops(unpacker), stopped.contains(&unpacker), "{fault:?} {unpacker:?}");
            }
        }
    }
}
