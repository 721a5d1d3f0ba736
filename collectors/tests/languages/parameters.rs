//! Parameters: every driver sets what its model allows, and reads it back.

use collectors::SetParameter;
use dlms::{Obis, Unit};
use models::{Bounds, Decimal};

use super::*;

/// The low-credit alarm level, where the model has one.
const ALARM: &str = "0.0.128.19.20.255";

/// A parameter of each driver, and two values that it may have.
const PARAMETERS: [(&str, &str, [&str; 2]); 5] = [
    ("huabang-triple", ALARM, ["20000", "12340"]),
    ("multi-user-dlt645", ALARM, ["20000", "12340"]),
    ("generic-dlt645-1997", "1.0.1.8.0.255", ["20000", "12340"]),
    ("multi-user-modbus", ALARM, ["20000", "12340"]),
    ("joy311", "1.0.1.8.0.255", ["20000", "12340"]),
];

fn set(obis: &str, value: &str) -> Task {
    let terms = Terms { deadline: soon(), in_doubt: false };
    Task::SetParameter(SetParameter { obis: obis.parse().unwrap(), value: value.parse().unwrap(), terms })
}

/// A bench whose register may be set, whether or not its model says so.
async fn bench(name: &str, obis: &str, change: impl FnOnce(&mut FleetConfig)) -> Bench {
    let obis: Obis = obis.parse().unwrap();
    Bench::new(name, |model, config| {
        let register = model.registers.iter_mut().find(|register| register.obis == obis).unwrap();
        let bounds = Bounds { least: "0".parse().unwrap(), most: "99999990".parse().unwrap() };
        register.set = register.set.or(Some(bounds));
        change(config);
    })
    .await
}

/// What a meter holds, in the unit of its register.
fn held(bench: &Bench, number: usize, obis: &str) -> Decimal {
    let obis: Obis = obis.parse().unwrap();
    let register = bench.model.registers.iter().find(|register| register.obis == obis).unwrap();
    Decimal::new(bench.fleet.meters()[number].register(obis).unwrap(), register.scaler)
}

fn sets(bench: &Bench) -> u64 {
    bench.fleet.meters().iter().map(|meter| meter.counts().sets).sum()
}

#[tokio::test]
async fn hb_08_hb_09_every_driver_sets_a_parameter_once_and_reads_it_back() {
    for (name, obis, values) in PARAMETERS {
        let mut bench = bench(name, obis, |_| {}).await;
        let last = bench.last();
        for (value, count) in [(values[0], 1), (values[0], 1), (values[1], 2)] {
            let done = bench.ask(last, set(obis, value)).await;
            assert_eq!(done.outcome(), Outcome::ParameterSet, "{name}");
            assert_eq!(held(&bench, last, obis), value.parse().unwrap(), "{name}");
            assert_eq!(sets(&bench), count, "{name}: what is as ordered is left alone");
        }
        assert_eq!(bench.fleet.meters()[last].counts().sets, 2, "{name}: nobody else was written to");
    }
}

#[tokio::test]
async fn hb_08_a_value_out_of_bounds_or_too_fine_is_never_sent() {
    for (name, obis, _) in PARAMETERS {
        let mut bench = bench(name, obis, |_| {}).await;
        let last = bench.last();
        for value in ["-10", "99999999999", "0.0000001"] {
            let done = bench.ask(last, set(obis, value)).await;
            assert_eq!(done.failure().reason, Reason::Unsupported, "{name} {value}");
            assert!(done.failure().detail.contains("Nothing was sent"), "{}", done.failure());
        }
        assert_eq!(sets(&bench), 0, "{name}");
    }
}

#[tokio::test]
async fn hb_07_a_lost_answer_to_a_parameter_is_resolved_by_reading() {
    for (name, obis, [value, _]) in PARAMETERS {
        for fault in [Fault::Unanswered(Often::First(1)), Fault::Unexecuted(Often::First(1))] {
            let rule = FaultRule { fault, meters: Affected::Numbers((0..100).collect()) };
            let mut bench = bench(name, obis, |config| config.faults = vec![rule.clone()]).await;
            let last = bench.last();
            let done = bench.ask(last, set(obis, value)).await;
            assert_eq!(done.outcome(), Outcome::ParameterSet, "{name} {fault:?}");
            assert_eq!(sets(&bench), 1, "{name} {fault:?}: it was carried out once");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_sets_nothing_and_is_named() {
    let mut bench = bench("huabang-triple", ALARM, |config| config.security = Security::Lls).await;
    let last = bench.last();
    let mut station = bench.station(last);
    station.credentials = Credentials::lls(Password::new(b"000001"));
    let done = bench.ask_all(vec![(station, set(ALARM, "20000"))]).await.remove(0);
    assert_eq!(done.failure().reason, Reason::WrongPassword, "{}", done.failure());
    assert_eq!(sets(&bench), 0);
    assert_eq!(bench.ask(last, set(ALARM, "20000")).await.outcome(), Outcome::ParameterSet);
}

/// The first meter of a fleet that speaks DLMS with a password.
fn of_dlms(fleet: &Fleet, model: &Arc<Model>) -> Station {
    let meter = &fleet.meters()[0];
    Station {
        meter: 1,
        address: fleet.addresses()[0].to_string().parse().unwrap(),
        device_address: None,
        subunit: None,
        via: None,
        server_sap: model.association.server_sap,
        client_sap: model.association.client_sap_lls,
        credentials: Credentials::lls(Password::new(meter.secrets().password.as_bytes())),
        model: Arc::clone(model),
        serial: Some(meter.serial()),
        zone: TimeZone::UTC,
    }
}

#[tokio::test]
async fn ble_08_what_was_handled_of_an_alarm_register_is_cleared_and_the_rest_stays() {
    const ALARMS: &str = "0.0.97.98.0.255";
    let model = Arc::clone(&models::builtin().unwrap()["ble-lls"]);
    let config = FleetConfig { security: Security::Lls, ..FleetConfig::new(Arc::clone(&model)) };
    let fleet = Fleet::start(config).await.unwrap();
    // Bits 1 and 13, and then only bit 1.
    for value in ["8194", "2"] {
        let asked = vec![(of_dlms(&fleet, &model), set(ALARMS, value))];
        let done = collect(asked, Limits::default()).await.remove(0);
        assert_eq!(done.outcome(), Outcome::ParameterSet, "{value}");
        let asked = vec![(of_dlms(&fleet, &model), all_registers(&model))];
        let done = collect(asked, Limits::default()).await.remove(0);
        let shown =
            done.registers().iter().find(|read| read.obis == ALARMS.parse().unwrap()).unwrap().clone();
        assert_eq!((shown.class_id, shown.scaler, shown.unit), (1, 0, Unit::NONE));
        assert_eq!(shown.value.to_string(), value);
    }
}

#[tokio::test]
async fn a_register_of_dlms_is_set_in_its_own_type_once_whatever_gets_lost() {
    for fault in [None, Some(Fault::Unanswered(Often::First(1))), Some(Fault::Unexecuted(Often::First(1)))] {
        let mut model = Model::clone(&models::builtin().unwrap()["sed302"]);
        let obis = "1.0.1.8.0.255".parse().unwrap();
        let register = model.registers.iter_mut().find(|register| register.obis == obis).unwrap();
        register.set = Some(Bounds { least: "0".parse().unwrap(), most: "4000000".parse().unwrap() });
        let model = Arc::new(model);
        let faults =
            fault.map(|fault| FaultRule { fault, meters: Affected::Numbers(vec![0]) }).into_iter().collect();
        let config = FleetConfig { security: Security::Lls, faults, ..FleetConfig::new(Arc::clone(&model)) };
        let fleet = Fleet::start(config).await.unwrap();
        let meter = &fleet.meters()[0];
        let station = || of_dlms(&fleet, &model);
        let limits = Limits { response_timeout: Duration::from_millis(500), ..Limits::default() };
        for value in ["1234000", "1234000"] {
            let asked = vec![(station(), set("1.0.1.8.0.255", value))];
            let done = collect(asked, limits.clone()).await.remove(0);
            assert_eq!(done.outcome(), Outcome::ParameterSet, "{fault:?}");
        }
        assert_eq!(meter.counts().sets, 1, "{fault:?}");
        let task = all_registers(&model);
        let done = collect(vec![(station(), task)], limits.clone()).await.remove(0);
        let found = done.registers().iter().find(|value| value.obis == obis).unwrap();
        assert_eq!(Decimal::new(found.value, found.scaler), "1234000".parse().unwrap(), "{fault:?}");
        let beyond = collect(vec![(station(), set("1.0.1.8.0.255", "4000001"))], limits).await.remove(0);
        assert!(beyond.failure().detail.contains("out of bounds"), "{}", beyond.failure());
    }
}

#[tokio::test]
async fn hb_04_a_register_that_holds_no_number_hides_no_other() {
    let mut bench = bench("multi-user-modbus", ALARM, |_| {}).await;
    let last = bench.last();
    assert_eq!(bench.ask(last, set(ALARM, "20000")).await.outcome(), Outcome::ParameterSet);
    let mut model = Model::clone(&bench.model);
    let register = model.registers.iter_mut().find(|register| register.obis.to_string() == ALARM).unwrap();
    let Some(models::Place::Modbus(place)) = &mut register.at else { panic!("{}", register.name) };
    // It holds 2000, 0x7D0, which are no decimal digits.
    place.kind = ::modbus::Kind::Bcd;
    bench.model = Arc::new(model);
    let task = bench.all_registers();
    let done = bench.ask(last, task).await;
    let asked = bench.model.registers.len();
    assert_eq!(done.registers().len(), asked - 1);
    assert!(done.registers().iter().all(|value| value.obis.to_string() != ALARM));
    let note = done.end.as_ref().unwrap().note.as_ref().expect("it is told");
    assert!(note.starts_with(&format!("1 of {asked} registers did not come. {ALARM}: ")), "{note}");
}
