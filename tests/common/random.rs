//! Chance that can be repeated, and the ways to cut a body.

/// A small seeded generator (xorshift64*), so that a failing run is replayed by its seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 up to, but without, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((self.bits() >> 32) as usize) % end
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Lengths of pieces of `text` of up to `longest` characters.
    pub fn pieces(&mut self, text: &str, longest: usize) -> Vec<usize> {
        let mut lengths = text.chars().map(char::len_utf8);
        let mut pieces = Vec::new();
        loop {
            let taken = self.below(longest) + 1;
            let piece: usize = lengths.by_ref().take(taken).sum();
            if piece == 0 {
                return pieces;
            }
            pieces.push(piece);
        }
    }

    /// Cuts `bytes` at random places; pieces may be empty.
    pub fn cut<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut ends: Vec<usize> = (0..self.below(8)).map(|_| self.below(bytes.len() + 1)).collect();
        ends.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for end in ends {
            pieces.push(&bytes[from..end]);
            from = end;
        }
        pieces.push(&bytes[from..]);
        pieces
    }
}

/// Every way to cut `bytes` in two, both ends included.
pub fn splits(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    (0..=bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]])
}

/// Whole, in two at every place, byte by byte, and at random places.
pub fn all_cuts(bytes: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let mut random = Random::new(bytes.len() as u64);
    splits(bytes)
        .chain(std::iter::once(bytes.chunks(1).collect()))
        .chain((0..32).map(move |_| random.cut(bytes)))
}
