//! Platforms: the machine that an image is for.
//!
//! Spellings that mean one machine compare equal (docs/formats.md O-12), by the table that containerd uses; what a
//! document says is kept as it was written.
//!
//! Sources: OCI image-spec `image-index.md` (`platform`), containerd `platforms`, docs/formats.md O-12, O-13.

use std::env::consts;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::json::null_as_default;
use crate::path::escape_for_terminal;

/// The `platform` of a descriptor or config; keys that are left out are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Platform {
    /// GOOS: `linux`, `windows`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// GOARCH: `amd64`, `arm64`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// The processor's variant: `v7`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub variant: String,
    /// The version of the operating system; Windows alone uses it.
    #[serde(default, rename = "os.version", deserialize_with = "null_as_default")]
    pub os_version: String,
    /// The features that the image needs of the operating system; Windows alone uses it.
    #[serde(default, rename = "os.features", deserialize_with = "null_as_default")]
    pub os_features: Vec<String>,
}

/// The machine that a [`Platform`] names, in the one spelling that stands for all (O-12).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) variant: String,
}

/// The error for a text that is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a platform of the form OS/ARCH[/VARIANT]", .0.escape_debug())]
pub struct ParsePlatformError(String);

impl Platform {
    /// The platform `os/architecture`.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self { os: os.into(), architecture: architecture.into(), ..Self::default() }
    }

    /// The platform of the containers that this machine runs best.
    ///
    /// On macOS that is Linux: engines there run their containers in a virtual machine.
    pub fn host() -> Self {
        let os = if consts::OS == "macos" { "linux" } else { consts::OS };
        let architecture = match consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "powerpc64" => "ppc64",
            "mips64" if cfg!(target_endian = "little") => "mips64le",
            "loongarch64" => "loong64",
            other => go_architecture(other).0,
        };
        Self::new(os, architecture)
    }

    /// Returns whether the two name one machine: `linux/arm64` is `linux/arm64/v8`, `linux/arm` is `linux/arm/v7`
    /// (O-12).
    ///
    /// The operating system's version and features are compared only where both sides name them.
    pub fn matches(&self, other: &Self) -> bool {
        let equal_or_empty = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
        equal_or_empty(&self.os_version, &other.os_version)
            && (self.os_features.is_empty() || other.os_features.is_empty() || self.os_features == other.os_features)
            && self.machine() == other.machine()
    }

    /// This platform with its architecture as Go names it in configs: `x86_64` is `amd64`, `armhf` is `arm`
    /// with the variant `v7` unless another is named.
    #[must_use]
    pub fn in_go_words(self) -> Self {
        let (architecture, implied) = go_architecture(&self.architecture);
        let variant = if self.variant.is_empty() { implied } else { &self.variant };
        let (architecture, variant) = (architecture.to_owned(), variant.to_owned());
        Self { architecture, variant, ..self }
    }

    /// This platform with the members in which `after` differs from `before`.
    pub(crate) fn updated(&self, before: &Self, after: &Self) -> Self {
        let member = |had: &String, before: &String, after: &String| if before == after { had } else { after }.clone();
        let features = if before.os_features == after.os_features { self } else { after };
        Self {
            os: member(&self.os, &before.os, &after.os),
            architecture: member(&self.architecture, &before.architecture, &after.architecture),
            variant: member(&self.variant, &before.variant, &after.variant),
            os_version: member(&self.os_version, &before.os_version, &after.os_version),
            os_features: features.os_features.clone(),
        }
    }

    /// Returns whether this is the `unknown/unknown` that marks attestations, which do not run (O-13).
    pub fn is_unknown(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// The object in a descriptor: the specification's order of keys, empty ones left out.
    pub(crate) fn to_object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("architecture".into(), self.architecture.as_str().into());
        object.insert("os".into(), self.os.as_str().into());
        if !self.os_version.is_empty() {
            object.insert("os.version".into(), self.os_version.as_str().into());
        }
        if !self.os_features.is_empty() {
            object.insert("os.features".into(), self.os_features.clone().into());
        }
        if !self.variant.is_empty() {
            object.insert("variant".into(), self.variant.as_str().into());
        }
        object
    }

    /// Returns `OS/ARCH[/VARIANT]`, as `--platform` takes it and JSON has it: without the operating system's version.
    pub fn name(&self) -> String {
        Self { os_version: String::new(), ..self.clone() }.to_string()
    }

    /// The machine; platforms that match are of one.
    pub(crate) fn machine(&self) -> Machine {
        let os = match self.os.to_ascii_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (architecture, variant) = (self.architecture.to_ascii_lowercase(), self.variant.to_ascii_lowercase());
        let (architecture, implied) = go_architecture(&architecture);
        let variant = match (architecture, if variant.is_empty() { implied } else { &variant }) {
            ("arm64", "8" | "v8" | "v8.0") | ("amd64", "v1") => "",
            ("arm", "" | "7") => "v7",
            ("arm", "5") => "v5",
            ("arm", "6") => "v6",
            ("arm", "8") => "v8",
            (_, other) => other,
        };
        Machine { os, architecture: architecture.to_owned(), variant: variant.to_owned() }
    }
}

/// Go's name of an architecture, and the variant that the other name implies.
fn go_architecture(name: &str) -> (&str, &str) {
    match name {
        "x86_64" | "x86-64" => ("amd64", ""),
        "i386" | "i486" | "i586" | "i686" | "x86" => ("386", ""),
        "aarch64" => ("arm64", ""),
        "armhf" => ("arm", "v7"),
        "armel" => ("arm", "v6"),
        other => (other, ""),
    }
}

impl FromStr for Platform {
    type Err = ParsePlatformError;

    /// Parses what a user types: `OS/ARCH[/VARIANT]`, letters, digits, `_`, `-` and `.` in each part.
    fn from_str(text: &str) -> Result<Self, ParsePlatformError> {
        let well_formed = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            [os, architecture] if parts.iter().all(|part| well_formed(part)) => Ok(Self::new(os, architecture)),
            [os, architecture, variant] if parts.iter().all(|part| well_formed(part)) => {
                Ok(Self { variant: variant.into(), ..Self::new(os, architecture) })
            }
            _ => Err(ParsePlatformError(text.into())),
        }
    }
}

impl fmt::Display for Platform {
    /// `OS/ARCH[/VARIANT]`, the operating system's version in parentheses: enough to tell an index's entries apart.
    /// It is escaped for terminals, because a document may hold any text (H-25).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| escape_for_terminal(text.as_bytes());
        write!(f, "{}/{}", shown(&self.os), shown(&self.architecture))?;
        if !self.variant.is_empty() {
            write!(f, "/{}", shown(&self.variant))?;
        }
        if !self.os_version.is_empty() {
            write!(f, " ({})", shown(&self.os_version))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    #[test]
    fn spellings_of_one_machine_match() {
        for (a, b) in [
            ("linux/arm64", "linux/arm64/v8"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/amd64", "linux/x86_64"),
            ("linux/amd64", "Linux/AMD64/v1"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/7", "linux/armhf"),
            ("linux/arm/v6", "linux/armel"),
            ("linux/386", "linux/i386"),
            ("darwin/arm64", "macos/arm64"),
        ] {
            assert!(platform(a).matches(&platform(b)) && platform(b).matches(&platform(a)), "{a} {b}");
        }
    }

    #[test]
    fn different_machines_do_not_match() {
        for (a, b) in [
            ("linux/amd64", "windows/amd64"),
            ("linux/amd64", "linux/amd64/v3"),
            ("linux/arm", "linux/arm64"),
            ("linux/arm", "linux/arm/v6"),
            ("linux/arm64/v9", "linux/arm64"),
        ] {
            assert!(!platform(a).matches(&platform(b)), "{a} {b}");
        }
    }

    #[test]
    fn a_windows_version_is_compared_where_both_have_one() {
        let windows = |version: &str| Platform { os_version: version.into(), ..Platform::new("windows", "amd64") };
        assert!(platform("windows/amd64").matches(&windows("10.0.17763.1")));
        assert!(!windows("10.0.20348.1").matches(&windows("10.0.17763.1")));
        assert_eq!(windows("10.0.1").to_string(), "windows/amd64 (10.0.1)");
    }

    #[test]
    fn architectures_have_one_word_in_go() {
        for (given, expected) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64/v9", "linux/arm64/v9"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armhf/v6", "linux/arm/v6"),
            ("linux/riscv64", "linux/riscv64"),
        ] {
            assert_eq!(platform(given).in_go_words(), platform(expected));
        }
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux//v7", "linux/a b", "linux/\u{1b}"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn nulls_and_unknown_keys_are_tolerated() {
        let text = r#"{"os":"linux","architecture":null,"os.features":null,"features":["sse4"]}"#;
        assert_eq!(serde_json::from_str::<Platform>(text).unwrap(), Platform::new("linux", ""));
        assert!(Platform::host().to_string().parse::<Platform>().is_ok());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_was_read(text in "[a-z]{1,5}/[a-z0-9_]{1,5}(/[a-z0-9.]{1,3})?") {
            prop_assert_eq!(platform(&text).to_string(), text);
        }
    }
}
