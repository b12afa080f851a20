//! The flags that would have avoided an error or a warning: the library names the setting, the command its flag.

use imgtar::internals::words::within;
use imgtar::{Diagnostic, Error, LimitKind, Setting};

/// Returns the reason why a run failed, with all its causes, as one line; the possible choices follow below.
pub(super) fn failure(error: &Error) -> String {
    match error {
        Error::Within { at, source } => within(at, &failure(source)),
        Error::Avoidable { error, setting } => match &**error {
            Error::Choice { problem, choices } => {
                let problem = format!("{problem}{}", hint(*setting));
                Error::Choice { problem, choices: choices.clone() }.to_string()
            }
            other => failure(other) + hint(*setting),
        },
        Error::Limit { kind, .. } => format!("{error} (raise {} to allow it)", flag(*kind)),
        other => other.line(),
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
