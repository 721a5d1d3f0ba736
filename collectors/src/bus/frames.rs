use std::time::Duration;

use dlms::hdlc::Settings;

/// What is proposed to a station at most, which is the most that the standard allows. Each takes what it can of it
/// (IEC 62056-46, 6.4.4.4.3.2).
const PROPOSAL: Settings =
    Settings { max_info_transmit: 2030, max_info_receive: 2030, window_transmit: 7, window_receive: 7 };
/// Least octets in a frame that every station takes.
const INFO_MIN: u16 = 128;
/// Most octets in a frame while something urgent waits for another station: it has to wait for the end of one.
const INFO_PRESSED: u16 = 512;
/// How long the frames may take that a station sends before it gives the turn back. Nothing else can be sent meanwhile, and what is
/// damaged in it takes as long again.
const TURN_TIME: Duration = Duration::from_millis(2500);
/// Good frames after which larger ones are tried again.
const GOOD_FRAMES: u64 = 64;

/// Octets of a frame around its information, flags included, with addresses of the usual sizes.
const AROUND: u32 = 13;

/// How large the frames of one station may be: as large as it takes, as the speed of the line bears, and as the line lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames {
    /// Most octets of information that the line lets through, as far as is known.
    info: u16,
    /// What the station took of the last proposal.
    taken: Option<u16>,
    /// Good frames since the size was changed last.
    good: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self { info: PROPOSAL.max_info_receive, taken: None, good: 0 }
    }
}

impl Frames {
    /// What to propose on a line on which a character takes so long, where that is known. While something urgent waits, the frames are
    /// small and come one at a time.
    pub(crate) fn proposal(&self, character: Option<Duration>, is_pressed: bool) -> Settings {
        let bearable = character.map_or(u32::MAX, |character| octets(character).saturating_sub(AROUND));
        let most = self.info.min(u16::try_from(bearable).unwrap_or(u16::MAX));
        let info = if is_pressed { most.min(INFO_PRESSED) } else { most }.max(INFO_MIN);
        let window = match self.taken {
            _ if is_pressed => 1,
            Some(taken) => window(character, info.min(taken)),
            None => PROPOSAL.window_receive,
        };
        Settings {
            max_info_transmit: info,
            max_info_receive: info,
            window_transmit: window,
            window_receive: window,
        }
    }

    /// What was agreed on; true when the frames of one turn take too long, and another proposal has to be made.
    pub(crate) fn agreed(&mut self, settings: Settings, character: Option<Duration>) -> bool {
        self.taken = Some(settings.max_info_receive);
        settings.window_receive > window(character, settings.max_info_receive)
    }

    /// Frames arrived, some of them damaged: where more than one in eight is, they are to be half as large.
    pub(crate) fn arrived(&mut self, good: u64, damaged: u64) {
        self.good += good;
        if damaged * 8 > self.good {
            self.info = (self.info.min(self.taken.unwrap_or(self.info)) / 2).max(INFO_MIN);
            self.good = 0;
        } else if self.good >= GOOD_FRAMES {
            self.info = self.info.saturating_mul(2).min(PROPOSAL.max_info_receive);
            self.good = 0;
        }
    }
}

/// How many frames of so many octets of information may come in a row.
fn window(character: Option<Duration>, info: u16) -> u8 {
    let Some(character) = character else { return PROPOSAL.window_receive };
    let frames = octets(character) / (u32::from(info) + AROUND);
    u8::try_from(frames).unwrap_or(u8::MAX).clamp(1, PROPOSAL.window_receive)
}

/// How many octets the line carries in the time of one turn.
fn octets(character: Duration) -> u32 {
    u32::try_from(TURN_TIME.as_nanos() / character.as_nanos().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A character of ten bits.
    fn character(speed: u32) -> Option<Duration> {
        Some(Duration::from_secs(10) / speed)
    }

    /// Size and window that come of the proposals to a station that takes so much.
    fn found(speed: u32, (info, window): (u16, u8), is_pressed: bool) -> (u16, u8) {
        let mut frames = Frames::default();
        let station = Settings {
            max_info_transmit: info,
            max_info_receive: info,
            window_transmit: window,
            window_receive: window,
        };
        for _ in 0..2 {
            let agreed = frames.proposal(character(speed), is_pressed).agreed(station);
            if !frames.agreed(agreed, character(speed)) {
                return (agreed.max_info_receive, agreed.window_receive);
            }
        }
        panic!("a second proposal fits");
    }

    #[test]
    fn a_station_gets_the_largest_frames_that_it_takes_and_the_speed_bears() {
        assert_eq!(found(9600, (128, 1), false), (128, 1));
        assert_eq!(found(9600, (128, 7), false), (128, 7));
        assert_eq!(found(9600, (512, 7), false), (512, 4));
        assert_eq!(found(9600, (2030, 7), false), (2030, 1));
        assert_eq!(found(115_200, (2030, 7), false), (2030, 7));
        assert_eq!(found(2400, (2030, 7), false), (587, 1));
        assert_eq!(found(300, (2030, 7), false), (128, 1));
    }

    #[test]
    fn frames_are_small_and_single_while_something_urgent_waits() {
        assert_eq!(found(9600, (2030, 7), true), (512, 1));
        assert_eq!(found(9600, (128, 7), true), (128, 1));
    }

    #[test]
    fn a_line_that_damages_large_frames_gets_smaller_ones_and_large_ones_again_later() {
        let mut frames = Frames::default();
        let size = |frames: &Frames| frames.proposal(None, false).max_info_receive;
        frames.arrived(20, 1);
        assert_eq!(size(&frames), 2030, "one in twenty is borne");
        frames.arrived(0, 3);
        assert_eq!(size(&frames), 1015);
        for _ in 0..10 {
            frames.arrived(1, 1);
        }
        assert_eq!(size(&frames), 128);
        for _ in 0..GOOD_FRAMES {
            frames.arrived(1, 0);
        }
        assert_eq!(size(&frames), 256);
    }

    proptest! {
        /// Whatever a station takes, its turn ends in time, unless a single frame of the least size takes longer.
        #[test]
        fn no_turn_takes_too_long(speed in 300_u32..115_201, info in 1_u16.., window in any::<u8>(), is_pressed: bool) {
            let (info, window) = found(speed, (info, window), is_pressed);
            let octets = u32::from(info) + AROUND;
            let turn = Duration::from_secs(10) / speed * octets * u32::from(window);
            prop_assert!(turn <= TURN_TIME || (info <= INFO_MIN && window == 1), "{info}, {window}: {turn:?}");
        }
    }
}
