//! What somebody may have meant who typed something else.

mod name;

pub(crate) use name::nearest_name;

/// Longer texts are nobody's slip of the finger, and comparing them costs the product of their lengths.
const LONGEST: usize = 256;

/// The one of `known` that differs least from `typed`, unless even that one differs in more than a third of it.
pub(crate) fn nearest<'a>(typed: &[u8], known: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let ranked = known.into_iter().filter_map(|known| Some((near(typed, known)?, known)));
    ranked.min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// By how much `known` differs from `typed`, unless it is more than a third of it.
fn near(typed: &[u8], known: &[u8]) -> Option<usize> {
    let most = typed.len().div_ceil(3);
    let may_be = known.len().abs_diff(typed.len()) <= most;
    may_be.then(|| distance(typed, known)).filter(|&distance| distance <= most)
}

/// How many bytes must be typed, left out, replaced or swapped with their neighbour to make one of the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    if one.len().max(other.len()) > LONGEST {
        return usize::MAX;
    }
    // Rows of the table of all prefixes' distances: the two before the one being filled.
    let (mut before, mut last) = (Vec::new(), (0..=other.len()).collect::<Vec<_>>());
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut least = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && *b == one[i - 1] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_slips() {
        for (one, other, expected) in [
            ("", "", 0),
            ("app", "app", 0),
            ("app", "ap", 1),
            ("app", "apps", 1),
            ("app", "aqp", 1),
            ("app", "pap", 1),
            ("passwd", "password", 2),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
            assert_eq!(distance(other.as_bytes(), one.as_bytes()), expected, "{other} {one}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = [&b"app:1"[..], b"postgres:16", b"redis:7"];
        assert_eq!(nearest(b"postgers:16", known), Some(&b"postgres:16"[..]));
        assert_eq!(nearest(b"app:2", known), Some(&b"app:1"[..]));
        assert_eq!(nearest(b"nginx:1", known), None);
        assert_eq!(nearest(b"", known), None);
        let long = vec![b'a'; LONGEST + 1];
        assert_eq!(nearest(&long, [&long[1..]]), None);
    }
}
