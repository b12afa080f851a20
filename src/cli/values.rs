//! Values of flags that have a grammar of their own. Text in, value or reason out; no file is read, but
//! `--rebase` looks which paths exist.

mod numbers;

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use imgtar::internals::edit::check_healthcheck;
pub(crate) use imgtar::internals::edit::{platform_part, port, signal};
use imgtar::internals::spec::json::in_plain_words;
use imgtar::internals::words::whole_number;
use imgtar::{
    Addition, Compress, EngineChoice, GzipLevel, ImageRef, ParseImageRefError, ParsePatternError, PathPattern,
    Platform, Reference, Timestamp, ZstdLevel,
};
use serde_json::{Map, Value};

pub(crate) use numbers::{HiddenLimit, at_least_one, count, delta_memory, depth, hidden_limit, jobs, layer, size};

/// `--platform`, one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlatformArg {
    All,
    One(Platform),
}

/// `--rename`, one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rename {
    pub(crate) old: String,
    pub(crate) new: String,
}

/// `--cmd` or `--entrypoint`, one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

/// `--env` or `--label`, one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// `all`, `host` or `OS/ARCH[/VARIANT]`.
pub(crate) fn platform(text: &str) -> Result<PlatformArg, String> {
    match text {
        "all" => Ok(PlatformArg::All),
        "host" => Ok(PlatformArg::One(Platform::host())),
        // A platform without an operating system is the most frequent mistake.
        _ if !text.contains('/') && platform_part(text).is_ok() => {
            let example = match text {
                "linux" | "windows" | "darwin" | "freebsd" => format!("{text}/amd64"),
                architecture => format!("linux/{architecture}"),
            };
            Err(format!("a platform is OS/ARCH[/VARIANT], as in {example}, or one of `all` and `host`"))
        }
        _ => text.parse().map(PlatformArg::One).map_err(|error| format!("{error}; `all` and `host` stand alone")),
    }
}

/// An architecture, or `host` for that of this machine.
pub(crate) fn architecture(text: &str) -> Result<String, String> {
    if text == "host" { Ok(Platform::host().architecture) } else { platform_part(text) }
}

/// One word as it is; a JSON array of words if it begins with `[`.
pub(crate) fn words(text: &str) -> Result<Words, String> {
    if !text.starts_with('[') {
        return Ok(Words(vec![text.to_owned()]));
    }
    serde_json::from_str(text).map(Words).map_err(|error| {
        let problem = in_plain_words(&error);
        format!(
            "a value that begins with `[` has to be a JSON list of texts: {problem}; `[` itself is spelled '[\"[\"]'"
        )
    })
}

/// `--for`: an engine by one of the words for it.
pub(crate) fn engine() -> impl TypedValueParser<Value = EngineChoice> {
    PossibleValuesParser::new(EngineChoice::names())
        .try_map(|word| EngineChoice::of(&word).ok_or_else(|| format!("`{word}` is not an engine")))
}

/// `NAME=VALUE`; the value may be empty, and hold anything.
pub(crate) fn assignment(text: &str) -> Result<Assignment, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Assignment { name: name.to_owned(), value: value.to_owned() }),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// A path or pattern of paths in an image.
pub(crate) fn path_pattern(text: &str) -> Result<PathPattern, String> {
    text.parse().map_err(|error: ParsePatternError| error.to_string())
}

/// `--rebase`: two archives. Of several equals signs the first counts that stands between two paths that exist.
pub(crate) fn rebase(text: &str) -> Result<(PathBuf, PathBuf), String> {
    let splits = text.match_indices('=').map(|(at, _)| (PathBuf::from(&text[..at]), PathBuf::from(&text[at + 1..])));
    let splits = splits.filter(|(old, new)| !old.as_os_str().is_empty() && !new.as_os_str().is_empty());
    let splits: Vec<_> = splits.collect();
    let both = splits.iter().find(|(old, new)| old.exists() && new.exists());
    let chosen = both.or_else(|| splits.iter().find(|(old, _)| old.exists())).or(splits.first());
    chosen.cloned().ok_or_else(|| "expected OLD=NEW, the paths of two archives".to_owned())
}

/// `SRC:DEST[:MODE[:UID:GID]]`; neither path has a colon, but for the one behind a drive of Windows.
pub(crate) fn addition(text: &str) -> Result<Addition, String> {
    addition_on(text, cfg!(windows))
}

fn addition_on(text: &str, is_windows: bool) -> Result<Addition, String> {
    let form = || {
        let drive = if is_windows { r"; a drive in SRC is followed by `\` or `/`" } else { "" };
        format!("expected SRC:DEST[:MODE[:UID:GID]], with an octal MODE up to 7777{drive}")
    };
    let drive = if is_windows { drive_length(text) } else { 0 };
    let (source, rest) = text[drive..].split_once(':').ok_or_else(form)?;
    let source = &text[..drive + source.len()];
    let parts: Vec<&str> = rest.split(':').collect();
    let (destination, mode, owner) = match parts[..] {
        [destination] => (destination, None, None),
        [destination, mode] => (destination, Some(mode), None),
        [destination, mode, uid, gid] => (destination, Some(mode), Some((uid, gid))),
        _ => return Err(form()),
    };
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
    let parse_mode =
        |text: &str| u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777 && !text.starts_with('+'));
    if source.is_empty() || destination.is_empty() {
        return Err(form());
    }
    // Otherwise the image would get one file whose name contains the backslashes.
    if is_windows && destination.contains('\\') {
        return Err(format!("paths in images have `/`: {}", destination.replace('\\', "/")));
    }
    Ok(Addition {
        source: source.into(),
        destination: destination.to_owned(),
        mode: mode.map(|text| parse_mode(text).ok_or_else(form)).transpose()?,
        owner: match owner {
            Some((uid, gid)) => Some((number(uid).ok_or_else(form)?, number(gid).ok_or_else(form)?)),
            None => None,
        },
    })
}

/// Returns the length of the drive of Windows with which `text` begins, its colon included; 0 if there is none. `C:a` begins
/// with none: it may also mean the source `C` and the destination `a`.
fn drive_length(text: &str) -> usize {
    let start = if text.starts_with(r"\\?\") || text.starts_with(r"\\.\") { 4 } else { 0 };
    match text.as_bytes()[start..] {
        [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic() => start + 2,
        _ => 0,
    }
}

/// `--healthcheck`: the `Healthcheck` of a config.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HealthcheckArg(pub(crate) Map<String, Value>);

/// `none`, a JSON object as it is, a JSON array of words, or a command for the shell.
pub(crate) fn healthcheck(text: &str) -> Result<HealthcheckArg, String> {
    let test = |test: Vec<String>| HealthcheckArg(Map::from_iter([("Test".to_owned(), test.into())]));
    if text.starts_with('{') {
        let object = serde_json::from_str(text)
            .map_err(|error| format!("a value that begins with `{{` has to be JSON: {}", in_plain_words(&error)))?;
        check_healthcheck(&object)?;
        return Ok(HealthcheckArg(object));
    }
    match text {
        "" => Err("expected a command, or `none`".to_owned()),
        // A Dockerfile has it in capital letters.
        none if none.eq_ignore_ascii_case("none") => Ok(test(vec!["NONE".to_owned()])),
        _ if text.starts_with('[') => {
            let Words(words) = words(text)?;
            match words.first().map(String::as_str) {
                None | Some("") => Err("the first word names the program".to_owned()),
                Some(form @ ("CMD" | "CMD-SHELL" | "NONE")) => {
                    Err(format!("a list is the command alone, without `{form}`: a whole check is {{\"Test\":{text}}}"))
                }
                Some(_) => Ok(test(["CMD".to_owned()].into_iter().chain(words).collect())),
            }
        }
        command => Ok(test(vec!["CMD-SHELL".to_owned(), command.to_owned()])),
    }
}

/// RFC 3339, or seconds since 1970.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    match whole_number(text) {
        Some(seconds) => Timestamp::from_unix(seconds).ok_or_else(|| "it is beyond the year 9999".to_owned()),
        None => text.parse::<Timestamp>().map_err(|error| format!("{error}, nor a number of seconds since 1970")),
    }
}

/// `@N`, or a name or digest; which of the two depends on the archive.
pub(crate) fn image(text: &str) -> Result<ImageRef, String> {
    text.parse().map_err(|error: ParseImageRefError| error.to_string())
}

/// A name as `docker tag` takes it: lower-case but for the tag (docs/formats.md N-2), and without a digest, for which none of
/// the formats has room (L-7).
pub(crate) fn reference(text: &str) -> Result<Reference, String> {
    let reference = Reference::from_str(text).map_err(|error| error.to_string())?;
    if reference.digest().is_some() {
        return Err("a digest is not part of a new name".to_owned());
    }
    lower_case(text).map(|()| reference)
}

/// Docker takes `ACME` of `ACME/app` for a registry when it reads a name, but refuses it as part of a new one.
fn lower_case(name: &str) -> Result<(), String> {
    let tag = name.rfind(':').filter(|&colon| !name[colon..].contains('/'));
    let repository = &name[..tag.unwrap_or(name.len())];
    match repository.chars().any(char::is_uppercase) {
        true => Err(format!("registry and repository are lower-case: {}", repository.to_lowercase())),
        false => Ok(()),
    }
}

/// `OLD=NEW`; no part of a name holds an equals sign.
pub(crate) fn rename(text: &str) -> Result<Rename, String> {
    match text.split_once('=') {
        Some((_, new)) if new.contains('@') => Err("a digest is not part of a new name".to_owned()),
        Some((old, new)) if !old.is_empty() && !new.contains('=') => {
            lower_case(new).map(|()| Rename { old: old.to_owned(), new: new.to_owned() })
        }
        _ => Err("expected OLD=NEW".to_owned()),
    }
}

/// `keep`, `none`, `gzip[:LEVEL]` or `zstd[:LEVEL]`.
pub(crate) fn compress(text: &str) -> Result<Compress, String> {
    let (form, level) = match text.split_once(':') {
        Some((form, level)) => (form, Some(level)),
        None => (text, None),
    };
    match (form, level) {
        ("keep", None) => Ok(Compress::Keep),
        ("none", None) => Ok(Compress::None),
        ("gzip", _) => in_range(level, GzipLevel::new, "gzip's levels are 1 to 9").map(Compress::Gzip),
        ("zstd", _) => in_range(level, ZstdLevel::new, "zstd's levels are 1 to 19").map(Compress::Zstd),
        _ => Err("expected keep, none, gzip[:1-9] or zstd[:1-19]".to_owned()),
    }
}

fn in_range<L>(level: Option<&str>, new: impl Fn(u8) -> Option<L>, range: &str) -> Result<Option<L>, String> {
    let Some(level) = level else { return Ok(None) };
    level.parse().ok().and_then(new).map(Some).ok_or_else(|| range.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_list_of_words_is_said_in_words_of_json() {
        let expected =
            "a value that begins with `[` has to be a JSON list of texts: it is the number `1`, expected a text";
        assert!(words("[1]").unwrap_err().starts_with(expected));
        assert!(healthcheck("[1]").unwrap_err().starts_with(expected));
    }

    #[test]
    fn compression_has_levels_where_the_codec_has() {
        assert_eq!(compress("keep"), Ok(Compress::Keep));
        assert_eq!(compress("none"), Ok(Compress::None));
        assert_eq!(compress("gzip"), Ok(Compress::Gzip(None)));
        assert_eq!(compress("gzip:9"), Ok(Compress::Gzip(GzipLevel::new(9))));
        assert_eq!(compress("zstd:19"), Ok(Compress::Zstd(ZstdLevel::new(19))));
        for text in ["", "xz", "gzip:", "gzip:0", "gzip:10", "zstd:20", "zstd:-1", "keep:1", "none:1", "gzip:6:6"] {
            assert!(compress(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_new_name_is_lower_case_but_for_its_tag() {
        assert!(reference("registry.lan:5000/acme/web:RC1").is_ok());
        for text in ["ACME/web:1", "Registry.lan/web:1", "acme/Web:1"] {
            assert!(reference(text).unwrap_err().contains("lower-case"), "{text}");
        }
        assert!(reference("ACME/web:RC1").unwrap_err().ends_with(": acme/web"));
    }

    #[test]
    fn a_rename_has_two_sides() {
        assert_eq!(rename("a/=b/"), Ok(Rename { old: "a/".to_owned(), new: "b/".to_owned() }));
        assert!(rename("docker.io/=").is_ok());
        assert!(rename("Team/app=team/app:V1").is_ok());
        for text in ["", "a", "=b", "a=b=c", "a=b@sha256:0", "a=Team/app", "a=TEAM/"] {
            assert!(rename(text).is_err(), "{text}");
        }
    }

    #[test]
    fn platforms_are_words_or_pairs() {
        assert_eq!(platform("all"), Ok(PlatformArg::All));
        assert_eq!(platform("host"), Ok(PlatformArg::One(Platform::host())));
        assert_eq!(platform("linux/amd64"), Ok(PlatformArg::One(Platform::new("linux", "amd64"))));
        assert!(platform("amd64").unwrap_err().contains("linux/amd64"));
        assert!(platform("linux/").unwrap_err().contains("OS/ARCH"));
    }

    #[test]
    fn words_are_one_as_it_is_or_a_json_array() {
        let words = |text: &str| super::words(text).map(|Words(words)| words.join("|"));
        for (text, expected) in
            [("a b", "a b"), ("-c", "-c"), ("", ""), ("[\"a b\",\"\"]", "a b|"), ("[]", ""), ("[\"[\"]", "[")]
        {
            assert_eq!(words(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["[", "[a]", "[1]", "[\"a\"", "[\"a\"] b"] {
            assert!(words(text).unwrap_err().contains("JSON"), "{text}");
        }
    }

    #[test]
    fn an_assignment_has_a_name() {
        let both = |text: &str| assignment(text).map(|it| (it.name, it.value));
        assert_eq!(both("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(both("A="), Ok(("A".to_owned(), String::new())));
        for text in ["", "A", "=b"] {
            assert!(both(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_health_check_is_a_command_or_an_object() {
        let json = |text: &str| healthcheck(text).map(|HealthcheckArg(check)| Value::from(check).to_string());
        for (text, expected) in [
            ("none", r#"{"Test":["NONE"]}"#),
            ("NONE", r#"{"Test":["NONE"]}"#),
            ("curl -f localhost", r#"{"Test":["CMD-SHELL","curl -f localhost"]}"#),
            (r#"["/check", "-q"]"#, r#"{"Test":["CMD","/check","-q"]}"#),
            (r#"{"Test":["NONE"],"Retries":3}"#, r#"{"Test":["NONE"],"Retries":3}"#),
        ] {
            assert_eq!(json(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "{", "[", "{\"Test\":1}", "[1]", "[]", r#"[""]"#, r#"["CMD","/check"]"#, r#"["NONE"]"#] {
            assert!(json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_addition_has_two_paths_and_perhaps_a_mode_and_an_owner() {
        let parts = |text: &str| addition(text).map(|it| (it.source, it.destination, it.mode, it.owner));
        let expected = |mode, owner| Ok(("a/b".into(), "etc/".to_owned(), mode, owner));
        assert_eq!(parts("a/b:etc/"), expected(None, None));
        assert_eq!(parts("a/b:etc/:4755"), expected(Some(0o4755), None));
        assert_eq!(parts("a/b:etc/:644:3:4"), expected(Some(0o644), Some((3, 4))));
        for text in ["", "a", "a:", ":b", "a:b:9", "a:b:644:3", "a:b:644:x:4", "a:b:17777", "a:b:644:3:4:5"] {
            assert!(addition(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_addition_may_begin_with_a_drive_of_windows() {
        let parts = |text: &str| addition_on(text, true).map(|it| (it.source, it.destination, it.mode, it.owner));
        for source in [r"C:\t\a b", "C:/t/a", "c:/a", r"\\?\C:\t\a", r"\\.\c:\a", r"\\host\share\a", r"t\a", "a"] {
            assert_eq!(parts(&format!("{source}:etc/")), Ok((source.into(), "etc/".to_owned(), None, None)));
            let expected = (source.into(), "etc/a".to_owned(), Some(0o644), Some((1, 2)));
            assert_eq!(parts(&format!("{source}:etc/a:644:1:2")), Ok(expected));
        }
        for text in [r"C:\t\a", "C:/t/a", "C:a:etc/a", "C:", r"C:\a:", r"\\?\", r"\\?\C:", "ä:/a:"] {
            let refused = addition_on(text, true).unwrap_err();
            assert!(refused.ends_with(r"a drive in SRC is followed by `\` or `/`"), "{text}: {refused}");
        }
        assert!(addition_on(r"a:\etc\a", true).unwrap_err().contains("SRC:DEST"));
        let refused = addition_on(r"t\a:\etc\a", true).unwrap_err();
        assert_eq!(refused, "paths in images have `/`: /etc/a");
        // Elsewhere these are names of files.
        let parts = |text: &str| addition_on(text, false).map(|it| (it.source, it.destination));
        assert_eq!(parts(r"C:/t\a"), Ok(("C".into(), r"/t\a".to_owned())));
        assert_eq!(parts(r"a:etc\a"), Ok(("a".into(), r"etc\a".to_owned())));
    }

    #[test]
    fn a_time_is_a_date_or_seconds() {
        for (text, expected) in
            [("0", "1970-01-01T00:00:00Z"), ("2020-01-02T03:04:05.50+01:00", "2020-01-02T03:04:05.5+01:00")]
        {
            assert_eq!(time(text).unwrap().to_string(), expected);
        }
        for text in ["", "now", "-1", "1.5", "2020-01-02", "253402300800", "99999999999999999999"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
