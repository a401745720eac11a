//! Joining an answer that broke off with its continuation.
//!
//! A model that is given the beginning of its answer goes on behind it; some servers repeat the last
//! words of it first, or all of it. What is repeated is dropped, so that nothing is told twice.

/// Fewer repeated bytes than this may be chance: an answer may well say "ha" and go on with "ha".
const LEAST: usize = 12;

/// Holds back the start of a continuation until it is clear how much of it is repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seam {
    /// What came before the break.
    told: Vec<u8>,
    held: Vec<u8>,
    /// Where in `told` what is held stands, once anything is.
    places: Option<Vec<usize>>,
    active: bool,
}

impl Seam {
    /// Behind `told`.
    pub fn behind(told: &[u8]) -> Seam {
        Seam { told: told.to_vec(), active: !told.is_empty(), ..Seam::default() }
    }

    /// Whether something may still be held back.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Takes a piece of the continuation and returns what of it is new, as far as that is clear.
    pub fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        if !self.active {
            return piece.to_vec();
        }
        let from = self.held.len();
        self.held.extend_from_slice(piece);
        let goes_on =
            |place: &usize| self.told.get(place + from..).is_some_and(|rest| rest.starts_with(piece));
        let places = match self.places.take() {
            Some(places) => places.into_iter().filter(goes_on).collect(),
            None if piece.is_empty() => return Vec::new(),
            None => (0..self.told.len()).filter(goes_on).collect::<Vec<usize>>(),
        };
        // As long as what is held stands somewhere in what was told, more of it may be repetition.
        if places.is_empty() {
            return self.finish();
        }
        self.places = Some(places);
        Vec::new()
    }

    /// The continuation broke off in its turn. What is held and stands in what was told is a repetition that
    /// was cut, unless it is so short that it may be chance.
    pub fn break_off(&mut self) -> Vec<u8> {
        if self.held.len() >= LEAST {
            self.held.clear();
        }
        self.finish()
    }

    /// Nothing more will come: returns what was held and is new.
    pub fn finish(&mut self) -> Vec<u8> {
        if !std::mem::take(&mut self.active) {
            return Vec::new();
        }
        let most = self.held.len().min(self.told.len());
        let repeated = (LEAST..=most)
            .rev()
            .find(|&length| self.held.get(..length).is_some_and(|start| self.told.ends_with(start)));
        let new = self.held.split_off(repeated.unwrap_or(0));
        *self = Seam::default();
        new
    }
}
