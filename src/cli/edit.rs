//! `imgtar edit`: flags become changes of images.

use std::path::PathBuf;

use imgtar::{ConfigChanges, EditOptions, Error, Normalize, Platform, Rebase, Result, Squash};

use super::args::{EditArgs, LayerChangeArgs, WriteArgs};
use super::input::GivenArchives;
use super::messages::Messages;
use super::options::{self, IMAGES, reject_inapplicable_flags};
use super::split::OpenByName;
use super::values::PlatformArg;
use super::{config, environment, output, report, split, write};

/// Changes images, and reports the changes of each.
///
/// # Errors
/// Those of the command line, of the archive and of the changes.
pub(crate) fn run(args: &EditArgs, messages: Messages) -> Result<()> {
    let options = options::edit(args, environment::source_date_epoch()?)?;
    let changes = changes(args)?;
    let given = GivenArchives { inputs: &args.inputs, with: &args.selection.with, ..GivenArchives::default() };
    output::refuse_conflicts(&args.write, given.paths(), other_inputs(args))?;
    if args.split.split {
        let edit = |archives, pattern: &_, open: OpenByName<'_>, run: &_| {
            imgtar::edit_split(archives, &changes, pattern, open, &options, run)
        };
        return match args.dry_run {
            true => split::dry_run(given, other_inputs(args), &args.write, messages, edit),
            false => split::run(given, other_inputs(args), &args.write, messages, edit),
        };
    }
    if args.dry_run {
        let rehearse = || output::rehearse(&args.write, messages);
        let preview = |archives, run: &_| imgtar::preview_edit(archives, &changes, &options, run);
        report::announce_preview(&write::dry_run(given, &args.write, messages, rehearse, preview)?, messages);
        return Ok(());
    }
    let edit = |archives, output, run: &_| imgtar::edit(archives, &changes, output, &options, run);
    write::run(given, &args.write, messages, edit)
}

/// The files and directories that flags read beside the inputs.
fn other_inputs(args: &EditArgs) -> impl Iterator<Item = &PathBuf> {
    let layers = &args.layers;
    let bases = layers.rebase.iter().flat_map(|(old, new)| [old, new]);
    let added = layers.add_layer.iter().chain(layers.add.iter().map(|addition| &addition.source));
    let others = [&layers.squash_above, &layers.above, &args.config.config_merge];
    others.into_iter().flatten().chain(bases).chain(added)
}

/// Returns the changes that `args` ask for.
///
/// # Errors
/// [`Error::Usage`] for flags that contradict each other or the target.
fn changes(args: &EditArgs) -> Result<EditOptions> {
    let (to, platform) = (args.write.to, &args.platform);
    let known = [
        (platform.os.is_some(), "--os", IMAGES),
        (platform.arch.is_some(), "--arch", IMAGES),
        (platform.variant.is_some(), "--variant", IMAGES),
    ];
    reject_inapplicable_flags(to, &known)?;
    if !args.layers.remove.is_empty() {
        refuse_other_blobs(&args.write)?;
    }
    let config = config::changes(&args.config, to)?;
    Ok(EditOptions {
        platforms: only(&args.only_platform),
        rebase: args.layers.rebase.clone().map(|(old, new)| Rebase { old, new, force: args.layers.force_rebase }),
        remove_layers: args.layers.remove_layer.iter().map(|number| *number as usize).collect(),
        remove: args.layers.remove.clone(),
        squash: squash(&args.layers),
        normalize: normalize(&args.layers),
        add_layers: args.layers.add_layer.clone(),
        add: args.layers.add.clone(),
        config: ConfigChanges {
            os: platform.os.clone(),
            architecture: platform.arch.clone(),
            variant: platform.variant.clone(),
            ..config
        },
    })
}

/// Refuses, together with `--remove`, flags by which the output has blobs that no image of the run does.
fn refuse_other_blobs(write: &WriteArgs) -> Result<()> {
    let problem = if write.oci.all_blobs {
        "--all-blobs may carry along what --remove takes out: blobs that nothing refers to are not looked into"
    } else if write.output.append {
        "--append keeps the blobs of the directory, which may have what --remove takes out: write to another directory, \
         and add that with `convert --append`"
    } else {
        return Ok(());
    };
    Err(Error::Usage(problem.to_owned()))
}

/// The layers that become one.
fn squash(args: &LayerChangeArgs) -> Option<Squash> {
    let top = args.squash_top.map(|count| Squash::Top(count as usize));
    args.squash.then_some(Squash::All).or(top).or_else(|| args.squash_above.clone().map(Squash::Above))
}

/// The layers to normalise.
fn normalize(args: &LayerChangeArgs) -> Option<Normalize> {
    let above = args.above.clone().map_or(Normalize::All, Normalize::Above);
    args.normalize.then_some(above)
}

/// The platforms to change; none stands for all.
fn only(given: &[PlatformArg]) -> Vec<Platform> {
    let is_all = given.contains(&PlatformArg::All);
    let one = |arg: &PlatformArg| match arg {
        PlatformArg::One(platform) if !is_all => Some(platform.clone()),
        PlatformArg::One(_) | PlatformArg::All => None,
    };
    given.iter().filter_map(one).collect()
}
