//! How the bytes of the fuzzer are divided.

use crate::common::random::Random;

/// How many bytes are choices.
pub const HEADER: usize = 4;

/// Choices, and the bytes that they are about.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// One bit each.
    flags: u8,
    /// A small number for each target to use.
    pub number: u8,
    /// Where the text is cut.
    cuts: u16,
    /// The rest.
    pub bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// `None` when there are too few bytes for choices.
    pub fn read(data: &'a [u8]) -> Option<Input<'a>> {
        let (&[flags, number, low, high], bytes) = data.split_first_chunk::<HEADER>()?;
        Some(Input { flags, number, cuts: u16::from_le_bytes([low, high]), bytes })
    }

    /// Whether the rest is to be grown into something plausible instead of taken as it is.
    pub fn is_grown(&self) -> bool {
        self.flag(0)
    }

    /// One of eight switches.
    pub fn flag(&self, bit: u8) -> bool {
        self.flags & 1 << bit != 0
    }

    /// The pieces in which `text` arrives.
    pub fn cut<'t>(&self, text: &'t [u8]) -> Vec<&'t [u8]> {
        Random::new(u64::from(self.cuts)).cut(text)
    }
}
