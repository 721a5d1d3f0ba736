//! Loads that a meter cuts off by itself, and how a household that was locked comes back: in every driver.

use collectors::SetParameter;

use super::*;

const MODELS: [&str; 3] = ["huabang-single", "multi-user-dlt645", "multi-user-modbus"];
/// The word that shows what the meter did: malignant, more than the limit, locked.
const WORD: &str = "0.0.97.98.8.255";

async fn bench(model: &str, faults: Vec<FaultRule>) -> Bench {
    Bench::new(model, |_, config| config.faults = faults).await
}

async fn set(bench: &mut Bench, obis: dlms::Obis, value: &str) {
    let (last, terms) = (bench.last(), Terms { deadline: soon(), in_doubt: false });
    let order = SetParameter { obis, value: value.parse().unwrap(), terms };
    assert_eq!(bench.ask(last, Task::SetParameter(order)).await.outcome(), Outcome::ParameterSet);
}

async fn read(bench: &mut Bench, obis: dlms::Obis) -> i64 {
    let request = RegisterRequest { obis, class_id: 1, attribute: 2 };
    bench.ask(bench.last(), Task::ReadRegisters(vec![request])).await.registers()[0].value
}

fn reconnect(force: bool) -> Task {
    Task::Switch(Switch { to: Connected, force, terms: Terms { deadline: soon(), in_doubt: false } })
}

/// A bench whose last household was cut off for its limit six times, and draws little now.
async fn locked(model: &str, faults: Vec<FaultRule>) -> Bench {
    let mut bench = bench(model, faults).await;
    let limit = bench.model.load.unwrap().limit;
    set(&mut bench, limit, "3000").await;
    let household = &bench.fleet.meters()[bench.last()];
    household.draw(3001);
    for _ in 1..6 {
        household.close_again();
    }
    household.draw(100);
    bench
}

#[tokio::test]
async fn hb_10_a_load_that_only_heats_is_cut_off_from_its_step_on_and_comes_back_by_itself() {
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let last = bench.last();
        bench.fleet.meters()[last].heat(9000);
        assert!(bench.fleet.meters()[last].connected(), "{model}: no step is set");
        bench.fleet.meters()[last].draw(0);
        let step = bench.model.load.unwrap().malignant_step;
        set(&mut bench, step, "800").await;
        let steps: [(&str, Happens, bool, i64); 7] = [
            ("motors and lamps", |meter| meter.draw(500), true, 0),
            ("a heater below the step", |meter| meter.heat(1299), true, 0),
            ("many motors", |meter| meter.draw(4000), true, 0),
            ("a heater", |meter| meter.heat(4800), false, 1),
            ("it is still there", Meter::close_again, false, 1),
            ("it is unplugged", |meter| meter.draw(4000), false, 1),
            ("some time later", Meter::close_again, true, 0),
        ];
        for (step, happens, is_on, shown) in steps {
            happens(&bench.fleet.meters()[last]);
            assert_eq!(bench.fleet.meters()[last].connected(), is_on, "{model}: {step}");
            assert_eq!(read(&mut bench, WORD.parse().unwrap()).await, shown, "{model}: {step}");
        }
        assert_eq!(bench.fleet.counts().relay_moves, 2, "{model}: nobody else was cut off");
    }
}

#[tokio::test]
async fn hb_11_a_household_over_its_limit_comes_back_by_itself_five_times_and_is_locked_with_the_sixth_trip()
{
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let load = bench.model.load.unwrap();
        set(&mut bench, load.limit, "3000").await;
        for trip in 1..=6 {
            bench.fleet.meters()[bench.last()].draw(3001);
            let is_locked = trip == 6;
            assert_eq!(read(&mut bench, load.trips).await, trip, "{model}");
            assert_eq!(
                read(&mut bench, WORD.parse().unwrap()).await,
                0b10 | i64::from(is_locked) << 2,
                "{model}"
            );
            let household = &bench.fleet.meters()[bench.last()];
            assert!(!household.connected(), "{model}: trip {trip}");
            household.draw(3000);
            household.close_again();
            assert_eq!(household.connected(), !is_locked, "{model}: trip {trip}");
        }
    }
}

#[tokio::test]
async fn hb_11_a_locked_household_is_closed_by_force_and_by_no_other_order() {
    for model in MODELS {
        let mut bench = locked(model, Vec::new()).await;
        let last = bench.last();
        let done = bench.ask(last, reconnect(false)).await;
        assert_eq!(done.failure().reason, Reason::NotEffective, "{model}");
        assert!(done.failure().detail.contains("locked") && !done.failure().in_doubt, "{}", done.failure());
        let counts = bench.fleet.meters()[last].counts();
        assert_eq!((counts.actions, counts.sets), (0, 1), "{model}: nothing was sent but the limit");

        assert_eq!(bench.ask(last, reconnect(true)).await.outcome(), Outcome::Connected, "{model}");
        assert!(bench.fleet.meters()[last].connected(), "{model}");
        let trips = bench.model.load.unwrap().trips;
        assert_eq!(read(&mut bench, trips).await, 0, "{model}: it counts anew");
        assert_eq!(read(&mut bench, WORD.parse().unwrap()).await, 0, "{model}");

        // What is not locked is closed like ever.
        assert_eq!(bench.ask(last, order(Disconnected)).await.outcome(), Outcome::Disconnected, "{model}");
        assert_eq!(bench.ask(last, reconnect(true)).await.outcome(), Outcome::Connected, "{model}");
    }
}

#[tokio::test]
async fn hb_11_a_lost_answer_to_a_forced_close_is_resolved_by_reading() {
    for model in MODELS {
        let mut bench = locked(model, Vec::new()).await;
        let last = bench.last();
        // Whoever died between the order and its answer begins by reading, and is not told that nothing was sent.
        let terms = Terms { deadline: soon(), in_doubt: true };
        for _ in 0..2 {
            let again = Task::Switch(Switch { to: Connected, force: true, terms });
            assert_eq!(bench.ask(last, again).await.outcome(), Outcome::Connected, "{model}");
            assert_eq!(bench.fleet.meters()[last].counts().sets, 2, "{model}: the limit, and once the force");
        }
        let rule = FaultRule {
            fault: Fault::Unanswered(Often::First(2)),
            meters: Affected::Numbers((0..100).collect()),
        };
        let mut bench = locked(model, vec![rule]).await;
        assert_eq!(bench.ask(last, reconnect(true)).await.outcome(), Outcome::Connected, "{model}");
        assert_eq!(bench.fleet.meters()[last].counts().sets, 2, "{model}");
    }
}

#[tokio::test]
async fn a_meter_that_is_never_locked_is_not_forced() {
    let mut bench = bench("generic-dlt645", Vec::new()).await;
    assert_eq!(bench.ask(0, order(Disconnected)).await.outcome(), Outcome::Disconnected);
    let done = bench.ask(0, reconnect(true)).await;
    assert_eq!(done.failure().reason, Reason::Unsupported);
    assert!(done.failure().detail.contains("force_reconnect"), "{}", done.failure());
}
