//! Orders to a gateway that lets its serial port be set over the network (RFC 2217, a Telnet option): octets in, octets out.

use tokio_serial::DataBits;

use super::serial::Format;
use crate::address::Parity;

/// "Interpret as command" and the commands behind it (RFC 854).
const IAC: u8 = 0xFF;
const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// Options: octets as they are (RFC 856), no turns (RFC 858), and the serial port (RFC 2217, 3).
const BINARY: u8 = 0;
const SUPPRESS_GO_AHEAD: u8 = 3;
const COM_PORT: u8 = 44;

/// Orders of the option, clause 3: what the gateway answers has 100 more.
const SET_BAUDRATE: u8 = 1;
const SET_DATASIZE: u8 = 2;
const SET_PARITY: u8 = 3;
const SET_STOPSIZE: u8 = 4;
const SET_CONTROL: u8 = 5;
const ANSWER: u8 = 100;
/// No flow control, in either direction (clause 3, SET-CONTROL).
const NO_FLOW_CONTROL: u8 = 1;
const ONE_STOP_BIT: u8 = 1;

/// Most octets of one suboption; all that are known have five.
const SUBOPTION_MAX: usize = 64;

/// Why a gateway is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It does not know the option.
    #[error("the gateway does not take orders of RFC 2217; use its raw port with serial:// instead")]
    Option,
    /// It set something else than what was asked for.
    #[error("the gateway set {what} to {got} where {wanted} was asked for")]
    Setting {
        /// What was to be set.
        what: &'static str,
        /// What the gateway says it is.
        got: u32,
        /// What was asked for.
        wanted: u32,
    },
}

/// The client's end of a Telnet connection to a serial port.
///
/// What [`new`](Self::new) and [`set`](Self::set) append is to be sent; what arrives goes through [`receive`](Self::receive), which leaves the octets of
/// the serial line. Octets for the line are [escaped](escape).
#[derive(Debug)]
pub(super) struct Telnet {
    state: State,
    /// The suboption that is arriving.
    suboption: Vec<u8>,
    /// Whether the gateway agreed to take orders.
    is_agreed: bool,
    /// Orders that the gateway has not confirmed yet.
    due: Vec<Order>,
}

/// What the next octet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Line,
    Command,
    Option(u8),
    Suboption,
    SuboptionCommand,
}

/// An order, and the value that the gateway has to confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    code: u8,
    value: u32,
}

impl Telnet {
    /// A connection that has just been made; appends what both ends have to agree on.
    pub(super) fn new(out: &mut Vec<u8>) -> Self {
        for (command, option) in [
            (WILL, COM_PORT),
            (WILL, BINARY),
            (DO, BINARY),
            (WILL, SUPPRESS_GO_AHEAD),
            (DO, SUPPRESS_GO_AHEAD),
        ] {
            out.extend([IAC, command, option]);
        }
        Self { state: State::Line, suboption: Vec::new(), is_agreed: false, due: Vec::new() }
    }

    /// Appends the orders that set how characters are sent from now on.
    pub(super) fn set(&mut self, format: Format, out: &mut Vec<u8>) {
        let size = match format.data_bits {
            DataBits::Five => 5,
            DataBits::Six => 6,
            DataBits::Seven => 7,
            DataBits::Eight => 8,
        };
        let parity = match format.parity {
            Parity::None => 1,
            Parity::Odd => 2,
            Parity::Even => 3,
        };
        self.due.clear();
        for (code, value) in [
            (SET_BAUDRATE, format.speed),
            (SET_DATASIZE, size),
            (SET_PARITY, parity),
            (SET_STOPSIZE, u32::from(ONE_STOP_BIT)),
            (SET_CONTROL, u32::from(NO_FLOW_CONTROL)),
        ] {
            self.order(Order { code, value }, out);
        }
    }

    /// Whether everything was confirmed.
    pub(super) fn is_set(&self) -> bool {
        self.is_agreed && self.due.is_empty()
    }

    /// Takes octets as they arrived and appends those of the serial line to `line`; what has to be answered goes to `out`.
    ///
    /// # Errors
    /// [`Refusal`] when the gateway does not do what it was asked for.
    pub(super) fn receive(
        &mut self,
        octets: &[u8],
        line: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        for octet in octets {
            self.state = match (self.state, *octet) {
                (State::Line, IAC) => State::Command,
                (State::Line, octet) => {
                    line.push(octet);
                    State::Line
                }
                (State::Command, IAC) => {
                    line.push(IAC);
                    State::Line
                }
                (State::Command, SB) => {
                    self.suboption.clear();
                    State::Suboption
                }
                (State::Command, command @ (WILL | WONT | DO | DONT)) => State::Option(command),
                // Commands without an option, such as "no operation".
                (State::Command, _) => State::Line,
                (State::Option(command), option) => {
                    self.negotiate(command, option, out)?;
                    State::Line
                }
                (State::Suboption, IAC) => State::SuboptionCommand,
                (State::Suboption, octet) => {
                    self.keep(octet);
                    State::Suboption
                }
                (State::SuboptionCommand, IAC) => {
                    self.keep(IAC);
                    State::Suboption
                }
                (State::SuboptionCommand, SE) => {
                    self.confirm()?;
                    State::Line
                }
                (State::SuboptionCommand, _) => State::Line,
            };
        }
        Ok(())
    }

    fn order(&mut self, order: Order, out: &mut Vec<u8>) {
        out.extend([IAC, SB, COM_PORT, order.code]);
        match order.code {
            SET_BAUDRATE => escape(&order.value.to_be_bytes(), out),
            _ => escape(&order.value.to_be_bytes()[3..], out),
        }
        out.extend([IAC, SE]);
        self.due.push(order);
    }

    /// What is not known is refused once; what was proposed by us needs no answer.
    fn negotiate(&mut self, command: u8, option: u8, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match (command, option) {
            (DO, COM_PORT) => self.is_agreed = true,
            (DONT, COM_PORT) => return Err(Refusal::Option),
            (_, COM_PORT | BINARY | SUPPRESS_GO_AHEAD) | (WONT | DONT, _) => {}
            (WILL, other) => out.extend([IAC, DONT, other]),
            (_, other) => out.extend([IAC, WONT, other]),
        }
        Ok(())
    }

    fn keep(&mut self, octet: u8) {
        if self.suboption.len() < SUBOPTION_MAX {
            self.suboption.push(octet);
        }
    }

    /// Looks at a suboption that is whole. Notifications of the state of line and modem change nothing.
    fn confirm(&mut self) -> Result<(), Refusal> {
        let [COM_PORT, code, value @ ..] = &self.suboption[..] else { return Ok(()) };
        let Some(at) = self.due.iter().position(|order| order.code + ANSWER == *code) else { return Ok(()) };
        let got = value.iter().take(4).fold(0, |value, octet| value << 8 | u32::from(*octet));
        let Order { code, value: wanted } = self.due.remove(at);
        let what = match code {
            SET_BAUDRATE => "the speed",
            SET_DATASIZE => "the number of data bits",
            SET_PARITY => "the parity",
            SET_STOPSIZE => "the number of stop bits",
            // Ports without flow control do not all confirm that they have none.
            _ => return Ok(()),
        };
        if got == wanted { Ok(()) } else { Err(Refusal::Setting { what, got, wanted }) }
    }
}

/// Appends octets for the serial line: 0xFF twice (RFC 854).
pub(super) fn escape(octets: &[u8], out: &mut Vec<u8>) {
    for octet in octets {
        out.push(*octet);
        if *octet == IAC {
            out.push(IAC);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SLOW: Format = Format { speed: 2400, data_bits: DataBits::Eight, parity: Parity::Even };

    fn opened() -> (Telnet, Vec<u8>) {
        let mut out = Vec::new();
        let telnet = Telnet::new(&mut out);
        (telnet, out)
    }

    fn received(telnet: &mut Telnet, octets: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let (mut line, mut out) = (Vec::new(), Vec::new());
        telnet.receive(octets, &mut line, &mut out).map(|()| (line, out))
    }

    #[test]
    fn the_port_is_set_when_the_gateway_has_confirmed_everything() {
        let (mut telnet, mut out) = opened();
        assert_eq!(out[..3], [0xFF, 251, 44], "IAC WILL COM-PORT-OPTION");
        out.clear();
        telnet.set(SLOW, &mut out);
        let orders =
            b"\xFF\xFA\x2C\x01\0\0\x09\x60\xFF\xF0\xFF\xFA\x2C\x02\x08\xFF\xF0\xFF\xFA\x2C\x03\x03\xFF\xF0\
                       \xFF\xFA\x2C\x04\x01\xFF\xF0\xFF\xFA\x2C\x05\x01\xFF\xF0";
        assert_eq!(out, orders);
        let agreed = b"\xFF\xFD\x2C\xFF\xFB\x00\xFF\xFD\x00\xFF\xFB\x03\xFF\xFD\x03";
        assert_eq!(received(&mut telnet, agreed), Ok((vec![], vec![])));
        assert!(!telnet.is_set());
        let mut confirmed = orders.to_vec();
        for at in [3, 13, 20, 27, 34] {
            confirmed[at] += 100;
        }
        assert_eq!(received(&mut telnet, &confirmed), Ok((vec![], vec![])));
        assert!(telnet.is_set());
    }

    #[test]
    fn a_gateway_without_the_option_or_the_speed_is_named() {
        let (mut telnet, mut out) = opened();
        assert_eq!(received(&mut opened().0, &[255, 254, 44]), Err(Refusal::Option));
        telnet.set(SLOW, &mut out);
        let other = received(&mut telnet, b"\xFF\xFA\x2C\x65\0\0\x25\x80\xFF\xF0");
        assert_eq!(other, Err(Refusal::Setting { what: "the speed", got: 9600, wanted: 2400 }));
    }

    #[test]
    fn what_is_not_known_is_refused_and_notices_are_passed_over() {
        let (mut telnet, _) = opened();
        let (line, out) =
            received(&mut telnet, b"\xFF\xFB\x01\xFF\xFD\x18\xFF\xFA\x2C\x6A\x60\xFF\xF0\x7E\xFF\xF1")
                .unwrap();
        assert_eq!(line, [0x7E]);
        assert_eq!(out, [255, 254, 1, 255, 252, 24]);
    }

    proptest! {
        /// Octets of the line come out as they went in, wherever the network cuts them, also beside notices.
        #[test]
        fn octets_go_through(octets in proptest::collection::vec(prop_oneof![Just(0xFF), any::<u8>()], 0..200), cut in 1_usize..20) {
            let (mut telnet, _) = opened();
            let mut sent = b"\xFF\xFA\x2C\x6B\xFF\xFF\xFF\xF0".to_vec();
            escape(&octets, &mut sent);
            sent.extend(b"\xFF\xFA\x2C\x6B\x01\xFF\xF0");
            let mut all = Vec::new();
            for part in sent.chunks(cut) {
                all.extend(received(&mut telnet, part).unwrap().0);
            }
            prop_assert_eq!(all, octets);
        }

        /// A gateway may send anything.
        #[test]
        fn nothing_that_arrives_grows_without_end(octets in proptest::collection::vec(prop_oneof![Just(0xFF), Just(250), any::<u8>()], 0..600)) {
            let (mut telnet, _) = opened();
            let (mut line, mut out) = (Vec::new(), Vec::new());
            let _ = telnet.receive(&octets, &mut line, &mut out);
            prop_assert!(line.len() <= octets.len() && out.len() <= octets.len());
            prop_assert!(telnet.suboption.len() <= SUBOPTION_MAX);
        }
    }
}
