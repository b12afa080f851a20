//! Bytes as decisions: the same bytes make the same archive, and a small change of the bytes makes a small one of it.
//!
//! Under libFuzzer the bytes are its own, so that what it learns of coverage steers the archives; in the stable harness
//! they are random.

/// Decisions yet to be taken. When the bytes are used up every decision is the first choice there is.
pub(crate) struct Choice<'a>(&'a [u8]);

impl<'a> Choice<'a> {
    /// Takes all decisions from `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let number = match limit {
            0..=256 => usize::from(self.byte()),
            257..=65_536 => usize::from(u16::from_be_bytes([self.byte(), self.byte()])),
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]) as usize,
        };
        number % limit.max(1)
    }

    /// True once in `times`, false when no bytes are left.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// One of `choices`.
    pub(crate) fn of<'t, T>(&mut self, choices: &'t [T]) -> &'t T {
        &choices[self.below(choices.len())]
    }

    /// At most `limit` of the bytes that are left.
    pub(crate) fn take(&mut self, limit: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(self.0.len().min(limit));
        self.0 = rest;
        taken
    }

    /// All bytes that are left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        self.take(usize::MAX)
    }

    /// Whether no bytes are left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
