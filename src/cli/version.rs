//! `--version`: the long form names all that written digests depend on (docs/formats.md D-10).

use std::sync::LazyLock;

static LONG: LazyLock<String> = LazyLock::new(|| {
    let encoders: String = imgtar::internals::codec::versions().iter().map(|line| format!("\n  {line}")).collect();
    format!("{}\nencoders, on which the bytes of compressed layers depend:{encoders}", env!("CARGO_PKG_VERSION"))
});

pub(super) fn long() -> &'static str {
    &LONG
}
