//! `imgtar import`: flags become the config of the image.

use std::path::Path;

use imgtar::{
    ConfigChanges, ConvertOptions, Error, ImageSelector, NewConfig, Platform, Platforms, Result, Run, Verify, open,
};

use super::args::{ImageArgs, ImportArgs};
use super::messages::Messages;
use super::options::{self, IMAGES, reject_inapplicable_flags};
use super::{config, environment, input, output, write};

/// Imports, and reports what was written.
///
/// # Errors
/// Those of the command line and of the import.
pub(crate) fn run(args: &ImportArgs, messages: Messages) -> Result<()> {
    let read = [&args.image.config_from, &args.config.config_merge];
    output::refuse_conflicts(&args.write, &args.input, read.into_iter().flatten())?;
    options::refuse_delta(args.write.to)?;
    let config = config(args)?;
    let options = ConvertOptions {
        // The diff_id is computed from the bytes that are written: there is no other to verify a layer against.
        verify: Verify::Digests,
        ..options::all_of(&args.write, environment::source_date_epoch()?)?
    };
    let import = |input, output, run: &_| imgtar::import(input, &config, output, &options, run);
    write::run_one(args.input.as_deref(), &args.write, messages, import)
}

/// Returns the config of the new image.
///
/// # Errors
/// [`Error::Usage`] for flags that are missing, contradict each other or could not be run; those of the archive of
/// `--config-from`.
fn config(args: &ImportArgs) -> Result<NewConfig> {
    let (image, to) = (&args.image, args.write.to);
    reject_inapplicable_flags(to, &[(image.config_from.is_some(), "--config-from", IMAGES)])?;
    let from = image.config_from.as_deref().map(|path| config_of(path, image)).transpose()?;
    let platform = platform(image, IMAGES.contains(&to) && from.is_none())?;
    let os = image.os.clone().or_else(|| from.is_none().then(|| "linux".to_owned()));
    let changes = config::changes(&args.config, to)?;
    let part = |part: fn(&Platform) -> &String| platform.as_ref().map(part).filter(|part| !part.is_empty()).cloned();
    let (architecture, variant) = (part(|platform| &platform.architecture), part(|platform| &platform.variant));
    Ok(NewConfig { from, changes: ConfigChanges { os, architecture, variant, ..changes } })
}

/// The config of the one image in the archive at `path`; of several platforms that of the flags.
fn config_of(path: &Path, args: &ImageArgs) -> Result<Vec<u8>> {
    let run = Run::quiet();
    let set = open(input::find(Some(path))?, None, &run)?;
    let platforms = match platform(args, false)? {
        Some(platform) if ImageSelector::default().images(&set)?.len() > 1 => Platforms::Only(vec![platform]),
        _ => Platforms::Unspecified,
    };
    let chosen = ImageSelector { platforms, ..ImageSelector::default() }.one(&set)?;
    Ok(chosen.image.config.raw().to_vec())
}

/// The architecture has to be given, and is not taken from the machine (docs/formats.md O-12); a filesystem needs none.
fn platform(args: &ImageArgs, is_needed: bool) -> Result<Option<Platform>> {
    let architecture = match args.arch.as_deref() {
        Some(architecture) => architecture,
        None if is_needed => {
            let example = Platform::host().architecture;
            return Err(Error::Usage(format!(
                "an image needs an architecture: --arch {example} for example, or --arch host for that of this machine"
            )));
        }
        None => return Ok(None),
    };
    let platform = Platform::new(args.os.as_deref().unwrap_or("linux"), architecture);
    Ok(Some(Platform { variant: args.variant.clone().unwrap_or_default(), ..platform }.in_go_words()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use imgtar::RuntimeChanges;

    use super::*;
    use crate::cli::args::{Cli, CommandArgs};

    /// The config of `imgtar import` with these words, or the message it is refused with.
    fn typed<'a>(words: impl IntoIterator<Item = &'a str>) -> std::result::Result<NewConfig, String> {
        let words = ["imgtar", "import"].into_iter().chain(words);
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let CommandArgs::Import(args) = cli.command else { panic!("import was asked for") };
        options::all_of(&args.write, None).map_err(|error| error.to_string())?;
        config(&args).map_err(|error| error.to_string())
    }

    fn line(line: &str) -> std::result::Result<NewConfig, String> {
        typed(line.split_whitespace())
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn on(os: &str, architecture: &str) -> ConfigChanges {
        ConfigChanges { os: Some(os.into()), architecture: Some(architecture.into()), ..ConfigChanges::default() }
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        let config = line("--to oci --arch amd64").unwrap();
        assert_eq!(config, NewConfig { from: None, changes: on("linux", "amd64") });
    }

    #[test]
    fn every_flag_arrives_where_it_belongs() {
        let config = line(
            "--to docker --os freebsd --arch arm --variant v6 --entrypoint /bin/sh --cmd -c --cmd [\"a\",\"b\"] \
             --env B=2 --env A=x=y --workdir /srv --user 1:2 --label z= --label a=1 --created 60 --expose 80 \
             --volume /data --stop-signal SIGINT --healthcheck none --author me --unset-env C --unset-label l",
        );
        let runtime = RuntimeChanges {
            cmd: Some(words(&["-c", "a", "b"])),
            entrypoint: Some(words(&["/bin/sh"])),
            env: pairs(&[("B", "2"), ("A", "x=y")]),
            unset_env: words(&["C"]),
            labels: pairs(&[("z", ""), ("a", "1")]),
            unset_labels: words(&["l"]),
            user: Some("1:2".into()),
            working_dir: Some("/srv".into()),
            ports: words(&["80/tcp"]),
            volumes: words(&["/data"]),
            stop_signal: Some("SIGINT".into()),
            healthcheck: serde_json::from_str(r#"{"Test":["NONE"]}"#).unwrap(),
        };
        let changes = ConfigChanges {
            variant: Some("v6".into()),
            author: Some("me".into()),
            created: Some("1970-01-01T00:01:00Z".parse().unwrap()),
            runtime,
            ..on("freebsd", "arm")
        };
        assert_eq!(config, Ok(NewConfig { from: None, changes }));
    }

    #[test]
    fn the_machine_is_asked_only_by_name() {
        let architecture = |words: &str| line(words).unwrap().changes.architecture;
        assert_eq!(architecture("--to oci --arch host"), Some(Platform::host().architecture));
        assert_eq!(architecture("--to oci --arch x86_64").as_deref(), Some("amd64"));
        let refusal = line("--to docker -t app").unwrap_err();
        assert!(refusal.contains("--arch") && refusal.contains("host"), "{refusal}");
        assert_eq!(architecture("--to rootfs"), None);
    }

    #[test]
    fn an_empty_word_is_one_but_no_program() {
        let words = ["--to", "oci", "--arch", "amd64", "--cmd", "printf", "--cmd", ""];
        assert_eq!(typed(words).unwrap().changes.runtime.cmd, Some(vec!["printf".to_owned(), String::new()]));
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
            ("--to oci --arch amd64 --env A=1 --unset-env A", "both name"),
            ("--to oci --arch amd64 --expose http", "--expose"),
            ("--to oci --arch amd64 --label a=1 --label a=1", "twice"),
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
