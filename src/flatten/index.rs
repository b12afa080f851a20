//! A hash table of numbers that leaves keys to its owner: eight bytes a slot, whatever the keys are.
//!
//! Nothing is ever removed. Each slot keeps the hash beside the number, so that growing needs no keys and a probe rarely
//! looks at one.

/// Numbers found by the hash of what they stand for.
#[derive(Debug, Clone)]
pub(super) struct Index {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    /// The number, or [`VACANT`].
    number: u32,
}

/// What a number takes, about: a table is between three eighths and three quarters full.
pub(super) const BYTES: usize = 2 * size_of::<Slot>();

const VACANT: u32 = u32::MAX;
const FIRST_SLOTS: usize = 64;

impl Index {
    pub(super) fn new() -> Self {
        Self { slots: vacant(FIRST_SLOTS), used: 0 }
    }

    /// The number under `hash` that `is_it` recognises.
    pub(super) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.probe(hash)
            .map(|at| self.slots[at])
            .take_while(|slot| slot.number != VACANT)
            .find(|slot| slot.hash == hash && is_it(slot.number))
            .map(|slot| slot.number)
    }

    /// Adds `number`, which must not be there yet, under `hash`.
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.place(Slot { hash, number });
        self.used += 1;
    }

    fn grow(&mut self) {
        let larger = vacant(self.slots.len() * 2);
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot.number != VACANT {
                self.place(slot);
            }
        }
    }

    fn place(&mut self, slot: Slot) {
        let free = self.probe(slot.hash).find(|&at| self.slots[at].number == VACANT);
        if let Some(free) = free {
            self.slots[free] = slot;
        }
    }

    /// The slots in which a number under `hash` may stand, nearest first; there is always a vacant one.
    fn probe(&self, hash: u32) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len() - 1;
        (0..=mask).map(move |step| (hash as usize).wrapping_add(step) & mask)
    }
}

fn vacant(slots: usize) -> Vec<Slot> {
    vec![Slot { hash: 0, number: VACANT }; slots]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_through_growth_and_collisions() {
        let mut index = Index::new();
        for number in 0..2_000 {
            index.insert(number % 97, number);
        }
        for number in 0..2_000 {
            assert_eq!(index.find(number % 97, |found| found == number), Some(number));
        }
        assert_eq!(index.find(5, |_| false), None);
        assert_eq!(index.find(12_345, |_| true), None);
    }
}
