//! References: the names of images.
//!
//! Registry and path are completed as soon as a name is read: `app` is held as `docker.io/library/app`. Only a missing
//! tag stays missing, because not every engine reads such a name; [`Reference::normalized`] fills it in, and then names
//! compare equal when every engine would take them for one image. The grammar is followed production by production.
//!
//! Sources: distribution `reference` (grammar, normalising), OCI image-spec `annotations.md` (`ref.name`), docs/formats.md
//! N-1 to N-8, O-23, O-24.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// The registry of names that have none (N-3).
const DEFAULT_DOMAIN: &str = "docker.io";
/// Another name of [`DEFAULT_DOMAIN`], ggcr's (N-3, N-4).
const LEGACY_DEFAULT_DOMAIN: &str = "index.docker.io";
/// The directory in which [`DEFAULT_DOMAIN`] keeps paths of one component (N-3).
const OFFICIAL: &str = "library/";
/// The tag of names that have neither tag nor digest (N-3).
const DEFAULT_TAG: &str = "latest";
/// Most characters of a path (N-1).
const MAX_PATH: usize = 255;
/// Most characters of a tag (N-1).
const MAX_TAG: usize = 128;

/// `domain/path`, with a tag, a digest, both or neither.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The error for a text that is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an image name: {why}", text.escape_debug())]
pub struct ParseReferenceError {
    text: String,
    why: &'static str,
}

impl Reference {
    /// The registry: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within its registry: `library/app`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, where there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, which no archive format can keep as a name (L-7).
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// This name with `latest` for a tag where it has neither tag nor digest (N-3).
    #[must_use]
    pub fn normalized(&self) -> Self {
        let implied = self.digest.is_none().then(|| DEFAULT_TAG.to_owned());
        Self { tag: self.tag.clone().or(implied), ..self.clone() }
    }

    /// Returns whether `text` is a tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (N-1).
    pub fn is_tag(text: &str) -> bool {
        text.len() <= MAX_TAG
            && text.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    }

    /// The full spelling, tag explicit: the form of `io.containerd.image.name` (N-3, O-23).
    pub fn full(&self) -> String {
        self.normalized().to_string()
    }

    /// Docker's own short spelling (N-5), tag explicit: `app:1` for `docker.io/library/app:1`.
    ///
    /// A path that would be taken for another registry's keeps `docker.io/`.
    pub fn familiar(&self) -> String {
        let full = self.full();
        let Some(short) = full.strip_prefix("docker.io/") else { return full };
        match self.path.strip_prefix(OFFICIAL) {
            Some(official) if !official.contains('/') => short[OFFICIAL.len()..].to_owned(),
            _ if split_domain(&self.path).is_some() => full,
            _ => short.to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    /// Parses (N-1), and makes registry and path whole (N-2, N-3).
    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let fail = |why| ParseReferenceError { text: text.chars().take(300).collect(), why };
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(fail("64 hex digits are an ID"));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse().map_err(|_| fail("what follows the @ is not a digest"))?))
            }
            None => (text, None),
        };
        let (domain, rest) = split_domain(name).unwrap_or((DEFAULT_DOMAIN, name));
        if !is_domain(domain) {
            return Err(fail("the registry is not a host name"));
        }
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !Self::is_tag(tag)) {
            return Err(fail("the tag is not 1 to 128 letters, digits, `_`, `.` and `-`"));
        }
        let domain = if domain == LEGACY_DEFAULT_DOMAIN { DEFAULT_DOMAIN } else { domain };
        let official = if domain == DEFAULT_DOMAIN && !path.contains('/') { OFFICIAL } else { "" };
        let path = format!("{official}{path}");
        if path.chars().any(char::is_uppercase) {
            return Err(fail("a repository is lower-case"));
        }
        if !path.split('/').all(is_path_component) {
            return Err(fail("the repository is not of the form a/b-c/d_e.f"));
        }
        if path.len() > MAX_PATH {
            return Err(fail("the repository has more than 255 characters"));
        }
        Ok(Self { domain: domain.to_owned(), path, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    /// Registry and path in full, tag and digest where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns whether c/image can select an entry by this `ref.name` (O-23): `C(/C)*` with `C = A((-|.|_|:|@|+|--)A)*`, `A
/// = [A-Za-z0-9]+`.
pub(crate) fn is_ref_name(text: &str) -> bool {
    text.split('/').all(|component| {
        is_words(component, char::is_ascii_alphanumeric, |separator| {
            matches!(separator, "-" | "." | "_" | ":" | "@" | "+" | "--")
        })
    })
}

/// The registry and the rest, where the first component is a registry (N-2).
fn split_domain(name: &str) -> Option<(&str, &str)> {
    let (first, rest) = name.split_once('/')?;
    let is_registry = first.contains(['.', ':']) || first == "localhost" || first.chars().any(char::is_uppercase);
    is_registry.then_some((first, rest))
}

/// A host name or IPv6 address in brackets, with or without a port.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => is_words(host, char::is_ascii_alphanumeric, |separator| {
            separator == "." || separator.bytes().all(|byte| byte == b'-')
        }),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (N-1)
fn is_path_component(text: &str) -> bool {
    is_words(
        text,
        |char| char.is_ascii_lowercase() || char.is_ascii_digit(),
        |separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'),
    )
}

/// Returns whether `text` is words with one accepted separator between each two and none at the ends.
fn is_words(text: &str, is_word: fn(&char) -> bool, is_separator: fn(&str) -> bool) -> bool {
    let mut rest = text;
    loop {
        let word = rest.len() - rest.trim_start_matches(|char| is_word(&char)).len();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let separator = rest.find(|char| is_word(&char)).unwrap_or(rest.len());
        if !is_separator(&rest[..separator]) {
            return false;
        }
        rest = &rest[separator..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_made_whole_and_shortened_as_docker_does() {
        for (text, full, familiar) in [
            ("app", "docker.io/library/app:latest", "app:latest"),
            ("app:1", "docker.io/library/app:1", "app:1"),
            ("acme/app", "docker.io/acme/app:latest", "acme/app:latest"),
            ("docker.io/app", "docker.io/library/app:latest", "app:latest"),
            ("index.docker.io/library/app:1", "docker.io/library/app:1", "app:1"),
            ("library/app", "docker.io/library/app:latest", "app:latest"),
            ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
            ("ex.org/a:1", "ex.org/a:1", "ex.org/a:1"),
            ("localhost/a", "localhost/a:latest", "localhost/a:latest"),
            ("localhost:5000/a/b:t", "localhost:5000/a/b:t", "localhost:5000/a/b:t"),
            ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
            ("Acme/app", "Acme/app:latest", "Acme/app:latest"),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("[::1]/a", "[::1]/a:latest", "[::1]/a:latest"),
            ("docker.io/a.b/c", "docker.io/a.b/c:latest", "docker.io/a.b/c:latest"),
            ("docker.io/localhost/c", "docker.io/localhost/c:latest", "docker.io/localhost/c:latest"),
            ("a__b/c.d/e---f", "docker.io/a__b/c.d/e---f:latest", "a__b/c.d/e---f:latest"),
            ("app:i-was-a-digest", "docker.io/library/app:i-was-a-digest", "app:i-was-a-digest"),
            ("app:_Tag.1-", "docker.io/library/app:_Tag.1-", "app:_Tag.1-"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.full(), full, "{text}");
            assert_eq!(reference.familiar(), familiar, "{text}");
        }
    }

    #[test]
    fn a_digest_is_read_but_is_no_name_to_write() {
        let pinned: Reference = format!("app@sha256:{HEX}").parse().unwrap();
        assert_eq!(pinned.to_string(), format!("docker.io/library/app@sha256:{HEX}"));
        assert_eq!((pinned.tag(), pinned.normalized().tag()), (None, None));
        let both: Reference = format!("app:1@sha256:{HEX}").parse().unwrap();
        assert_eq!(both.familiar(), format!("app:1@sha256:{HEX}"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(256);
        let long_tag = format!("a:{}", "t".repeat(129));
        for text in [
            "",
            HEX,
            "App",
            "acme/App",
            "a//b",
            "/a",
            "a/",
            "a/.b",
            "a..b",
            "a___b",
            "a_",
            "-a",
            "a:",
            "a:.t",
            "a:t:u",
            "a:t/b",
            "a b",
            "a@",
            "a@x",
            "ex.org/",
            "ex..org/a",
            "-x.org/a",
            "ex.org:/a",
            "ex.org:x/a",
            "[::1/a",
            "[]/a",
            "[x]/a",
            "é/a",
            "a:é",
            "a\u{1b}",
            &long,
            &long_tag,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        assert_eq!(
            "acme/App:1".parse::<Reference>().unwrap_err().to_string(),
            "`acme/App:1` is not an image name: a repository is lower-case"
        );
        assert!(format!("a:{}", "t".repeat(128)).parse::<Reference>().is_ok());
        assert!(format!("x.org/{}", "a".repeat(255)).parse::<Reference>().is_ok());
        assert!(format!("{HEX}:1").parse::<Reference>().is_ok());
    }

    #[test]
    fn a_missing_tag_is_seen_until_it_is_filled_in() {
        let bare: Reference = "localhost:5000/a".parse().unwrap();
        assert_eq!((bare.tag(), bare.to_string().as_str()), (None, "localhost:5000/a"));
        assert_eq!(bare.normalized(), "localhost:5000/a:latest".parse().unwrap());
        assert!(["1", "latest", "sha256-0123", "_x.y-z"].into_iter().all(Reference::is_tag));
        assert!(!["", ".x", "a b", "a+b", "a/b", "a:b"].into_iter().any(Reference::is_tag));
    }

    #[test]
    fn ref_names_that_c_image_can_select_are_known() {
        for good in ["1", "foo:1", "docker.io/library/foo:1", "a--b", "a-b.c_d", "a+b", "A/b@c", "a@sha256:0"] {
            assert!(is_ref_name(good), "{good}");
        }
        for bad in ["", "a/", "/a", "a---b", "a__b", "a..b", ":a", "a-", "a b", "é"] {
            assert!(!is_ref_name(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn both_spellings_of_a_name_mean_the_same(
            domain in prop::sample::select(vec!["", "docker.io/", "index.docker.io/", "localhost/", "x.org:80/", "[::1]/", "A/"]),
            path in "[a-z0-9]{1,3}(_|__|-{1,3})[a-z0-9]{1,3}(/[a-z0-9]{1,3}(\\.[a-z0-9]{1,3})?){0,3}",
            tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,4})?",
            digest in prop::bool::ANY,
        ) {
            let digest = if digest { format!("@sha256:{HEX}") } else { String::new() };
            let reference: Reference = format!("{domain}{path}{tag}{digest}").parse().unwrap();
            prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
            prop_assert_eq!(reference.familiar().parse::<Reference>().unwrap(), reference.normalized());
        }

        #[test]
        fn what_parses_prints_alike_and_nothing_panics(text in "[aA0.:/@_é-]{0,10}") {
            is_ref_name(&text);
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.familiar().parse::<Reference>().unwrap(), reference.normalized());
                prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
            }
        }
    }
}
