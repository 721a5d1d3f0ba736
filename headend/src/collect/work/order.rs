//! From a command that was armed to the task that carries it out.

use collectors::{Failure, Reason, Switch, SwitchTo, Task, Terms};

use crate::store::CommandKind;
use crate::store::jobs::LeasedCommand;

/// The task of a command.
pub(super) fn task(command: &LeasedCommand) -> Result<Task, Failure> {
    let terms = Terms { deadline: command.deadline, in_doubt: command.in_doubt };
    match command.kind {
        CommandKind::Disconnect => Ok(Task::Switch(Switch { to: SwitchTo::Disconnected, terms })),
        CommandKind::Reconnect => Ok(Task::Switch(Switch { to: SwitchTo::Connected, terms })),
        CommandKind::ReleaseTamperLock => Ok(Task::ReleaseTamperLock(terms)),
        CommandKind::PushTariff | CommandKind::InstallFirmware => {
            Err(Failure::new(Reason::Unsupported, "This server does not carry out such commands: update it."))
        }
    }
}
