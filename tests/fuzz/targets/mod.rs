//! What is fuzzed: functions of any bytes that must return, and that panic when something they promise does not hold.

mod archive;
mod codec;
mod convert;
pub(crate) mod damaged;
mod delta;
mod json;
mod overlay;
mod words;

/// A target: its name and what it does with bytes.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const ALL: [Target; 14] = [
    ("index", archive::index),
    ("layer", archive::layer),
    ("json", json::documents),
    ("words", words::words),
    ("paths", words::paths),
    ("overlay", overlay::overlay),
    ("codec", codec::members),
    ("import", convert::import),
    ("convert", convert::raw),
    ("built", convert::built),
    ("edit", convert::edited),
    ("flatten", convert::flattened),
    ("damaged", damaged::damaged),
    ("delta", delta::delta),
];
