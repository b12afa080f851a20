//! The difference between two versions of a file: the copies and additions of bsdiff, in the operations of a tar-diff.
//!
//! For each position of the new bytes the longest match among the old ones is looked up in a suffix array. A match is
//! taken if it has eight bytes more than the alignment that is in force explains; between two that are taken the ends are
//! stretched while more than half of the bytes agree. Code that was linked anew is mostly such stretches.
//!
//! Four things differ from Percival's program. A match that was found stays in force for the positions
//! inside it, which makes runs linear. Where nothing is found steps grow, so that compressed data is passed over. Where the
//! alignment in force explains nearly all that follows, nothing is looked up. Equal bytes are copied instead of being sent as
//! zeros.
//!
//! Sources: Colin Percival, "Naive differences of executable code", 2003; docs/delta.md P-12.

use super::ops::Script;

/// Bytes by which a match must exceed what the alignment in force explains.
const WORTH: usize = 8;
/// Equal bytes from which on they are copied.
const RUN: usize = 8;
/// After so many positions without a match, a step grows by one.
const GROWTH: usize = 128;
/// The longest step.
const MAX_STEP: usize = 64;
/// Bytes that are looked at before a match is looked up.
const AHEAD: usize = 64;
/// Of so many of them one may differ for the alignment in force to go on.
const DIFFERING: usize = 16;

/// Returns the operations that make `new` of `old`, which lies at `offset` of its file.
pub(super) fn diff(old: &[u8], offset: u64, new: &[u8]) -> Script {
    // Where only a few bytes differ, none are needed.
    let mut suffixes = None;
    let mut comparer = Comparer { old, new, offset, last: Aligned::default(), script: Script::default() };
    // The last match that was looked up, and the part of it that is at hand.
    let (mut found, mut current) = (Match::default(), Match::default());
    let mut position = 0;
    while position < new.len() {
        position += current.len;
        let begun = position;
        let (mut score, mut scored) = (0, position);
        while position < new.len() {
            let explained = comparer.explained(position);
            if explained > 0 {
                // No match, but the alignment in force goes on: nothing is taken for it, and the next position is behind it.
                (current, score) = (Match { new: position, old: 0, len: explained }, explained);
                break;
            }
            let look_up = || suffixes.get_or_insert_with(|| Suffixes::of(old)).longest(new, position);
            current = found.rest_at(position).unwrap_or_else(look_up);
            found = current;
            while scored < position + current.len {
                score += usize::from(comparer.agrees(scored));
                scored += 1;
            }
            if (current.len == score && score > 0) || current.len > score + WORTH {
                break;
            }
            let step = (1 + (position - begun) / GROWTH).min(MAX_STEP);
            for passed in position..(position + step).min(scored) {
                score -= usize::from(comparer.agrees(passed));
            }
            position = (position + step).min(new.len());
            scored = scored.max(position);
        }
        if position == new.len() || current.len != score {
            comparer.take(current, position);
        }
    }
    comparer.script
}

/// A stretch of old bytes that is found in the new ones.
#[derive(Debug, Clone, Copy, Default)]
struct Match {
    /// Where it begins in the new bytes.
    new: usize,
    /// Where it begins in the old bytes.
    old: usize,
    len: usize,
}

impl Match {
    /// The part of it that begins at `new`, if there is any.
    fn rest_at(self, new: usize) -> Option<Self> {
        let passed = new.checked_sub(self.new)?;
        (passed < self.len).then(|| Self { new, old: self.old + passed, len: self.len - passed })
    }
}

/// Places in the new and old bytes that belong together.
#[derive(Debug, Clone, Copy, Default)]
struct Aligned {
    new: usize,
    old: usize,
}

/// The state of comparing.
struct Comparer<'a> {
    old: &'a [u8],
    new: &'a [u8],
    offset: u64,
    /// Where the last alignment began.
    last: Aligned,
    script: Script,
}

impl Comparer<'_> {
    /// Returns whether the alignment in force explains the byte at `position`.
    fn agrees(&self, position: usize) -> bool {
        let old = (position + self.last.old).checked_sub(self.last.new).and_then(|old| self.old.get(old));
        old == self.new.get(position)
    }

    /// Returns how many bytes from `position` on the alignment in force explains, but for a few of them: no match is worth
    /// looking up there.
    fn explained(&self, position: usize) -> usize {
        let old = (position + self.last.old).checked_sub(self.last.new).and_then(|old| self.old.get(old..));
        let pairs = self.new[position..].chunks(AHEAD).zip(old.unwrap_or_default().chunks(AHEAD));
        let is_explained = |(new, old): &(&[u8], &[u8])| {
            let differing = new.iter().zip(*old).filter(|(new, old)| new != old).count();
            old.len() >= new.len() && differing * DIFFERING <= new.len()
        };
        pairs.take_while(is_explained).map(|(new, _)| new.len()).sum()
    }

    /// Ends the alignment in force before `next`, and writes the operations for it; at the end of the new bytes there
    /// is no next one, and `position` is that end.
    fn take(&mut self, next: Match, position: usize) {
        let Self { old, new, last, .. } = *self;
        let mut forward = stretch((last.new..position).zip(last.old..old.len()).map(|(n, o)| new[n] == old[o]));
        let is_end = position == new.len();
        let mut backward = 0;
        if !is_end {
            let pairs = (last.new..position).rev().zip((0..next.old).rev());
            backward = stretch(pairs.map(|(n, o)| new[n] == old[o]));
        }
        let overlap = (last.new + forward).saturating_sub(position - backward);
        if overlap > 0 {
            let kept = best_cut(
                &new[position - backward..][..overlap],
                &old[last.old + forward - overlap..],
                &old[next.old - backward..],
            );
            forward = forward - overlap + kept;
            backward -= kept;
        }
        let (from, to) = (last.new + forward, position - backward);
        if forward > 0 {
            self.script.seek(self.offset + last.old as u64);
            self.blend(last.old, last.new, forward);
        }
        self.script.data(&new[from..to]);
        self.last = Aligned { new: to, old: next.old.saturating_sub(backward) };
    }

    /// Writes `len` new bytes as old ones and what has to be added to them.
    fn blend(&mut self, old: usize, new: usize, len: usize) {
        let (old, new) = (&self.old[old..old + len], &self.new[new..new + len]);
        let (mut pending, mut place) = (0, 0);
        while place < len {
            let run = common(&old[place..], &new[place..]);
            if run >= RUN || (run > 0 && place + run == len && place == pending) {
                self.script.add(&old[pending..place], &new[pending..place]);
                self.script.copy(run as u64);
                pending = place + run;
            }
            place += run + 1;
        }
        self.script.add(&old[pending..], &new[pending..]);
    }
}

/// Returns the length up to which most of `pairs` agree.
fn stretch(pairs: impl Iterator<Item = bool>) -> usize {
    let (mut agreed, mut best, mut len) = (0, 0, 0);
    for (nth, agrees) in pairs.enumerate() {
        agreed += i64::from(agrees);
        let worth = 2 * agreed - (nth as i64 + 1);
        if worth > best {
            (best, len) = (worth, nth + 1);
        }
    }
    len
}

/// Returns how many of the `new` bytes, which two alignments reach, are better explained by the `first`.
fn best_cut(new: &[u8], first: &[u8], second: &[u8]) -> usize {
    let (mut worth, mut best, mut cut) = (0_i64, 0, 0);
    for (nth, ((new, first), second)) in new.iter().zip(first).zip(second).enumerate() {
        worth += i64::from(new == first) - i64::from(new == second);
        if worth > best {
            (best, cut) = (worth, nth + 1);
        }
    }
    cut
}

/// Returns how many bytes `one` and `two` have in common at their beginnings.
fn common(one: &[u8], two: &[u8]) -> usize {
    const WORD: usize = size_of::<u64>();
    let words = one.as_chunks::<WORD>().0.iter().zip(two.as_chunks::<WORD>().0);
    let equal = words.take_while(|(one, two)| one == two).count() * WORD;
    equal + one[equal..].iter().zip(&two[equal..]).take_while(|(one, two)| one == two).count()
}

/// The suffixes of some bytes in order.
struct Suffixes<'t> {
    text: &'t [u8],
    order: Vec<i32>,
}

impl<'t> Suffixes<'t> {
    /// `text` has less than 2 GiB.
    fn of(text: &'t [u8]) -> Self {
        let mut order = vec![0; text.len()];
        if !text.is_empty() {
            divsufsort::sort_in_place(text, &mut order);
        }
        Self { text, order }
    }

    /// The longest match for what begins at `position` of `new`.
    fn longest(&self, new: &[u8], position: usize) -> Match {
        let wanted = &new[position..];
        let Some(last) = self.order.len().checked_sub(1) else { return Match { new: position, ..Match::default() } };
        let (mut low, mut high) = (0, last);
        let (mut low_len, mut high_len) = (self.common(low, wanted, 0), self.common(high, wanted, 0));
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let len = self.common(middle, wanted, low_len.min(high_len));
            // A suffix that has ended stands before one that goes on; a whole match may stand anywhere.
            if self.suffix(middle).get(len) < wanted.get(len) {
                (low, low_len) = (middle, len);
            } else {
                (high, high_len) = (middle, len);
            }
        }
        let (place, len) = if low_len >= high_len { (low, low_len) } else { (high, high_len) };
        Match { new: position, old: self.order[place] as usize, len }
    }

    /// Bytes that the suffix at `place` of the order has in common with `wanted`, of which `known` are.
    fn common(&self, place: usize, wanted: &[u8], known: usize) -> usize {
        known + common(&self.suffix(place)[known..], &wanted[known..])
    }

    fn suffix(&self, place: usize) -> &[u8] {
        &self.text[self.order[place] as usize..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delta::ops::run_script;

    /// Random bytes of few kinds, so that matches are many.
    fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0_u8), 0..4_u8, any::<u8>()], 0..most)
    }

    fn check(old: &[u8], new: &[u8]) {
        let script = diff(old, 0, new);
        assert_eq!(run_script(&script, old), new);
    }

    proptest! {
        #[test]
        fn any_bytes_are_made_of_any_others(old in text(600), new in text(600)) {
            check(&old, &new);
        }

        #[test]
        fn a_version_is_made_of_the_one_before(
            old in text(2000),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), text(30), 0..30_usize), 0..6),
        ) {
            let mut new = old.clone();
            for (place, bytes, gone) in cuts {
                let at = place.index(new.len() + 1);
                let end = (at + gone).min(new.len());
                new.splice(at..end, bytes);
            }
            check(&old, &new);
        }
    }

    #[test]
    fn the_longest_match_is_found() {
        let text = b"abracadabra abracadabra! abra";
        let suffixes = Suffixes::of(text);
        for (wanted, len) in [(&b"abracadabra!x"[..], 12), (b"cad", 3), (b"zzz", 0), (b"", 0), (b"abra", 4)] {
            let found = suffixes.longest(wanted, 0);
            assert_eq!(found.len, len, "{wanted:?}");
            assert_eq!(text[found.old..found.old + len], wanted[..len]);
        }
        assert_eq!(Suffixes::of(b"").longest(b"a", 0).len, 0);
    }

    #[test]
    fn what_changed_here_and_there_is_little() {
        let noise = |nth: u32| (nth.wrapping_mul(2_654_435_761) >> 24) as u8;
        let old: Vec<u8> = (0..100_000).map(noise).collect();
        let mut new = old.clone();
        new.iter_mut().step_by(1000).for_each(|byte| *byte = byte.wrapping_add(1));
        new.splice(50_000..50_000, *b"inserted");
        let script = diff(&old, 0, &new);
        assert_eq!(run_script(&script, &old), new);
        assert!(script.len() < 1000, "{}", script.len());
    }

    #[test]
    fn while_few_bytes_differ_nothing_is_looked_up() {
        let old: Vec<u8> = (0..1000_u32).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let explained = |new: &[u8], last| {
            let comparer = Comparer { old: &old, new, offset: 0, last, script: Script::default() };
            comparer.explained(last.new)
        };
        let start = Aligned::default();
        assert_eq!((explained(&old, start), explained(&old[..990], start), explained(b"", start)), (1000, 990, 0));
        assert_eq!(explained(&[&old[..], b"more"].concat(), start), 960, "what the old bytes have no place for");
        let mut new = old.clone();
        (128..192).step_by(16).for_each(|place| new[place] ^= 1);
        assert_eq!(explained(&new, start), 1000);
        new[150] ^= 1;
        assert_eq!((explained(&new, start), explained(&new, Aligned { new: 151, old: 151 })), (128, 849));
        assert_eq!(explained(&old[7..], Aligned { new: 0, old: 7 }), 993);
        check(&old, &new);
    }

    #[test]
    fn runs_and_noise_are_passed_over() {
        let zeros = vec![0; 1 << 18];
        let noise: Vec<u8> = (0..1_u32 << 18).map(|nth| (nth.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        check(&zeros, &[&zeros[5..], b"x", &zeros].concat());
        check(&noise, &zeros);
        check(&zeros, &noise);
    }
}
