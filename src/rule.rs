//! The rules of `docs/formats.md`, `docs/edit.md`, `docs/bundles.md` and `docs/delta.md` by their numbers.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! rules {
    ($($rule:ident)*) => {
        /// A numbered rule of [`docs/formats.md`], [`docs/edit.md`] (E), [`docs/bundles.md`] (B) or [`docs/delta.md`]
        /// (P): what a diagnostic is about.
        ///
        /// Shown as the documents write it: `Rule::G7` is `G-7`.
        ///
        /// [`docs/formats.md`]: https://github.com/imgtar/imgtar/blob/main/docs/formats.md
        /// [`docs/edit.md`]: https://github.com/imgtar/imgtar/blob/main/docs/edit.md
        /// [`docs/bundles.md`]: https://github.com/imgtar/imgtar/blob/main/docs/bundles.md
        /// [`docs/delta.md`]: https://github.com/imgtar/imgtar/blob/main/docs/delta.md
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the documents say what each rule is")]
        #[non_exhaustive]
        pub enum Rule { $($rule),* }

        impl Rule {
            /// All rules, in the order of the documents.
            pub const ALL: &[Self] = &[$(Self::$rule),*];
        }
    };
}

rules! {
    G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12 G13 G14 G15 G16 G17 G18
    L1 L2 L3 L4 L5 L6 L7 L8 L9 L10 L11 L12 L13 L14 L15 L16 L17 L18 L19 L20 L21 L22 L23 L24 L25 L26 L27 L28 L29 L30
    L31 L32 L33 L34 L35
    D1 D2 D3 D4 D5 D6 D7 D8 D9 D10
    O1 O2 O3 O4 O5 O6 O7 O8 O9 O10 O11 O12 O13 O14 O15 O16 O17 O18 O19 O20 O21 O22 O23 O24 O25 O26 O27 O28 O29 O30
    N1 N2 N3 N4 N5 N6 N7 N8 N9
    M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M11 M12 M13 M14 M15
    R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 R11 R12 R13 R14 R15 R16 R17 R18 R19 R20 R21 R22 R23 R24 R25 R26 R27
    H1 H2 H3 H4 H5 H6 H7 H8 H9 H10 H11 H12 H13 H14 H15 H16 H17 H18 H19 H20 H21 H22 H23 H24 H25 H26 H27 H28
    X1 X2 X3 X4
    E1 E2 E3 E4 E5 E6 E7 E8 E9 E10 E11 E12 E13 E14 E15 E20 E21 E22 E23 E24 E25 E26 E30 E31 E32 E33 E34 E35 E36 E37 E38
    E40 E41 E42 E43 E50 E51 E52 E53 E54 E55 E56 E57 E60 E61 E62 E63 E64 E65 E66
    B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 B12 B13 B14 B15 B20 B21 B22 B23 B24 B25 B26 B27 B28 B30 B31 B32 B33 B34 B35 B36 B37
    B38 B39 B40 B41 B42 B43
    P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 P13 P14
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{self:?}");
        let (section, number) = name.split_at(1);
        f.pad(&format!("{section}-{number}"))
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_written_as_the_documents_write_it() {
        assert_eq!(format!("{:<5}|", Rule::O26), "O-26 |");
        assert_eq!(serde_json::to_string(&Rule::G7).unwrap(), "\"G-7\"");
    }
}
