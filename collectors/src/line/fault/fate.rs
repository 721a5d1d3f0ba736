use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::Faults;

const MILLION: u64 = 1_000_000;
/// How long a piece waits for the one that it is to arrive with.
const MERGE_WAIT: Duration = Duration::from_millis(20);
/// Parts of a piece that is split, at most.
const PARTS_MAX: usize = 4;
/// Time between two parts of a piece.
const PART_PAUSE: Duration = Duration::from_millis(1);

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Loss,
    Duplication,
    Corruption,
    Delay,
    HalfOpen,
    Split,
    Merge,
}

impl Fault {
    /// Every fault with its name in counts, in the order of the discriminants.
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Loss, "loss"),
        (Self::Duplication, "duplication"),
        (Self::Corruption, "corruption"),
        (Self::Delay, "delay"),
        (Self::HalfOpen, "half_open"),
        (Self::Split, "split"),
        (Self::Merge, "merge"),
    ];
}

/// Numbers that look like chance and are the same each time (SplitMix64).
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// The chance of the line with that number.
    pub(super) fn of(seed: u64, number: u64) -> Self {
        // Neighbouring numbers have nothing in common behind the first step.
        Self(Self(seed).next() ^ Self(!number).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A place in `0..length`; 0 when there is none.
    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    fn strikes(&mut self, ppm: u32) -> bool {
        self.below(MILLION) < u64::from(ppm)
    }
}

/// Octets on their way.
#[derive(Debug)]
struct Piece {
    due: Instant,
    octets: Vec<u8>,
    /// Octets that were taken already.
    taken: usize,
    /// Whether the next piece joins it.
    is_open: bool,
}

/// One direction of a line.
#[derive(Debug)]
pub(super) struct Way {
    /// Whether pieces are datagrams, which are whole and overtake each other.
    datagrams: bool,
    /// In the order in which they are due.
    pieces: VecDeque<Piece>,
}

impl Way {
    pub(super) const fn new(datagrams: bool) -> Self {
        Self { datagrams, pieces: VecDeque::new() }
    }

    /// Sends a piece on its way, or not; true when nothing comes over the line any more.
    pub(super) fn meet(
        &mut self,
        octets: &[u8],
        faults: &Faults,
        chance: &mut Chance,
        now: Instant,
        count: &mut dyn FnMut(Fault),
    ) -> bool {
        let mut strikes = |fault, ppm| {
            let strikes = chance.strikes(ppm);
            if strikes {
                count(fault);
            }
            strikes
        };
        if strikes(Fault::HalfOpen, faults.half_open_ppm) {
            self.pieces.clear();
            return true;
        }
        if strikes(Fault::Loss, faults.loss_ppm) {
            return false;
        }
        let is_wrong = strikes(Fault::Corruption, faults.corruption_ppm);
        let is_late = strikes(Fault::Delay, faults.delay_ppm);
        let is_twice = strikes(Fault::Duplication, faults.duplication_ppm);
        let is_split = !self.datagrams && strikes(Fault::Split, faults.split_ppm);
        let is_open = !self.datagrams && strikes(Fault::Merge, faults.merge_ppm);
        let mut octets = octets.to_vec();
        if is_wrong {
            let (place, bit) = (chance.place(octets.len()), chance.below(8));
            octets.iter_mut().skip(place).take(1).for_each(|octet| *octet ^= 1 << bit);
        }
        let late = if is_late {
            chance.below(u64::try_from(faults.delay_max.as_micros()).unwrap_or(u64::MAX))
        } else {
            0
        };
        let due = now + Duration::from_micros(late);
        for _ in 0..1 + u32::from(is_twice) {
            if is_split { self.add_in_parts(&octets, due, chance) } else { self.add(octets.clone(), due) }
        }
        if let Some(last) = self.pieces.back_mut().filter(|_| is_open) {
            (last.is_open, last.due) = (true, last.due + MERGE_WAIT);
        }
        false
    }

    /// Puts octets that are due into `octets`; how many, at least one.
    pub(super) fn deliver(&mut self, octets: &mut [u8], now: Instant) -> Option<usize> {
        let rest = self.due(now)?;
        let taken = rest.len().min(octets.len());
        octets[..taken].copy_from_slice(&rest[..taken]);
        self.took(taken);
        Some(taken)
    }

    /// The rest of the piece that is due.
    pub(super) fn due(&self, now: Instant) -> Option<&[u8]> {
        self.pieces.front().filter(|piece| piece.due <= now).map(|piece| &piece.octets[piece.taken..])
    }

    /// So many octets of it were taken.
    pub(super) fn took(&mut self, octets: usize) {
        let Some(first) = self.pieces.front_mut() else { return };
        first.taken += octets;
        if first.taken >= first.octets.len() {
            self.pieces.pop_front();
        }
    }

    /// When the next piece is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.pieces.front().map(|piece| piece.due)
    }

    fn add_in_parts(&mut self, octets: &[u8], due: Instant, chance: &mut Chance) {
        let parts = 2 + chance.place(PARTS_MAX - 1);
        let mut cuts: Vec<_> = (1..parts).map(|_| chance.place(octets.len())).collect();
        cuts.push(octets.len());
        cuts.sort_unstable();
        let (mut start, mut due) = (0, due);
        for cut in cuts {
            if cut > start {
                self.add(octets[start..cut].to_vec(), due);
                (start, due) = (cut, due + PART_PAUSE);
            }
        }
    }

    fn add(&mut self, octets: Vec<u8>, due: Instant) {
        if let Some(last) = self.pieces.back_mut().filter(|last| last.is_open) {
            last.octets.extend_from_slice(&octets);
            (last.is_open, last.due) = (false, last.due.min(due));
            return;
        }
        let behind = match (self.datagrams, self.pieces.back()) {
            (true, _) => self.pieces.partition_point(|piece| piece.due <= due),
            (false, _) => self.pieces.len(),
        };
        // On a stream nothing overtakes.
        let due = self.pieces.back().filter(|_| !self.datagrams).map_or(due, |last| last.due.max(due));
        self.pieces.insert(behind, Piece { due, octets, taken: 0, is_open: false });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: u32 = 1_000_000;

    /// What arrives of pieces that are sent every millisecond: all octets, how many deliveries it took, and which faults there were.
    fn delivered(faults: &Faults, datagrams: bool, pieces: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Fault>) {
        let (mut way, mut chance) = (Way::new(datagrams), Chance::of(faults.seed, 0));
        let (mut now, mut seen, mut is_silent) = (Instant::now(), Vec::new(), false);
        for piece in pieces {
            if !is_silent {
                is_silent = way.meet(piece, faults, &mut chance, now, &mut |fault| seen.push(fault));
            }
            now += Duration::from_millis(1);
        }
        let (mut arrived, mut buffer) = (Vec::new(), [0; 64]);
        while let Some(due) = way.next_due() {
            while let Some(taken) = way.deliver(&mut buffer, due) {
                arrived.push(buffer[..taken].to_vec());
            }
        }
        (arrived, seen)
    }

    fn pieces() -> Vec<Vec<u8>> {
        (1..=9_u8).map(|number| vec![number; 5]).collect()
    }

    #[test]
    fn each_fault_does_what_its_name_says() {
        let whole = pieces().concat();
        let with = |set: fn(&mut Faults), datagrams| {
            let mut faults = Faults { seed: 1, delay_max: Duration::from_millis(20), ..Faults::default() };
            set(&mut faults);
            delivered(&faults, datagrams, &pieces())
        };
        assert_eq!(with(|_| (), false), (pieces(), vec![]));
        assert_eq!(with(|faults| faults.loss_ppm = EVERY, false), (vec![], vec![Fault::Loss; 9]));
        assert_eq!(with(|faults| faults.half_open_ppm = EVERY, false), (vec![], vec![Fault::HalfOpen]));
        let twice = with(|faults| faults.duplication_ppm = EVERY, false).0;
        assert!(twice.len() == 18 && twice.chunks(2).all(|pair| pair[0] == pair[1]), "{twice:?}");
        let wrong = with(|faults| faults.corruption_ppm = EVERY, false).0.concat();
        let bits: u32 = wrong.iter().zip(&whole).map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!((wrong.len(), bits), (45, 9));
        let parts = with(|faults| faults.split_ppm = EVERY, false).0;
        assert!(parts.len() > 9 && parts.concat() == whole, "{parts:?}");
        let joined = with(|faults| faults.merge_ppm = EVERY, false).0;
        assert!(joined.len() < 9 && joined.concat() == whole, "{joined:?}");
        let late = with(|faults| faults.delay_ppm = EVERY, false).0;
        assert_eq!(late, pieces(), "nothing overtakes on a stream");
        let mut overtaken = with(|faults| faults.delay_ppm = EVERY, true).0;
        assert_ne!(overtaken, pieces());
        overtaken.sort();
        assert_eq!(overtaken, pieces(), "datagrams overtake each other");
        for set in
            [|faults: &mut Faults| faults.split_ppm = EVERY, |faults: &mut Faults| faults.merge_ppm = EVERY]
        {
            assert_eq!(with(set, true), (pieces(), vec![]), "datagrams are whole");
        }
    }

    #[test]
    fn a_share_strikes_about_that_many_and_no_two_lines_alike() {
        let strikes = |seed, number| {
            let mut chance = Chance::of(seed, number);
            (0..10_000).map(|_| chance.strikes(100_000)).collect::<Vec<_>>()
        };
        let count = strikes(7, 0).into_iter().filter(|strikes| *strikes).count();
        assert!((900..1100).contains(&count), "{count}");
        assert_eq!(strikes(7, 0), strikes(7, 0));
        assert_ne!(strikes(7, 0), strikes(7, 1));
        assert_ne!(strikes(7, 0), strikes(8, 0));
    }

    proptest! {
        /// What neither loses, nor doubles, nor changes anything leaves a stream as it was.
        #[test]
        fn a_stream_that_is_late_cut_and_joined_is_the_same_stream(
            seed: u64,
            (delay_ppm, split_ppm, merge_ppm) in (0..EVERY, 0..EVERY, 0..EVERY),
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..20),
        ) {
            let delay_max = Duration::from_millis(10);
            let faults = Faults { seed, delay_ppm, delay_max, split_ppm, merge_ppm, ..Faults::default() };
            let (arrived, _) = delivered(&faults, false, &pieces);
            prop_assert_eq!(arrived.concat(), pieces.concat());
        }
    }
}
