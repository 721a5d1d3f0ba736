//! The load switch: disconnect control of the Blue Book (class 70), with a relay that takes its time and a lock for a
//! tampered meter.

use std::time::Duration;

use dlms::ActionResult;
use jiff::Timestamp;

use crate::Meter;

/// How the load switches of a fleet behave, where the model says that there are any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwitchConfig {
    /// Control mode of the Blue Book, 0 to 6. Default 4: remote disconnection and reconnection, no disconnection by hand.
    pub control_mode: u8,
    /// Time from a command until the relay has moved; the control state follows the command at once. Default 0.
    pub delay: Duration,
    /// Whether a remote reconnect releases a tamper lock, too, where control mode lets it close the relay.
    /// Default false: it is refused with read-write-denied.
    pub reconnect_releases_tamper_lock: bool,
}

/// Control state, attribute 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlState {
    /// Open, and closed by no button.
    Disconnected,
    /// Closed.
    Connected,
    /// Open until somebody presses the meter's button.
    ReadyForReconnection,
}

/// The load switch of one meter.
#[derive(Debug)]
pub(crate) struct Switch {
    config: SwitchConfig,
    control: ControlState,
    /// Where the relay really is: output state, attribute 2.
    closed: bool,
    /// Where the relay will be, and when it gets there.
    moving: Option<(bool, Timestamp)>,
    locked: bool,
    /// The contacts are welded: the relay never moves.
    welded: bool,
}

impl Meter {
    /// Presses the button of the meter, which closes a relay that is ready for reconnection and, in control modes 1, 2 and
    /// 5, opens a closed one.
    pub fn press_button(&self) {
        self.act(|state, now| state.switch.press_button(now));
    }

    /// Tampers with the meter: the relay opens and is locked until the model's lock object is set to 0.
    pub fn tamper(&self) {
        self.act(|state, now| state.switch.lock(now));
    }
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self { control_mode: 4, delay: Duration::ZERO, reconnect_releases_tamper_lock: false }
    }
}

impl ControlState {
    /// The value on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Disconnected => 0,
            Self::Connected => 1,
            Self::ReadyForReconnection => 2,
        }
    }
}

impl Switch {
    /// A switch that is closed.
    pub(crate) fn new(config: SwitchConfig, welded: bool) -> Self {
        let control = ControlState::Connected;
        Self { config, control, closed: true, moving: None, locked: false, welded }
    }

    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn control(&self) -> ControlState {
        self.control
    }

    pub(crate) fn mode(&self) -> u8 {
        self.config.control_mode
    }

    pub(crate) fn locked(&self) -> bool {
        self.locked
    }

    /// Method 1, transitions b and c.
    pub(crate) fn remote_disconnect(&mut self, now: Timestamp) -> Result<(), ActionResult> {
        self.controllable()?;
        self.enter(ControlState::Disconnected, now);
        Ok(())
    }

    /// Method 2, transition a in modes 2 and 4, d in modes 1, 3, 5 and 6. A meter that is connected, or ready for its
    /// button, stays what it is.
    pub(crate) fn remote_reconnect(&mut self, now: Timestamp) -> Result<(), ActionResult> {
        self.controllable()?;
        if self.locked && !self.config.reconnect_releases_tamper_lock {
            return Err(ActionResult::ReadWriteDenied);
        }
        self.locked = false;
        if self.control == ControlState::Disconnected {
            let closes = matches!(self.config.control_mode, 2 | 4);
            let next = if closes { ControlState::Connected } else { ControlState::ReadyForReconnection };
            self.enter(next, now);
        }
        Ok(())
    }

    /// Somebody at the meter may close an open relay, whatever the control mode.
    pub(crate) fn permit(&mut self, now: Timestamp) -> Result<(), ActionResult> {
        if self.locked {
            return Err(ActionResult::ReadWriteDenied);
        }
        if self.control == ControlState::Disconnected {
            self.enter(ControlState::ReadyForReconnection, now);
        }
        Ok(())
    }

    /// Whether the last order was to open it.
    pub(crate) fn is_ordered_open(&self) -> bool {
        self.control == ControlState::Disconnected
    }

    /// The meter's button: transition e, and f in modes 1, 2 and 5.
    pub(crate) fn press_button(&mut self, now: Timestamp) {
        match (self.control, self.config.control_mode) {
            (ControlState::ReadyForReconnection, _) => self.enter(ControlState::Connected, now),
            (ControlState::Connected, 1 | 2 | 5) => self.enter(ControlState::ReadyForReconnection, now),
            _ => {}
        }
    }

    /// Somebody tampers with the meter: the relay opens, whatever the control mode, and is held.
    pub(crate) fn lock(&mut self, now: Timestamp) {
        self.locked = true;
        self.enter(ControlState::Disconnected, now);
    }

    /// The lock is released and the relay closes; nothing happens when there is none.
    pub(crate) fn unlock(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.locked) {
            self.enter(ControlState::Connected, now);
        }
    }

    /// Lets the relay arrive where it is due; when it moved, the time and whether it is closed.
    pub(crate) fn settle(&mut self, now: Timestamp) -> Option<(Timestamp, bool)> {
        let (closed, at) = self.moving.filter(|(_, at)| *at <= now)?;
        self.moving = None;
        (closed != self.closed).then(|| {
            self.closed = closed;
            (at, closed)
        })
    }

    fn controllable(&self) -> Result<(), ActionResult> {
        if self.config.control_mode == 0 { Err(ActionResult::ReadWriteDenied) } else { Ok(()) }
    }

    fn enter(&mut self, next: ControlState, now: Timestamp) {
        if next == self.control {
            return;
        }
        self.control = next;
        if !self.welded {
            let at = now.saturating_add(self.config.delay).unwrap_or(now);
            self.moving = Some((next == ControlState::Connected, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ControlState::{Connected, Disconnected, ReadyForReconnection};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn switch(control_mode: u8) -> Switch {
        Switch::new(SwitchConfig { control_mode, ..SwitchConfig::default() }, false)
    }

    /// State and relay after what is due was done.
    fn settled(switch: &mut Switch) -> (ControlState, bool) {
        switch.settle(NOW);
        (switch.control(), switch.closed())
    }

    #[test]
    fn each_mode_has_the_transitions_of_the_blue_book() {
        for (mode, reconnected, pressed_when_connected) in [
            (1, ReadyForReconnection, ReadyForReconnection),
            (2, Connected, ReadyForReconnection),
            (3, ReadyForReconnection, Connected),
            (4, Connected, Connected),
            (5, ReadyForReconnection, ReadyForReconnection),
            (6, ReadyForReconnection, Connected),
        ] {
            let mut switch = switch(mode);
            switch.remote_disconnect(NOW).unwrap();
            assert_eq!(settled(&mut switch), (Disconnected, false), "mode {mode}");
            switch.press_button(NOW);
            assert_eq!(settled(&mut switch), (Disconnected, false), "mode {mode}: no button closes it");
            switch.remote_reconnect(NOW).unwrap();
            assert_eq!(settled(&mut switch), (reconnected, reconnected == Connected), "mode {mode}");
            if reconnected == ReadyForReconnection {
                switch.remote_reconnect(NOW).unwrap();
                assert_eq!(settled(&mut switch), (ReadyForReconnection, false), "mode {mode}");
                switch.remote_disconnect(NOW).unwrap();
                assert_eq!(settled(&mut switch), (Disconnected, false), "mode {mode}: transition c");
                switch.remote_reconnect(NOW).unwrap();
                switch.press_button(NOW);
            }
            assert_eq!(settled(&mut switch), (Connected, true), "mode {mode}");
            switch.press_button(NOW);
            assert_eq!(settled(&mut switch).0, pressed_when_connected, "mode {mode}");
        }
    }

    #[test]
    fn mode_0_is_always_connected() {
        let mut switch = switch(0);
        assert_eq!(switch.remote_disconnect(NOW), Err(ActionResult::ReadWriteDenied));
        assert_eq!(switch.remote_reconnect(NOW), Err(ActionResult::ReadWriteDenied));
        switch.press_button(NOW);
        assert_eq!(settled(&mut switch), (Connected, true));
    }

    #[test]
    fn a_relay_moves_when_its_time_has_come() {
        let delay = Duration::from_millis(300);
        let mut switch = Switch::new(SwitchConfig { delay, ..SwitchConfig::default() }, false);
        switch.remote_disconnect(NOW).unwrap();
        let (before, due) = (NOW + Duration::from_millis(299), NOW + delay);
        assert_eq!((switch.settle(before), switch.closed(), switch.control()), (None, true, Disconnected));
        assert_eq!(switch.settle(due + delay), Some((due, false)));
        switch.remote_reconnect(NOW).unwrap();
        switch.remote_disconnect(NOW).unwrap();
        assert_eq!(switch.settle(due), None, "it was called back before it moved");
    }

    #[test]
    fn a_tamper_lock_holds_against_everything_but_its_release() {
        let mut switch = switch(4);
        switch.lock(NOW);
        assert_eq!(settled(&mut switch), (Disconnected, false));
        assert_eq!(switch.remote_reconnect(NOW), Err(ActionResult::ReadWriteDenied));
        switch.press_button(NOW);
        assert_eq!(settled(&mut switch), (Disconnected, false));
        switch.unlock(NOW);
        assert_eq!((settled(&mut switch), switch.locked()), ((Connected, true), false));
        let config = SwitchConfig { reconnect_releases_tamper_lock: true, ..SwitchConfig::default() };
        let mut lenient = Switch::new(config, false);
        lenient.lock(NOW);
        lenient.remote_reconnect(NOW).unwrap();
        assert_eq!((settled(&mut lenient), lenient.locked()), ((Connected, true), false));
    }

    #[test]
    fn welded_contacts_stay_closed_while_the_control_state_follows() {
        let mut switch = Switch::new(SwitchConfig::default(), true);
        switch.remote_disconnect(NOW).unwrap();
        assert_eq!(settled(&mut switch), (Disconnected, true));
    }
}
