//! `imgtar import`: what was typed of the image becomes its config.

use std::collections::BTreeMap;

use imgtar::convert::{ConvertOptions, Verify};
use imgtar::error::{Error, Result};
use imgtar::spec::config::{NewConfig, Runtime};
use imgtar::spec::platform::Platform;

use super::args::{ImageArgs, ImportArgs};
use super::choices::FormatArg;
use super::options::{self, IMAGES, reject_inapplicable_flags};
use super::terminal::{self, Verbosity};
use super::values::{Assignment, Words};
use super::{environment, write};

/// Imports, and says which image was made.
///
/// # Errors
/// Those of the command line and of the import.
pub(crate) fn run(args: &ImportArgs) -> Result<()> {
    let config = config(&args.image, args.write.to)?;
    let options = ConvertOptions {
        // The diff_id is computed from the bytes that are written: there is no other promise to decode a layer for.
        verify: Verify::Digests,
        ..options::all_of(&args.write, environment::source_date_epoch()?)?
    };
    let import = |input, output, run: &_| imgtar::convert::import(input, &config, output, &options, run);
    let reports = write::run(args.input.as_deref(), &args.write, import)?;
    // The tree that comes out of `rootfs` is no image.
    for report in reports.iter().filter(|_| IMAGES.contains(&args.write.to)) {
        terminal::imported(Verbosity::of(&args.write.run), report);
    }
    Ok(())
}

/// What the image is said to be.
///
/// # Errors
/// [`Error::Usage`] for what is missing, contradicts itself or could not be run.
fn config(args: &ImageArgs, to: FormatArg) -> Result<NewConfig> {
    let known = [
        (!args.cmd.is_empty(), "--cmd", IMAGES),
        (!args.entrypoint.is_empty(), "--entrypoint", IMAGES),
        (!args.env.is_empty(), "--env", IMAGES),
        (args.workdir.is_some(), "--workdir", IMAGES),
        (args.user.is_some(), "--user", IMAGES),
        (!args.label.is_empty(), "--label", IMAGES),
        (args.created.is_some(), "--created", IMAGES),
    ];
    reject_inapplicable_flags(to, &known)?;
    let platform = platform(args, IMAGES.contains(&to))?;
    let is_windows = platform.os == "windows";
    let runtime = Runtime {
        cmd: all_words(&args.cmd),
        entrypoint: command("--entrypoint", &args.entrypoint)?,
        env: unique("--env", &args.env)?.into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
        labels: unique("--label", &args.label)?.into_iter().collect(),
        user: args.user.clone().unwrap_or_default(),
        working_dir: args.workdir.as_deref().map_or(Ok(String::new()), |path| absolute(path, is_windows))?,
    };
    if runtime.entrypoint.is_empty() {
        command("--cmd", &args.cmd)?;
    }
    Ok(NewConfig { platform, created: args.created, runtime })
}

/// The architecture is asked for rather than taken from the machine (docs/formats.md O-12); a filesystem needs none.
fn platform(args: &ImageArgs, is_image: bool) -> Result<Platform> {
    let host = Platform::host();
    let architecture = match args.arch.as_deref() {
        Some("host") => &host.architecture,
        Some(other) => other,
        None if is_image => {
            let example = host.architecture;
            return Err(Error::Usage(format!(
                "an image says what it runs on: --arch {example}, say; --arch host is this machine's own"
            )));
        }
        None => "",
    };
    let platform = Platform::new(&args.os, architecture);
    Ok(Platform { variant: args.variant.clone().unwrap_or_default(), ..platform }.in_go_words())
}

fn all_words(given: &[Words]) -> Vec<String> {
    given.iter().flat_map(|Words(words)| words).cloned().collect()
}

/// Words of which the first names a program.
fn command(flag: &str, given: &[Words]) -> Result<Vec<String>> {
    let words = all_words(given);
    match words.first() {
        Some(program) if program.is_empty() => Err(Error::Usage(format!("{flag}: the first word names the program"))),
        Some(_) | None => Ok(words),
    }
}

/// Names and values in the order in which they were given. Engines disagree about a name that occurs twice.
fn unique(flag: &str, given: &[Assignment]) -> Result<Vec<(String, String)>> {
    let mut seen = BTreeMap::new();
    for Assignment { name, value } in given {
        if let Some(other) = seen.insert(name, value) {
            let (name, other, value) = (name.escape_debug(), other.escape_debug(), value.escape_debug());
            return Err(Error::Usage(format!("{flag} gives `{name}` twice: `{other}` and `{value}`")));
        }
    }
    Ok(given.iter().map(|Assignment { name, value }| (name.clone(), value.clone())).collect())
}

/// Engines refuse to start a container in a directory that depends on another.
fn absolute(path: &str, is_windows: bool) -> Result<String> {
    if path.starts_with('/') || is_windows {
        return Ok(path.to_owned());
    }
    let path = path.escape_debug();
    Err(Error::Usage(format!("--workdir is `{path}`, which is no absolute path")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, CommandArgs};

    /// The config of `imgtar import` with these words, or the message it is refused with.
    fn typed<'a>(words: impl IntoIterator<Item = &'a str>) -> std::result::Result<NewConfig, String> {
        let words = ["imgtar", "import"].into_iter().chain(words);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let CommandArgs::Import(args) = cli.command else { panic!("import was asked for") };
        options::all_of(&args.write, None).map_err(|error| error.to_string())?;
        config(&args.image, args.write.to).map_err(|error| error.to_string())
    }

    fn line(line: &str) -> std::result::Result<NewConfig, String> {
        typed(line.split_whitespace())
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        let config = line("--to oci --arch amd64").unwrap();
        assert_eq!(config, NewConfig { platform: Platform::new("linux", "amd64"), ..NewConfig::default() });
    }

    #[test]
    fn every_flag_arrives_where_it_belongs() {
        let config = line(
            "--to docker --os freebsd --arch arm --variant v6 --entrypoint /bin/sh --cmd -c --cmd [\"a\",\"b\"] \
             --env B=2 --env A=x=y --workdir /srv --user 1:2 --label z= --label a=1 --created 60",
        );
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let expected = NewConfig {
            platform: "freebsd/arm/v6".parse().unwrap(),
            created: Some("1970-01-01T00:01:00Z".parse().unwrap()),
            runtime: Runtime {
                cmd: words(&["-c", "a", "b"]),
                entrypoint: words(&["/bin/sh"]),
                env: words(&["B=2", "A=x=y"]),
                labels: BTreeMap::from([("a".into(), "1".into()), ("z".into(), String::new())]),
                user: "1:2".into(),
                working_dir: "/srv".into(),
            },
        };
        assert_eq!(config, Ok(expected));
    }

    #[test]
    fn the_machine_is_asked_only_by_name() {
        assert_eq!(line("--to oci --arch host").unwrap().platform, Platform::host());
        assert_eq!(line("--to oci --arch x86_64").unwrap().platform, Platform::new("linux", "amd64"));
        let refusal = line("--to docker -t app").unwrap_err();
        assert!(refusal.contains("--arch") && refusal.contains("host"), "{refusal}");
        assert_eq!(line("--to rootfs").unwrap().platform, Platform::new("linux", ""));
    }

    #[test]
    fn an_empty_word_is_one_but_no_program() {
        let words = ["--to", "oci", "--arch", "amd64", "--cmd", "printf", "--cmd", ""];
        assert_eq!(typed(words).unwrap().runtime.cmd, ["printf", ""]);
        for flag in ["--cmd", "--entrypoint"] {
            let refusal = typed(["--to", "oci", "--arch", "amd64", flag, ""]).unwrap_err();
            assert!(refusal.contains(flag), "{refusal}");
        }
    }

    #[test]
    fn what_cannot_be_run_or_contradicts_itself_is_refused() {
        for (words, says) in [
            ("--to oci --arch linux/amd64", "--arch"),
            ("--to oci --arch amd64 --os linux/amd64", "--os"),
            ("--to oci --arch amd64 --cmd [a]", "JSON"),
            ("--to oci --arch amd64 --env PATH", "NAME=VALUE"),
            ("--to oci --arch amd64 --env A=1 --env A=2", "twice"),
            ("--to oci --arch amd64 --label a=1 --label a=1", "twice"),
            ("--to oci --arch amd64 --workdir srv", "absolute"),
            ("--to oci --arch amd64 --created yesterday", "RFC 3339"),
            ("--to oci --arch amd64 --sort", "--sort"),
            ("--to rootfs --cmd sh", "--cmd"),
            ("--to rootfs --created 0", "--created"),
            ("--to rootfs -t app", "--tag"),
            ("--to oci --arch amd64 --platform linux/amd64", "--platform"),
        ] {
            let refusal = line(words).expect_err(words);
            assert!(refusal.contains(says), "{words}: {refusal}");
        }
    }
}
