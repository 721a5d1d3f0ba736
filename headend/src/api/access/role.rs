//! The roles, and what each may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use Permission::{
    AcknowledgeAlarms, ApproveCommands, BuyCredit, CancelCommands, ClearMeters, Diagnose, InstallFirmware,
    KeepInventory, PushTariff, ReadNow, ReleaseTamperLock, ResetBilling, Switch, View,
};

/// What a principal is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at what is stored.
    Viewer,
    /// Works with meters as they are: reads, switches, looks after alarms.
    Operator,
    /// Changes what a meter is: its place in the inventory, its tariff, its firmware, its locks.
    Engineer,
}

/// What an rpc can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See what is stored: meters, readings, work, alarms, and the description of the interface.
    View,
    /// Have a meter read, outside of its plan.
    ReadNow,
    /// Disconnect and reconnect.
    Switch,
    /// Hand purchases of prepaid energy on to meters.
    BuyCredit,
    /// Withdraw commands that were not sent yet.
    CancelCommands,
    /// Approve what somebody else ordered.
    ApproveCommands,
    /// Say that an alarm was seen.
    AcknowledgeAlarms,
    /// Add and retire meters, their credentials included.
    KeepInventory,
    /// Change tariffs, and the parameters and clocks beside them.
    PushTariff,
    /// End billing periods and reset maximum demands.
    ResetBilling,
    /// Clear meters and households, with somebody else's approval.
    ClearMeters,
    /// Upload firmware and install it.
    InstallFirmware,
    /// Let a meter work again that locked itself because it was tampered with.
    ReleaseTamperLock,
    /// Have what is said on a line written down, personal data included.
    Diagnose,
}

/// What a viewer may; everybody may it.
const VIEWER: &[Permission] = &[View];
const OPERATOR: &[Permission] = &[View, ReadNow, Switch, BuyCredit, CancelCommands, AcknowledgeAlarms];
const ENGINEER: &[Permission] = &[
    View,
    ReadNow,
    Switch,
    BuyCredit,
    CancelCommands,
    ApproveCommands,
    AcknowledgeAlarms,
    KeepInventory,
    PushTariff,
    ResetBilling,
    ClearMeters,
    InstallFirmware,
    ReleaseTamperLock,
    Diagnose,
];

impl Role {
    /// Every role, those that may less first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Engineer];

    /// The role as it is written in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Engineer => "engineer",
        }
    }

    /// Whether the role has a permission. What is not listed is refused.
    pub fn may(self, permission: Permission) -> bool {
        let list = match self {
            Self::Viewer => VIEWER,
            Self::Operator => OPERATOR,
            Self::Engineer => ENGINEER,
        };
        list.contains(&permission)
    }

    /// The roles with a permission, as `operator or engineer`.
    pub(super) fn with(permission: Permission) -> String {
        let roles = Self::ALL.into_iter().filter(|role| role.may(permission));
        roles.map(Self::word).collect::<Vec<_>>().join(" or ")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_what_the_configuration_says() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("{:?}", role.word()));
        }
    }

    #[test]
    fn what_cannot_be_undone_is_for_engineers() {
        for permission in [
            ApproveCommands,
            ClearMeters,
            KeepInventory,
            PushTariff,
            InstallFirmware,
            ReleaseTamperLock,
            Diagnose,
        ] {
            assert_eq!(Role::with(permission), "engineer", "{permission:?}");
        }
        assert_eq!(Role::with(Switch), "operator or engineer");
        assert_eq!(Role::with(View), "viewer or operator or engineer");
    }
}
