//! Compressed members: what is damaged is told, what is whole comes out, however the bytes arrive.

use std::io::{self, Read};

use imgtar::internals::codec::{Watch, decode};
use imgtar::{Budget, Codec, Diagnostics, Limits};

use super::archive::Dribble;

/// Decoded bytes that are looked at.
const MOST: u64 = 1 << 20;

/// One codec's decoder; the first byte picks it, or leaves it to the magic.
pub(crate) fn members(data: &[u8]) {
    let Some((first, packed)) = data.split_first() else { return };
    let codec = match first % 8 {
        0 => Codec::Gzip,
        1 => Codec::Zstd,
        2 => Codec::Xz,
        3 => Codec::Bzip2,
        4 => Codec::Lz4,
        _ => Codec::sniff(packed),
    };
    let whole = plain(codec, packed);
    assert_eq!(whole, plain(codec, Dribble(packed)), "{codec:?}: large and small reads differ");
    if codec == Codec::Gzip
        && let Ok(plain) = whole
    {
        let mut reference = Vec::new();
        let _ = flate2::read::MultiGzDecoder::new(packed).take(MOST).read_to_end(&mut reference);
        assert_eq!(plain, reference, "gzip: not what the library reads");
    }
}

/// All that comes out, or why not.
fn plain(codec: Codec, packed: impl Read) -> Result<Vec<u8>, String> {
    let (budget, diagnostics) = (Budget::new(Limits { size: MOST, ..Limits::default() }), Diagnostics::silent());
    let mut decoder = decode(codec, packed, Watch::new("blob", &budget, &diagnostics)).map_err(text)?;
    let mut out = Vec::new();
    match decoder.read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(error) => {
            let said = text(error);
            let again = decoder.read(&mut [0; 16]).map_err(text);
            assert!(again.is_err(), "after `{said}` the decoder gave {again:?}");
            Err(said)
        }
    }
}

/// The stream and its codec, or the limit: what else a decoder says of damage, and where, depends on the size of reads.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: io::Error) -> String {
    error.to_string().splitn(3, ": ").take(2).collect::<Vec<_>>().join(": ")
}
