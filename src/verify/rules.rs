//! Which rule of docs/formats.md a refusal of another module is about, by its words.
//!
//! Modules that refuse speak to people and name no rules; a report has to. The suite plants each of these faults and wants
//! its rule (tests/suite/verify), so that no words can change unnoticed.

use crate::rule::Rule;

/// What a refusal says, and the rule behind it; the first that fits counts.
const TOLD: [(&str, Rule); 34] = [
    // Names and members.
    ("climbs out of the archive", Rule::H1),
    ("is no digest", Rule::H2),
    ("twice, with different bytes", Rule::H12),
    ("they form a cycle", Rule::H6),
    ("not a regular file", Rule::G6),
    ("it is a link", Rule::G7),
    ("NUL byte", Rule::H24),
    // Documents.
    ("bytes allowed here", Rule::H14),
    ("nested deeper", Rule::H14),
    ("recursion limit", Rule::H14),
    ("occurs twice in one object", Rule::H20),
    ("is no number of bytes", Rule::H11),
    ("`data`", Rule::O7),
    ("would be read as something else by others", Rule::H4),
    ("but the descriptor says", Rule::H4),
    // Tars.
    ("bad checksum", Rule::H18),
    ("not a tar archive", Rule::H18),
    ("truncated", Rule::H18),
    ("no end marker", Rule::H18),
    ("single zero block", Rule::G13),
    ("stored sparse", Rule::R20),
    ("sparse map", Rule::R20),
    ("PAX header at", Rule::H9),
    ("GNU long", Rule::H9),
    ("global PAX record", Rule::R19),
    ("is not supported", Rule::R13),
    ("more than 32 bits", Rule::H11),
    ("a name with", Rule::H24),
    ("a name of", Rule::H24),
    // Layers, applied.
    ("hard link to", Rule::R12),
    ("entry for the root", Rule::R18),
    ("there more than once", Rule::R10),
    ("symbolic link of a lower layer", Rule::R8),
    ("character device 0/0", Rule::R22),
];

/// The rule that `problem` is about, if its words tell.
pub(super) fn told(problem: &str) -> Option<Rule> {
    TOLD.iter().find(|(words, _)| problem.contains(words)).map(|(_, rule)| *rule)
}
