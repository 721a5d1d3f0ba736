//! What can be wrong with a simulated meter, and which meters of a fleet have it.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::Error;
use crate::noise::Noise;

/// Everything, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

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
        }
    }
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

/// `kind[=parameter]:whom`, where whom is a share such as `0.1` or meters such as `#3,#17`; for example `slow=250ms:0.1`,
/// `cut=5:#0`, `tag=1:0.05`, `silent:0.01`, `serial:#2`, `layout=2026-03-01T00:00:00Z:#1`.
impl FromStr for FaultRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |expected: &str| Error::Fault { text: text.to_owned(), expected: expected.to_owned() };
        let (what, whom) = text.rsplit_once(':').ok_or_else(|| wrong("kind[=parameter]:share"))?;
        let (kind, parameter) = match what.split_once('=') {
            Some((kind, parameter)) => (kind, Some(parameter)),
            None => (what, None),
        };
        let number = |default: u32| parameter.map_or(Some(default), |text| text.parse().ok());
        let fault = match kind {
            "silent" => Some(Fault::Silent),
            "slow" => milliseconds(parameter.unwrap_or("1000ms")).map(Fault::Slow),
            "cut" => number(4).map(|after| Fault::Cut { after }),
            "tag" => number(1).map(|after| Fault::WrongTag { after }),
            "serial" => Some(Fault::WrongSerial),
            "layout" => parameter.and_then(|at| at.parse().ok()).map(|from| Fault::OtherLayout { from }),
            _ => {
                return Err(wrong(
                    "one of silent, slow=250ms, cut=4, tag=1, serial, layout=2026-03-01T00:00:00Z",
                ));
            }
        };
        let fault =
            fault.ok_or_else(|| wrong("another parameter: slow=250ms, cut=4, tag=1, layout=<instant>"))?;
        let meters = affected(whom)
            .ok_or_else(|| wrong("a share from 0 to 1 such as 0.1, or meters such as #3,#17"))?;
        Ok(Self { fault, meters })
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.strip_suffix("ms")?.parse().ok().map(Duration::from_millis)
}

fn affected(text: &str) -> Option<Affected> {
    if text.starts_with('#') {
        let numbers: Option<Vec<u32>> =
            text.split(',').map(|one| one.strip_prefix('#')?.parse().ok()).collect();
        return numbers.map(Affected::Numbers);
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 6 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let parts: u32 = format!("{decimals:0<6}").parse().ok()?;
    let share = whole.checked_mul(WHOLE_PPM)?.checked_add(parts)?;
    (share <= WHOLE_PPM).then_some(Affected::SharePpm(share))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let from = "2026-03-01T00:00:00Z".parse().unwrap();
        let layout = FaultRule { fault: Fault::OtherLayout { from }, meters: Affected::Numbers(vec![1]) };
        assert_eq!(rule("layout=2026-03-01T00:00:00Z:#1"), layout);
    }

    #[test]
    fn wrong_rules_are_refused_with_what_was_expected() {
        for text in
            ["silent", "noise:1", "slow=fast:1", "cut=x:1", "silent:1.1", "silent:-1", "silent:#", "silent:"]
        {
            assert!(matches!(text.parse::<FaultRule>(), Err(Error::Fault { .. })), "{text}");
        }
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
