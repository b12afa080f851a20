//! What would help: flags of `imgtar convert` whose output an engine takes.

use std::fmt;

/// Flags, collected from all that is in an engine's way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Remedy {
    /// A target other than the one that the engine reads best.
    pub(super) target: Option<&'static str>,
    /// One image is chosen.
    pub(super) image: bool,
    /// One platform is chosen.
    pub(super) platform: bool,
    /// Layers become gzip.
    pub(super) gzip: bool,
    /// Docker's media types become OCI's.
    pub(super) oci_types: bool,
    /// The image gets a name.
    pub(super) tag: bool,
}

impl Remedy {
    /// Converting, to whatever the engine reads best.
    pub(super) const CONVERT: Self =
        Self { target: None, image: false, platform: false, gzip: false, oci_types: false, tag: false };
    /// The same with gzip layers.
    pub(super) const GZIP: Self = Self { gzip: true, ..Self::CONVERT };
    /// To Docker's tarball, where SHA-256 names everything.
    pub(super) const DOCKER: Self = Self { target: Some("docker"), ..Self::CONVERT };
    /// The same with OCI's media types.
    pub(super) const OCI_TYPES: Self = Self { oci_types: true, ..Self::CONVERT };
    /// One image.
    pub(super) const IMAGE: Self = Self { image: true, ..Self::CONVERT };
    /// One platform.
    pub(super) const PLATFORM: Self = Self { platform: true, ..Self::CONVERT };

    /// A name for the image, which has to be chosen where there are `several`.
    pub(super) fn tag(several: bool) -> Self {
        Self { tag: true, image: several, ..Self::CONVERT }
    }

    /// Both.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            target: self.target.or(other.target),
            image: self.image || other.image,
            platform: self.platform || other.platform,
            gzip: self.gzip || other.gzip,
            oci_types: self.oci_types || other.oci_types,
            tag: self.tag || other.tag,
        }
    }

    /// The flags; `target` is what the engine reads best, `platform` one that is in the archive.
    pub(super) fn flags(self, target: &str, platform: &str) -> String {
        let mut flags = format!("--to {}", self.target.unwrap_or(target));
        let mut add = |is_set: bool, flag: &dyn fmt::Display| {
            if is_set {
                flags.push_str(&format!(" {flag}"));
            }
        };
        add(self.image, &"--image @0");
        add(self.platform, &format_args!("--platform {platform}"));
        add(self.gzip && self.target != Some("docker"), &"--compress gzip");
        add(self.oci_types && self.target != Some("docker"), &"--oci-types");
        add(self.tag, &"--tag NAME");
        flags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_add_up() {
        let all = Remedy::GZIP.and(Remedy::tag(true)).and(Remedy::PLATFORM).and(Remedy::OCI_TYPES);
        let flags = "--to oci --image @0 --platform linux/arm64 --compress gzip --oci-types --tag NAME";
        assert_eq!(all.flags("oci", "linux/arm64"), flags);
        assert_eq!(Remedy::CONVERT.flags("oci-dir", ""), "--to oci-dir");
        assert_eq!(Remedy::DOCKER.and(Remedy::GZIP).flags("oci", ""), "--to docker");
    }
}
