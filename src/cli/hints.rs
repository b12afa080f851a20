//! The flags that would have avoided an error or a warning: the library names the setting, the command its flag.

use imgtar::{Diagnostic, Error, LimitKind, Setting};

/// Returns the reason why a run failed, with all its causes, as one line; the possible choices follow below.
pub(super) fn failure(error: &Error) -> String {
    let line = error.line();
    let (first, choices) = line.split_at(line.find('\n').unwrap_or(line.len()));
    format!("{first}{}{choices}", hints(error))
}

/// Returns the hints for `error` and for what it is wrapped around.
fn hints(error: &Error) -> String {
    match error {
        Error::Within { source, .. } => hints(source),
        Error::Avoidable { error, setting } => hints(error) + hint(*setting),
        Error::Limit { kind, .. } => format!(" (raise {} to allow it)", flag(*kind)),
        _ => String::new(),
    }
}

/// Returns the diagnostic with its hint in the message.
pub(super) fn hinted(diagnostic: &Diagnostic) -> Diagnostic {
    let mut with_hint = diagnostic.clone();
    with_hint.message += with_hint.setting.take().map_or("", hint);
    with_hint
}

fn hint(setting: Setting) -> &'static str {
    match setting {
        Setting::Image => "; choose one with --image",
        Setting::ImageDigest => "; choose one by its digest with --image",
        Setting::ImageDigestOrName => "; choose one by its digest with --image, or convert one with --rename first",
        Setting::ImageOrName => "; choose one with --image, or use --rename",
        Setting::Platform => "; choose one with --platform",
        Setting::With => "; --with ARCHIVE takes that from an archive that has it",
        Setting::Base => "; --base names its archive",
        Setting::Half => "; a conversion takes one of them with --prefer oci or --prefer docker",
        Setting::DockerHalf => "; --prefer docker reads manifest.json instead",
        Setting::WithOrDockerHalf => "; --with ARCHIVE completes it, --prefer docker reads manifest.json instead",
        Setting::EachLayer => "; `ls --layers` tells whether a layer has it",
        Setting::Layer => "; one can be listed as it is with `ls --layer`",
        Setting::Name => " (--tag gives a name)",
        Setting::MissingForeign => " (--allow-missing-foreign writes the image without)",
        Setting::Gzip => "; --compress gzip works for every engine",
        Setting::Replace => " (--force replaces it)",
        Setting::AppendOrReplace => " (--append adds to it, --force replaces it)",
        Setting::Tmpdir => "; --tmpdir names another place",
        Setting::ForceRebase => "; --force-rebase does it anyway",
        Setting::Lenient => " (an error because of --strict)",
    }
}

fn flag(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::Size => "--max-size",
        LimitKind::Entries => "--max-entries",
        LimitKind::Metadata => "--max-metadata",
    }
}
