//! What each rpc needs. An rpc that is not listed is refused to everybody.

use super::role::Permission;

use Permission::{
    AcknowledgeAlarms, ApproveCommands, BuyCredit, CancelCommands, ClearMeters, Diagnose, InstallFirmware,
    KeepInventory, PushTariff, ReadNow, ReleaseTamperLock, ResetBilling, Switch, View,
};

/// The rpcs of a service, each with the permission that it needs.
type Service = (&'static str, &'static [(&'static str, Permission)]);

/// Every role may view, so what needs that is open to every principal, and to nobody else.
const RULES: &[Service] = &[
    (
        "ami.v1.InventoryService",
        &[
            ("CreateMeter", KeepInventory),
            ("ImportMeters", KeepInventory),
            ("CorrectMeters", KeepInventory),
            ("GetMeter", View),
            ("ListMeters", View),
            ("RetireMeter", KeepInventory),
        ],
    ),
    (
        "ami.v1.BillingService",
        &[("GetBillingSets", View), ("CloseBillingPeriod", ResetBilling), ("ResetDemand", ResetBilling)],
    ),
    (
        "ami.v1.ReadingsService",
        &[
            ("QueryReadings", View),
            ("QueryDays", View),
            ("ReadNow", ReadNow),
            ("WatchReadings", View),
            ("ListFlags", View),
            ("TakeSnapshot", ReadNow),
        ],
    ),
    ("ami.v1.JobsService", &[("ListJobs", View), ("GetJob", View), ("Summary", View)]),
    (
        "ami.v1.CollectionService",
        &[
            ("ListGaps", View),
            ("ListProfileLosses", View),
            ("ListTroubles", View),
            ("ResolveTroubles", ReadNow),
            ("PutSchedule", KeepInventory),
            ("DeleteSchedule", KeepInventory),
            ("ListSchedules", View),
            ("ListScheduleDays", View),
            ("ListLateMeters", View),
        ],
    ),
    (
        "ami.v1.CommandsService",
        &[
            ("GetCommand", View),
            ("ListCommands", View),
            ("WatchCommands", View),
            ("CancelCommand", CancelCommands),
            ("ApproveCommand", ApproveCommands),
        ],
    ),
    (
        "ami.v1.SwitchService",
        &[
            ("Disconnect", Switch),
            ("Reconnect", Switch),
            ("SetTimes", PushTariff),
            ("ReleaseTamperLock", ReleaseTamperLock),
        ],
    ),
    (
        "ami.v1.ClocksService",
        &[("ListClocks", View), ("ListClockReadings", View), ("SyncClocks", PushTariff)],
    ),
    ("ami.v1.ClearingService", &[("ClearMeter", ClearMeters)]),
    ("ami.v1.CreditService", &[("BuyCredit", BuyCredit)]),
    ("ami.v1.ParametersService", &[("ListParameters", View), ("SetParameter", PushTariff)]),
    (
        "ami.v1.AlarmsService",
        &[
            ("SubscribeAlarms", View),
            ("ListAlarms", View),
            ("AcknowledgeAlarms", AcknowledgeAlarms),
            ("ListQuarantine", View),
        ],
    ),
    ("ami.v1.EventsService", &[("WatchEvents", View), ("ListEvents", View), ("ListEventLosses", View)]),
    (
        "ami.v1.DiagnosticsService",
        &[
            ("SetProtocolLog", Diagnose),
            ("ListProtocolLogs", View),
            ("ListThrottleGroups", View),
            ("StartLineCapture", Diagnose),
            ("EndLineCapture", Diagnose),
            ("ListLineCaptures", View),
            ("GetLineCapture", Diagnose),
        ],
    ),
    (
        "ami.v1.ConcentratorsService",
        &[
            ("ListConcentrators", View),
            ("ListNodes", View),
            ("ListResultFiles", View),
            ("RefreshNodes", ReadNow),
        ],
    ),
    ("ami.v1.TariffService", &[("CheckTariff", View), ("DiffTariff", ReadNow), ("PushTariff", PushTariff)]),
    (
        "ami.v1.FirmwareService",
        &[
            ("UploadImage", InstallFirmware),
            ("GetImage", View),
            ("ListImages", View),
            ("DeleteImage", InstallFirmware),
            ("InstallFirmware", InstallFirmware),
        ],
    ),
    ("grpc.health.v1.Health", &[("Check", View), ("Watch", View)]),
    ("grpc.reflection.v1.ServerReflection", &[("ServerReflectionInfo", View)]),
    ("grpc.reflection.v1alpha.ServerReflection", &[("ServerReflectionInfo", View)]),
];

/// The permission that the rpc at a path (`/package.Service/Method`) needs; `None` for an rpc without a rule.
pub fn needed(path: &str) -> Option<Permission> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let (_, methods) = RULES.iter().find(|(name, _)| *name == service)?;
    methods.iter().find(|(name, _)| *name == method).map(|(_, permission)| *permission)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// The paths of all rpcs that the server describes.
    fn served() -> BTreeSet<String> {
        let sets = [
            ami_proto::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
        let mut paths = BTreeSet::new();
        for file in files {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                paths.extend(service.method.iter().map(|method| format!("/{name}/{}", method.name())));
            }
        }
        paths
    }

    #[test]
    fn every_rpc_has_a_rule_and_every_rule_an_rpc() {
        let ruled: BTreeSet<_> = RULES
            .iter()
            .flat_map(|(service, methods)| methods.iter().map(move |(name, _)| format!("/{service}/{name}")))
            .collect();
        assert_eq!(ruled, served(), "left: the rules, right: the rpcs of the descriptors");
    }

    #[test]
    fn what_is_not_listed_needs_more_than_anybody_has() {
        for path in [
            "",
            "/",
            "ami.v1.JobsService/GetJob",
            "/ami.v1.JobsService/getJob",
            "/ami.v1.JobsService/GetJob/",
        ] {
            assert_eq!(needed(path), None, "{path}");
        }
    }
}
