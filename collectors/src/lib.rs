//! Lines to meters and the tasks that own them: work in, outcome out.
//!
//! From the outside in:
//! - [`Work`] goes in and [`Report`]s come out (`work.rs`; why something failed: `failure.rs`; the columns of a profile:
//!   `layout.rs`; what is odd about an answer: `oddity.rs`; what can be ordered: `order.rs`, firmware
//!   `image.rs`);
//! - a [`Channel`] owns the line to one address and decides whose turn it is (`channel.rs`, [`Limits`]);
//! - what waits for its turn is in the `inbox.rs`; one work is done from its first request to its end in `serve.rs`;
//! - a turn is one work's time with the meter: attempts, reports, cost, and giving way to what is more urgent (`turn.rs`);
//! - `task/` has one file per thing that can be asked of a meter that speaks DLMS, `driver/` one per other language;
//! - [`Credentials`] say how head-end and meter show each other who they are (`credentials.rs`), a [`Seed`] is what is random in it;
//! - a session keeps the association with one meter warm and checks its serial number (`station.rs`), opens it
//!   (`association.rs`) and uses the reserved invocation counters in ascending order (`counters.rs`);
//! - what is known of a line that stations share, and who is next on it, is in `bus/`;
//! - `exchange.rs` shows each request and its answer to those who look on, [`Instruments`] count them for a whole process, and hold the
//!   knobs of its [`ProtocolLog`];
//! - an [`Address`] says where a line ends and what is spoken on it (`address.rs`); `line/` has one file per way to reach a meter and per
//!   framing, opened by a [`Dialer`];
//! - in the [`Lobby`] are the connections that meters opened to us, which a channel borrows (`lobby.rs`);
//! - `diagnosis.rs` turns what went wrong into what an operator is told, `time.rs` the meter's times into
//!   instants, `value.rs` single values into names and numbers.
//!
//! Absent on purpose: a database, gRPC, a spawned task (every function here is a future of its caller), and any clock but
//! the [`Clock`] handed in and tokio's timers.

mod address;
mod association;
mod baseline;
mod bus;
mod channel;
mod clock;
mod clock_setup;
mod counters;
mod credentials;
mod diagnosis;
mod driver;
mod exchange;
mod failure;
pub mod held;
mod holdings;
mod image;
mod inbox;
mod instruments;
mod layout;
mod limits;
mod line;
mod lobby;
mod log;
mod mbus;
mod oddity;
mod order;
mod protocol_log;
mod ratios;
mod reach;
mod seed;
mod serve;
mod station;
mod tariff;
mod task;
mod time;
mod turn;
mod unasked;
mod value;
mod work;

pub use address::{Address, AddressError};
pub use baseline::{Baseline, BaselineError, BaselineKeeper, KeptBaseline};
pub use bus::LineUse;
pub use channel::Channel;
pub use clock::{Clock, ClockReading, SystemClock};
pub use clock_setup::{ClockSetup, ZoneFault};
pub use counters::LEAP_MAX as COUNTER_LEAP_MAX;
pub use credentials::{Credentials, Level, Protection};
pub use failure::{Failure, Reason, UnknownReason};
pub use holdings::{Held, Holdings, HoldingsKeeper, Kept, Part};
pub use image::{Image, ImageActivation, ImageError, ImageOctets, ImageSource, Install, Octets};
pub use instruments::Instruments;
pub use layout::{Layout, LayoutColumn, MAX_VALUES};
pub use limits::Limits;
pub use line::{Captured, Dialer, FailingDialer, Faults, MemoryDialer};
pub use lobby::{Call, Leave, Lent, Lobby, Word};
pub use log::{LogEntries, LogEntry, LogLoss, LogLossCause, LogMeaning, LogRange, LogRead};
pub use mbus::{MBusChannel, MBusDevice};
pub use oddity::Oddity;
pub use order::{
    BuyCredit, Clear, Finding, Outcome, Reset, ResetOf, SetParameter, SetTimes, Switch, SwitchTo, SyncClock,
    TakeSnapshot, Terms,
};
pub use protocol_log::{CaptureId, Knobs, Layers, ProtocolLog};
pub use ratios::{Ratio, Ratios};
pub use reach::Reach;
pub use seed::Seed;
pub use tariff::{Activation, HeldTariff, PushTariff, TariffObjects};
pub use time::instant;
pub use unasked::Unasked;
pub use value::text;
pub use work::{
    Captures, Covered, Event, JobId, MeterId, Node, ProfileRange, RegisterRequest, RegisterValue, Report,
    Station, Task, Via, Work,
};
