//! Which rule of docs/formats.md a refusal of another module is about, by its words.
//!
//! Modules that refuse speak to people and name no rules; a report has to. The suite plants each of these faults and wants
//! its rule (tests/suite/verify), so that no words can change unnoticed.

/// What a refusal says, and the rule behind it; the first that fits counts.
const TOLD: [(&str, &str); 34] = [
    // Names and members.
    ("climbs out of the archive", "H-1"),
    ("is no digest", "H-2"),
    ("twice, with different bytes", "H-12"),
    ("they form a cycle", "H-6"),
    ("not a regular file", "G-6"),
    ("it is a link", "G-7"),
    ("NUL byte", "H-24"),
    // Documents.
    ("bytes allowed here", "H-14"),
    ("nested deeper", "H-14"),
    ("recursion limit", "H-14"),
    ("occurs twice in one object", "H-20"),
    ("is no number of bytes", "H-11"),
    ("`data`", "O-7"),
    ("would be read as something else by others", "H-4"),
    ("but the descriptor says", "H-4"),
    // Tars.
    ("bad checksum", "H-18"),
    ("not a tar archive", "H-18"),
    ("truncated", "H-18"),
    ("no end marker", "H-18"),
    ("single zero block", "G-13"),
    ("stored sparse", "R-20"),
    ("sparse map", "R-20"),
    ("PAX header at", "H-9"),
    ("GNU long", "H-9"),
    ("global PAX record", "R-19"),
    ("is not supported", "R-13"),
    ("more than 32 bits", "H-11"),
    ("a name with", "H-24"),
    ("a name of", "H-24"),
    // Layers, applied.
    ("hard link to", "R-12"),
    ("entry for the root", "R-18"),
    ("there more than once", "R-10"),
    ("symbolic link of a lower layer", "R-8"),
    ("character device 0/0", "R-22"),
];

/// The rule that `problem` is about, if its words tell.
pub(super) fn told(problem: &str) -> Option<&'static str> {
    TOLD.iter().find(|(words, _)| problem.contains(words)).map(|(_, rule)| *rule)
}
