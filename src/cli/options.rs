//! The border: flags become options of the library, or are refused because they contradict each other.
//!
//! Beyond it the library sees neither clap nor a string that still needs parsing.

use imgtar::{
    Compress, ConvertOptions, DeltaOptions, DockerOptions, Error, NameChanges, OciOptions, Platforms, Result,
    RootfsOptions, Target,
};

use super::args::{ConvertArgs, EditArgs, NameArgs, SelectionArgs, WriteArgs};
use super::choices::{FormatArg, IndexArg};
use super::output::is_standard;
use super::values::PlatformArg;

const ARCHIVES: &[FormatArg] =
    &[FormatArg::Legacy, FormatArg::Docker, FormatArg::Oci, FormatArg::Rootfs, FormatArg::Delta];
/// Targets whose images have names.
const NAMED: &[FormatArg] =
    &[FormatArg::Legacy, FormatArg::Docker, FormatArg::Oci, FormatArg::OciDir, FormatArg::Delta];
pub(super) const IMAGES: &[FormatArg] = &[FormatArg::Legacy, FormatArg::Docker, FormatArg::Oci, FormatArg::OciDir];
const MANIFEST_JSON: &[FormatArg] = &[FormatArg::Legacy, FormatArg::Docker, FormatArg::Oci];
const DOCKER: &[FormatArg] = &[FormatArg::Legacy, FormatArg::Docker];
const OCI: &[FormatArg] = &[FormatArg::Oci, FormatArg::OciDir];
const OCI_DIR: &[FormatArg] = &[FormatArg::OciDir];
const ROOTFS: &[FormatArg] = &[FormatArg::Rootfs];
const DELTA: &[FormatArg] = &[FormatArg::Delta];

/// Returns the options of `convert`; `epoch` is `SOURCE_DATE_EPOCH`.
///
/// # Errors
/// [`Error::Usage`] for flags that contradict each other or the target.
pub(crate) fn convert(args: &ConvertArgs, epoch: Option<i64>) -> Result<ConvertOptions> {
    let known = [(args.fast, "--fast", DELTA), (args.memory.is_some(), "--memory", DELTA)];
    reject_inapplicable_flags(args.write.to, &known)?;
    let mut options = selected(&args.selection, &args.write, epoch)?;
    if let Target::Delta(delta) = &mut options.target {
        delta.fast = args.fast;
        delta.memory = args.memory.unwrap_or(delta.memory);
    }
    Ok(options)
}

/// Returns the options with which `edit` writes.
///
/// # Errors
/// [`Error::Usage`] for flags that contradict each other or the target.
pub(super) fn edit(args: &EditArgs, epoch: Option<i64>) -> Result<ConvertOptions> {
    refuse_delta(args.write.to)?;
    selected(&args.selection, &args.write, epoch)
}

fn selected(selection: &SelectionArgs, write: &WriteArgs, epoch: Option<i64>) -> Result<ConvertOptions> {
    reject_inapplicable_flags(write.to, &[(selection.index == IndexArg::Keep, "--index keep", OCI)])?;
    Ok(ConvertOptions {
        images: selection.images.clone(),
        platforms: platforms(&selection.platforms)?,
        verify: selection.verify.into(),
        index: selection.index.into(),
        attestations: selection.attestations.map(Into::into),
        prefer: selection.prefer.map(Into::into),
        ..all_of(write, epoch)?
    })
}

/// Returns the options for writing the whole input, for commands that select nothing.
///
/// # Errors
/// [`Error::Usage`] for flags that contradict each other or the target.
pub(super) fn all_of(args: &WriteArgs, epoch: Option<i64>) -> Result<ConvertOptions> {
    let WriteArgs { output, names, layers, oci, rootfs, .. } = args;
    let known = [
        (output.append, "--append", OCI_DIR),
        (output.outer.is_some(), "--outer", ARCHIVES),
        (!names.tags.is_empty(), "--tag", NAMED),
        (!names.add_tags.is_empty(), "--add-tag", NAMED),
        (!names.rename.is_empty(), "--rename", NAMED),
        (names.no_tags, "--no-tags", NAMED),
        (names.full_names, "--full-names", MANIFEST_JSON),
        (layers.compress.is_some(), "--compress", IMAGES),
        (layers.embed_foreign, "--embed-foreign", OCI),
        (layers.allow_missing_foreign, "--allow-missing-foreign", DOCKER),
        (oci.no_docker_manifest, "--no-docker-manifest", OCI),
        (oci.oci_types, "--oci-types", OCI),
        (oci.flat_index, "--flat-index", OCI),
        (oci.all_blobs, "--all-blobs", OCI),
        (rootfs.sort, "--sort", ROOTFS),
        (rootfs.keep_dirlinks, "--keep-dirlinks", ROOTFS),
        (rootfs.strip_estargz, "--strip-estargz", ROOTFS),
        (rootfs.clamp_mtime, "--clamp-mtime", ROOTFS),
        (!rootfs.only.is_empty(), "--only", ROOTFS),
        (rootfs.config_out.is_some(), "--config-out", ROOTFS),
    ];
    reject_inapplicable_flags(args.to, &known)?;
    if args.to == FormatArg::OciDir && is_standard(output) {
        return Err(Error::Usage("--to oci-dir needs a directory: -o DIR".to_owned()));
    }
    Ok(ConvertOptions { names: name_changes(names), ..ConvertOptions::new(target(args, epoch)?) })
}

/// Refuses the target that only `convert` has.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn refuse_delta(target: FormatArg) -> Result<()> {
    match target {
        FormatArg::Delta => Err(Error::Usage("--to delta is for convert, which has --base".to_owned())),
        FormatArg::Legacy | FormatArg::Docker | FormatArg::Oci | FormatArg::OciDir | FormatArg::Rootfs => Ok(()),
    }
}

/// A flag: true if it was given, its spelling, and the targets that know it.
pub(super) type Flag<'a> = (bool, &'a str, &'a [FormatArg]);

/// Refuses flags that the target has no use for: they would be ignored in silence.
pub(super) fn reject_inapplicable_flags(target: FormatArg, flags: &[Flag<'_>]) -> Result<()> {
    match flags.iter().find(|(given, _, formats)| *given && !formats.contains(&target)) {
        None => Ok(()),
        Some((_, flag, formats)) => {
            let names: Vec<_> = formats.iter().map(|format| format.name()).collect();
            let target = target.name();
            Err(Error::Usage(format!("{flag} is for {}, not for --to {target}", names.join(", "))))
        }
    }
}

fn target(args: &WriteArgs, epoch: Option<i64>) -> Result<Target> {
    let compress = args.layers.compress;
    Ok(match args.to {
        FormatArg::Legacy => match compress {
            None | Some(Compress::None) => Target::Legacy(docker_options(args, None)),
            Some(Compress::Keep | Compress::Gzip(_) | Compress::Zstd(_)) => {
                return Err(Error::Usage(
                    "legacy layers are plain: --compress can only be none (see --outer)".to_owned(),
                ));
            }
        },
        FormatArg::Docker => Target::Docker(docker_options(args, compress)),
        FormatArg::Oci | FormatArg::OciDir => Target::Oci(OciOptions {
            compress,
            full_names: args.names.full_names,
            no_docker_manifest: args.oci.no_docker_manifest || args.to == FormatArg::OciDir,
            oci_types: args.oci.oci_types,
            flat_index: args.oci.flat_index,
            all_blobs: args.oci.all_blobs,
            embed_foreign: args.layers.embed_foreign,
        }),
        FormatArg::Rootfs => Target::Rootfs(RootfsOptions {
            sort: args.rootfs.sort,
            keep_dirlinks: args.rootfs.keep_dirlinks,
            strip_estargz: args.rootfs.strip_estargz,
            clamp_mtime: if args.rootfs.clamp_mtime { Some(clamp(epoch)?) } else { None },
            only: args.rootfs.only.iter().map(|path| path.as_encoded_bytes().to_vec()).collect(),
        }),
        FormatArg::Delta => Target::Delta(DeltaOptions::default()),
    })
}

fn docker_options(args: &WriteArgs, compress: Option<Compress>) -> DockerOptions {
    DockerOptions {
        compress,
        full_names: args.names.full_names,
        allow_missing_foreign: args.layers.allow_missing_foreign,
    }
}

/// Returns the time for `--clamp-mtime`; refuses a missing variable, without which every time would become 1970.
fn clamp(epoch: Option<i64>) -> Result<i64> {
    epoch.ok_or_else(|| Error::Usage("--clamp-mtime needs SOURCE_DATE_EPOCH in the environment".to_owned()))
}

fn platforms(args: &[PlatformArg]) -> Result<Platforms> {
    let only: Vec<_> = args
        .iter()
        .filter_map(|arg| match arg {
            PlatformArg::One(platform) => Some(platform.clone()),
            PlatformArg::All => None,
        })
        .collect();
    match (args.len(), only.len()) {
        (0, _) => Ok(Platforms::Unspecified),
        (_, 0) => Ok(Platforms::All),
        (all, only_len) if all == only_len => Ok(Platforms::Only(only)),
        _ => Err(Error::Usage("--platform all leaves nothing for another --platform to choose".to_owned())),
    }
}

fn name_changes(args: &NameArgs) -> NameChanges {
    let replaces = args.no_tags || !args.tags.is_empty();
    NameChanges {
        replace: replaces.then(|| args.tags.clone()),
        rename: args.rename.iter().map(|rename| (rename.old.clone(), rename.new.clone())).collect(),
        add: args.add_tags.clone(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, CommandArgs};

    /// The options of `imgtar convert LINE`, or the exit code and message it is refused with.
    fn options(line: &str) -> std::result::Result<ConvertOptions, String> {
        let words = ["imgtar", "convert"].into_iter().chain(line.split_whitespace());
        let cli = Cli::try_parse_from(words).map_err(|error| format!("{} {error}", error.exit_code()))?;
        let CommandArgs::Convert(args) = cli.command else { panic!("convert was asked for") };
        convert(&args, Some(7)).map_err(|error| format!("{} {error}", crate::cli::exit::Exit::of(&error).code()))
    }

    #[test]
    fn the_shortest_line_means_the_defaults() {
        let options = options("--to oci").unwrap();
        assert_eq!(options.target, Target::Oci(OciOptions::default()));
        assert_eq!(options.platforms, Platforms::Unspecified);
        assert_eq!(options.names, NameChanges::default());
        assert_eq!(options.verify, imgtar::Verify::Auto);
        assert_eq!(options.index, imgtar::IndexPolicy::Prune);
        assert_eq!((options.images.len(), options.attestations, options.prefer), (0, None, None));
    }

    #[test]
    fn formats_have_other_names() {
        for (words, target) in [
            ("legacy docker-save", "Legacy"),
            ("docker docker-archive tarball", "Docker"),
            ("oci oci-archive oci-dir dir", "Oci"),
            ("rootfs tar flat", "Rootfs"),
        ] {
            for word in words.split(' ') {
                let found = format!("{:?}", options(&format!("--to {word} -o out")).unwrap().target);
                assert!(found.starts_with(target), "{word}: {found}");
            }
        }
    }

    #[test]
    fn flags_arrive_where_they_belong() {
        let rootfs =
            options("--to rootfs --sort --keep-dirlinks --strip-estargz --clamp-mtime --only etc").unwrap().target;
        let only = vec![b"etc".to_vec()];
        let all = RootfsOptions { sort: true, keep_dirlinks: true, strip_estargz: true, clamp_mtime: Some(7), only };
        assert_eq!(rootfs, Target::Rootfs(all));

        let oci = options(
            "--to oci --no-docker-manifest --oci-types --flat-index --all-blobs --embed-foreign --compress none",
        )
        .unwrap();
        let all = OciOptions {
            compress: Some(Compress::None),
            full_names: false,
            no_docker_manifest: true,
            oci_types: true,
            flat_index: true,
            all_blobs: true,
            embed_foreign: true,
        };
        assert_eq!(oci.target, Target::Oci(all));

        let docker = options("--to docker --full-names --allow-missing-foreign --compress keep").unwrap().target;
        let all = DockerOptions { compress: Some(Compress::Keep), full_names: true, allow_missing_foreign: true };
        assert_eq!(docker, Target::Docker(all));

        let names = options("--to oci --no-tags --add-tag a/b:1 --add-tag c:2").unwrap().names;
        assert_eq!((names.replace, names.add.len()), (Some(vec![]), 2));
        let names = options("--to oci --rename a=b --rename c/=").unwrap().names;
        assert_eq!(names.rename, [("a".into(), "b".into()), ("c/".into(), String::new())]);
        assert_eq!(options("--to oci -t a:1 --tag b:2").unwrap().names.replace.unwrap().len(), 2);

        assert_eq!(options("--to oci --platform all --platform all").unwrap().platforms, Platforms::All);
        let Platforms::Only(two) = options("--to oci --platform linux/amd64 --platform linux/arm").unwrap().platforms
        else {
            panic!("two platforms")
        };
        assert_eq!(two.len(), 2);
    }

    #[test]
    fn what_contradicts_itself_is_a_usage_error() {
        for line in [
            "",
            "--to zip",
            "--to oci --no-such-flag",
            "--to oci-dir",
            "--to oci-dir -o -",
            "--to oci-dir -o d -z gzip",
            "--to oci-dir -o d --full-names",
            "--to oci-dir -o d --append --force",
            "--to oci --append",
            "--to oci --sort",
            "--to oci --allow-missing-foreign",
            "--to oci --no-docker-manifest --full-names",
            "--to oci -q -v",
            "--to oci -t a:1 --no-tags",
            "--to oci -t a:1 --rename b=c",
            "--to oci --no-tags --rename b=c",
            "--to oci --platform all --platform linux/amd64",
            "--to oci --platform amd64",
            "--to oci --image @x",
            "--to oci --compress xz",
            "--to oci --compress gzip:10",
            "--to oci -z bzip2",
            "--to oci -j 0",
            "--to oci --max-size 1X",
            "--to oci -t a/UPPER",
            "--to oci -t app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "--to legacy --compress gzip",
            "--to legacy --compress zstd:3",
            "--to legacy --compress keep",
            "--to legacy --oci-types",
            "--to docker --index keep",
            "--to docker --all-blobs",
            "--to legacy --flat-index",
            "--to docker --embed-foreign",
            "--to rootfs --compress gzip",
            "--to rootfs --compress none",
            "--to rootfs -t a:1",
        ] {
            let refusal = options(line).expect_err(line);
            assert!(refusal.starts_with("2 "), "{line}: {refusal}");
        }
    }

    #[test]
    fn what_only_looks_odd_is_taken() {
        for line in [
            "- --to oci -o -",
            "a.tar b.tar - --to oci",
            "--to oci -f",
            "--to legacy --compress none",
            "--to oci-dir -o d --no-docker-manifest",
            "--to docker --attestations keep --index strict",
            "--to rootfs --platform host --image @0 -z gzip",
            "--to oci -j 1 --max-size 1T --max-entries 1 --max-metadata 0 --strict -v --tmpdir /x",
        ] {
            options(line).expect(line);
        }
    }

    #[test]
    fn times_are_clamped_only_to_a_time_that_is_given() {
        let cli = Cli::try_parse_from(["imgtar", "convert", "--to", "rootfs", "--clamp-mtime"]).unwrap();
        let CommandArgs::Convert(args) = cli.command else { panic!("convert was asked for") };
        let error = convert(&args, None).unwrap_err();
        assert!(error.to_string().contains("SOURCE_DATE_EPOCH"), "{error}");
    }

    #[test]
    fn the_command_line_is_well_built() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
