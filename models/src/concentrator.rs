//! A concentrator: a device that stands between the head-end and meters.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a concentrator does for the meters behind it, its nodes. A model without this section stands in front of none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concentrator {
    /// How what is meant for a node gets there.
    pub reach: Reach,
    /// How it names its nodes. Default: it does not, and the inventory says which there are.
    #[serde(default)]
    pub node_list: Option<NodeList>,
    /// Longest wait for a whole answer of a node, in addition to that for the concentrator: a carrier with repeaters is slow. Default `"45s"`, 1 second
    /// to 10 minutes.
    #[serde(default = "default_answer_within", with = "humantime_serde")]
    pub answer_within: Duration,
    /// Whether it is given new firmware as a file, which it installs on itself and on its nodes in its own time, with [`Reach::P2lpc`]. Default: it does not, and
    /// nodes take theirs by themselves.
    #[serde(default)]
    pub upgrades: bool,
}

/// How what is meant for a node gets there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reach {
    /// Node `n`, a number, has the wrapper port `base + n` (IEC 62056-47).
    Wrapper {
        /// Port of the node 0.
        base: u16,
    },
    /// The name of the node stands in front of each APDU (DLMS gateway protocol, E6H and E7H).
    Gateway {
        /// Number of the network behind the gateway. Default 0.
        #[serde(default)]
        network: u8,
    },
    /// Frames of the node's own language are carried through (Q/GDW 376.1, AFN 10H). Meters that speak DLMS have HDLC frames.
    Forward {
        /// Port of the terminal to its nodes, 1 to 31.
        port: u8,
        /// Bits per second there: 300, 600, 1200, 2400, 4800, 7200, 9600 or 19200. Default 2400.
        #[serde(default = "default_baud")]
        baud: u32,
        /// Parity there. Default even.
        #[serde(default)]
        parity: Parity,
        /// Whether 16 octets of 0, an empty authentication (PW), stand behind each order. Default false.
        #[serde(default)]
        authentication: bool,
    },
    /// The concentrator reads its nodes by itself: profiles are what it holds of them, everything else it passes through, by its web service (P2LPC).
    P2lpc {},
}

/// The parity bit on a port of a concentrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parity {
    /// None.
    None,
    /// Even.
    #[default]
    Even,
    /// Odd.
    Odd,
}

/// Where a concentrator names its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeList {
    /// The SAP assignment (class 17, `0.0.41.0.0.255`): the wrapper port of each node and its logical device name.
    SapAssignment,
    /// The list of reporting systems of S-FSK (class 56, `0.0.26.6.0.255`): the system title of each node, which is its name.
    ReportingSystems,
    /// The meters list of its web service, with [`Reach::P2lpc`].
    MetersList,
    /// The meters that a terminal of Q/GDW 376.1 was configured with (AFN 0AH, F10): the address of each, without zeros in front, which is its name, and
    /// its measuring point.
    MeasuringPoints,
}

fn default_answer_within() -> Duration {
    Duration::from_secs(45)
}

fn default_baud() -> u32 {
    2400
}
