//! Remedies: commands of imgtar whose output an engine loads.

use std::fmt;

/// Flags of such a command, collected from all obstacles of an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Remedy {
    /// A target other than the one that the engine reads best.
    pub(super) target: Option<&'static str>,
    /// One image is chosen.
    pub(super) image: bool,
    /// One platform is chosen.
    pub(super) platform: bool,
    /// Layers are compressed in another way.
    pub(super) compress: Option<Recompress>,
    /// Docker's media types become OCI's.
    pub(super) oci_types: bool,
    /// The image gets a name.
    pub(super) tag: bool,
    /// Layers become one, which makes another image.
    pub(super) squash: Option<SquashRemedy>,
}

/// The compression that layers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recompress {
    Gzip,
    /// Uncompressed, which engines that read gzip load too.
    Plain,
}

/// Layers that become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SquashRemedy {
    /// This many at the top.
    Top(usize),
    All,
}

impl Remedy {
    /// Converting, to whatever the engine reads best.
    pub(super) const CONVERT: Self = Self {
        target: None,
        image: false,
        platform: false,
        compress: None,
        oci_types: false,
        tag: false,
        squash: None,
    };
    /// The same with gzip layers.
    pub(super) const GZIP: Self = Self { compress: Some(Recompress::Gzip), ..Self::CONVERT };
    /// The same with plain layers.
    pub(super) const PLAIN: Self = Self { compress: Some(Recompress::Plain), ..Self::CONVERT };
    /// To Docker's tarball, where SHA-256 names everything.
    pub(super) const DOCKER: Self = Self { target: Some("docker"), ..Self::CONVERT };
    /// The same with OCI's media types.
    pub(super) const OCI_TYPES: Self = Self { oci_types: true, ..Self::CONVERT };
    /// One image.
    pub(super) const IMAGE: Self = Self { image: true, ..Self::CONVERT };
    /// One platform.
    pub(super) const PLATFORM: Self = Self { platform: true, ..Self::CONVERT };

    /// One layer in place of all.
    pub(super) const SQUASH: Self = Self { squash: Some(SquashRemedy::All), ..Self::CONVERT };

    /// One layer in place of so many at the top.
    pub(super) fn squash_top(layers: usize) -> Self {
        Self { squash: Some(SquashRemedy::Top(layers)), ..Self::CONVERT }
    }

    /// A name for the image, which has to be chosen where there are `several`.
    pub(super) fn tag(several: bool) -> Self {
        Self { tag: true, image: several, ..Self::CONVERT }
    }

    /// Returns the remedy that does both.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            target: self.target.or(other.target),
            image: self.image || other.image,
            platform: self.platform || other.platform,
            compress: self.compress.max(other.compress),
            oci_types: self.oci_types || other.oci_types,
            tag: self.tag || other.tag,
            squash: self.squash.max(other.squash),
        }
    }

    /// Returns the command; `target` is the format that the engine reads best, `image` the position or digest
    /// of one that can be read, `platform` one that is in the archive.
    pub(super) fn command(self, target: &str, image: &str, platform: &str) -> String {
        let command = match self.squash {
            None => "convert".to_owned(),
            Some(SquashRemedy::All) => "edit --squash".to_owned(),
            Some(SquashRemedy::Top(layers)) => format!("edit --squash-top {layers}"),
        };
        let mut flags = format!("{command} --to {}", self.target.unwrap_or(target));
        let mut add = |is_set: bool, flag: &dyn fmt::Display| {
            if is_set {
                flags.push_str(&format!(" {flag}"));
            }
        };
        add(self.image, &format_args!("--image {image}"));
        add(self.platform, &format_args!("--platform {platform}"));
        // Docker's tarball has gzip layers unless another compression is given.
        add(self.compress == Some(Recompress::Gzip) && self.target != Some("docker"), &"--compress gzip");
        add(self.compress == Some(Recompress::Plain), &"--compress none");
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
        let command = "convert --to oci --image @0 --platform linux/arm64 --compress gzip --oci-types --tag NAME";
        assert_eq!(all.command("oci", "@0", "linux/arm64"), command);
        assert_eq!(Remedy::CONVERT.command("oci-dir", "@0", ""), "convert --to oci-dir");
        assert_eq!(Remedy::IMAGE.command("oci", "@2", ""), "convert --to oci --image @2");
        assert_eq!(Remedy::DOCKER.and(Remedy::GZIP).command("oci", "@0", ""), "convert --to docker");
        assert_eq!(Remedy::squash_top(6).command("oci", "@0", ""), "edit --squash-top 6 --to oci");
        assert_eq!(Remedy::squash_top(6).and(Remedy::SQUASH).command("oci", "@0", ""), "edit --squash --to oci");
    }
}
