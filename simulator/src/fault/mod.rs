//! What can be wrong with a simulated meter, and which meters of a fleet have it.

mod text;

use std::time::Duration;

use jiff::Timestamp;

use crate::noise::Noise;

/// Everything, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;
/// Streams of chance, one for each [`Trouble`], begin here.
const TROUBLES: u64 = 0xF000;

/// One thing that is wrong with a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Connections are accepted, and nothing is ever answered.
    Silent,
    /// Every answer comes this much later.
    Slow(Duration),
    /// Each connection is closed instead of sending the answer after this many.
    Cut {
        /// Answers that still arrive, those of the association included.
        after: u32,
    },
    /// Ciphered answers carry a damaged authentication tag. Without effect on meters that do not cipher.
    WrongTag {
        /// Ciphered answers of each connection that are still intact; the first one proves the association.
        after: u32,
    },
    /// The serial number object names another meter.
    WrongSerial,
    /// From this instant on, the model's first profile no longer captures its last column, and what it captured
    /// before is gone, as IEC 62056-6-2 prescribes for a change of the capture objects.
    OtherLayout {
        /// When the capture objects change.
        from: Timestamp,
    },
    /// The connection is closed instead of executing a SET or ACTION.
    Unexecuted(Often),
    /// The connection is closed after a SET or ACTION was executed: its answer is lost.
    Unanswered(Often),
    /// An answer is not sent; the connection stays open.
    Dropped(Often),
    /// The contacts of the relay are welded: the meter says that it switched, and its output state stays as it is.
    Welded,
    /// A block of an image is acknowledged and not kept.
    LostBlocks(Often),
    /// The block of this number is acknowledged and never kept: the meter reports it as missing for ever.
    StuckBlock(u32),
    /// A verified image is shown under another identification than the one that was initiated.
    WrongImage,
    /// Verifying an image begins and fails.
    VerifyFails,
    /// Activating an image begins and fails: the old firmware stays.
    ActivationFails,
    /// Verifying an image answers temporary-failure, and nothing begins.
    VerifyBusy(Often),
    /// Activating an image answers temporary-failure, and nothing begins.
    ActivateBusy(Often),
    /// What is written to the passive calendar or the special days is acknowledged and not kept.
    TariffNotKept,
    /// Somebody has tampered with the meter before the fleet started: the relay is open and locked.
    Tampered,
    /// The clock is so many seconds ahead, or behind when negative, until it is put right.
    ClockOff(i64),
}

/// How often a fault strikes on the occasions that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Often {
    /// On the first so many.
    First(u32),
    /// On about so many of a million, chosen by the fleet's seed.
    SharePpm(u32),
}

/// A fault that strikes on some occasions and not on others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Unexecuted,
    Unanswered,
    Dropped,
    LostBlock,
    VerifyBusy,
    ActivateBusy,
}

/// A fault and the meters that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultRule {
    /// What is wrong.
    pub fault: Fault,
    /// Whom it strikes.
    pub meters: Affected,
}

/// Which meters of a fleet have a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Affected {
    /// About so many of a million, chosen by the fleet's seed.
    SharePpm(u32),
    /// The meters of these numbers, counted from 0.
    Numbers(Vec<u32>),
}

/// The faults of one meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) silent: bool,
    pub(crate) delay: Duration,
    pub(crate) cut_after: Option<u32>,
    pub(crate) wrong_tag_after: Option<u32>,
    pub(crate) wrong_serial: bool,
    pub(crate) other_layout_from: Option<i64>,
    pub(crate) welded: bool,
    pub(crate) tampered: bool,
    pub(crate) stuck_block: Option<u32>,
    pub(crate) wrong_image: bool,
    pub(crate) verify_fails: bool,
    pub(crate) activation_fails: bool,
    pub(crate) tariff_not_kept: bool,
    pub(crate) clock_off_s: i64,
    /// By the number of the [`Trouble`].
    troubles: [Option<Often>; Trouble::COUNT],
}

impl Faults {
    /// What strikes the meter with that number.
    pub(crate) fn of(rules: &[FaultRule], seed: u64, number: u32) -> Self {
        let mut faults = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            if rule.meters.contains(seed, index, number) {
                faults.add(rule.fault);
            }
        }
        faults
    }

    fn add(&mut self, fault: Fault) {
        match fault {
            Fault::Silent => self.silent = true,
            Fault::Slow(delay) => self.delay = delay,
            Fault::Cut { after } => self.cut_after = Some(after),
            Fault::WrongTag { after } => self.wrong_tag_after = Some(after),
            Fault::WrongSerial => self.wrong_serial = true,
            Fault::OtherLayout { from } => self.other_layout_from = Some(from.as_second()),
            Fault::Unexecuted(often) => self.trouble(Trouble::Unexecuted, often),
            Fault::Unanswered(often) => self.trouble(Trouble::Unanswered, often),
            Fault::Dropped(often) => self.trouble(Trouble::Dropped, often),
            Fault::Welded => self.welded = true,
            Fault::LostBlocks(often) => self.trouble(Trouble::LostBlock, often),
            Fault::StuckBlock(number) => self.stuck_block = Some(number),
            Fault::WrongImage => self.wrong_image = true,
            Fault::VerifyBusy(often) => self.trouble(Trouble::VerifyBusy, often),
            Fault::ActivateBusy(often) => self.trouble(Trouble::ActivateBusy, often),
            Fault::VerifyFails => self.verify_fails = true,
            Fault::ActivationFails => self.activation_fails = true,
            Fault::TariffNotKept => self.tariff_not_kept = true,
            Fault::Tampered => self.tampered = true,
            Fault::ClockOff(seconds) => self.clock_off_s = seconds,
        }
    }

    fn trouble(&mut self, trouble: Trouble, often: Often) {
        self.troubles[trouble as usize] = Some(often);
    }
}

/// How many occasions of each [`Trouble`] a meter has had.
#[derive(Debug, Default)]
pub(crate) struct Occasions([u32; Trouble::COUNT]);

impl Occasions {
    /// Whether a trouble strikes this time.
    pub(crate) fn strikes(&mut self, trouble: Trouble, faults: &Faults, noise: Noise) -> bool {
        let Some(often) = faults.troubles[trouble as usize] else { return false };
        let occasion = &mut self.0[trouble as usize];
        let index = *occasion;
        *occasion = index.saturating_add(1);
        match often {
            Often::First(count) => index < count,
            Often::SharePpm(share) => {
                noise.below(TROUBLES + trouble as u64, index.into(), WHOLE_PPM.into()) < share.into()
            }
        }
    }
}

impl Trouble {
    const COUNT: usize = 6;
}

impl Affected {
    fn contains(&self, seed: u64, rule: usize, number: u32) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.contains(&number),
            Self::SharePpm(share) => {
                let rule = i64::try_from(rule).unwrap_or(0);
                Noise::of(seed, u64::from(number)).below(0xFA, rule, i64::from(WHOLE_PPM)) < i64::from(*share)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn rule(text: &str) -> FaultRule {
        text.parse().unwrap()
    }

    #[test]
    fn rules_read_as_people_write_them() {
        let share = Affected::SharePpm;
        assert_eq!(rule("silent:1"), FaultRule { fault: Fault::Silent, meters: share(1_000_000) });
        let slow = Fault::Slow(Duration::from_millis(250));
        assert_eq!(rule("slow=250ms:0.1"), FaultRule { fault: slow, meters: share(100_000) });
        let cut = Fault::Cut { after: 7 };
        assert_eq!(rule("cut=7:#3,#17"), FaultRule { fault: cut, meters: Affected::Numbers(vec![3, 17]) });
        assert_eq!(rule("tag:0.000001"), FaultRule { fault: Fault::WrongTag { after: 1 }, meters: share(1) });
        let fault = Fault::Unanswered(Often::SharePpm(200_000));
        assert_eq!(rule("unanswered=0.2:1"), FaultRule { fault, meters: share(1_000_000) });
        let fault = Fault::Unexecuted(Often::First(2));
        assert_eq!(rule("unexecuted=2x:1"), FaultRule { fault, meters: share(1_000_000) });
        let off = FaultRule { fault: Fault::ClockOff(-90), meters: Affected::Numbers(vec![2]) };
        assert_eq!(rule("clock=-90:#2"), off);
        let from = "2026-03-01T00:00:00Z".parse().unwrap();
        let layout = FaultRule { fault: Fault::OtherLayout { from }, meters: Affected::Numbers(vec![1]) };
        assert_eq!(rule("layout=2026-03-01T00:00:00Z:#1"), layout);
    }

    #[test]
    fn wrong_rules_are_refused_with_what_was_expected() {
        for text in [
            "silent",
            "noise:1",
            "slow=fast:1",
            "cut=x:1",
            "drop=x:1",
            "drop=2:1",
            "silent:1.1",
            "silent:-1",
            "silent:#",
            "silent:",
        ] {
            assert!(matches!(text.parse::<FaultRule>(), Err(Error::Fault { .. })), "{text}");
        }
    }

    #[test]
    fn troubles_strike_the_first_times_or_by_chance() {
        let strikes = |text: &str| {
            let faults = Faults::of(&[rule(text)], 7, 5);
            let mut occasions = Occasions::default();
            (0..1000).filter(|_| occasions.strikes(Trouble::Dropped, &faults, Noise::of(7, 5))).count()
        };
        assert_eq!(
            ["drop:1", "drop=3x:1", "drop=0:1", "drop=1:1", "drop:#6"].map(strikes),
            [1, 3, 0, 1000, 0]
        );
        assert!((150..250).contains(&strikes("drop=0.2:1")));
    }

    #[test]
    fn a_share_strikes_about_that_many_and_always_the_same() {
        let rules = [rule("silent:0.1"), rule("serial:#5")];
        let struck: Vec<u32> = (0..1000).filter(|&number| Faults::of(&rules, 7, number).silent).collect();
        assert!((70..130).contains(&struck.len()), "{}", struck.len());
        assert_eq!(
            struck,
            (0..1000).filter(|&number| Faults::of(&rules, 7, number).silent).collect::<Vec<_>>()
        );
        assert!(Faults::of(&rules, 7, 5).wrong_serial && !Faults::of(&rules, 7, 6).wrong_serial);
    }
}
