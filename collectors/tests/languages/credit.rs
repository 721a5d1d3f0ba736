//! Prepaid energy: every driver hands a purchase on once, whatever gets lost, and the meter cuts and restores by itself.

use collectors::{BuyCredit, SetParameter};

use super::*;

const MODELS: [&str; 3] = ["huabang-single", "multi-user-dlt645", "multi-user-modbus"];

fn buy(number: u32, amount: &str, in_doubt: bool) -> Task {
    let terms = Terms { deadline: soon(), in_doubt };
    Task::BuyCredit(BuyCredit { number, amount: amount.parse().unwrap(), terms })
}

/// A bench whose last household has 100 Wh left.
async fn bench(model: &str, faults: Vec<FaultRule>) -> Bench {
    let bench = Bench::new(model, |_, config| config.faults = faults).await;
    bench.fleet.meters()[bench.last()].hold(remaining(&bench), 10);
    bench
}

fn remaining(bench: &Bench) -> dlms::Obis {
    bench.model.credit.unwrap().remaining
}

/// What is left in the last household, in its own digits, and how many purchases it has taken.
fn taken(bench: &Bench) -> (i64, u64) {
    let meter = &bench.fleet.meters()[bench.last()];
    (meter.register(remaining(bench)).unwrap(), meter.counts().sets)
}

#[tokio::test]
async fn hb_07_a_purchase_is_taken_once_for_its_number() {
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let last = bench.last();
        for (number, amount, left, count) in [
            (7, "2500", 260, 1),
            (7, "2500", 260, 1),
            (8, "99999900", 10_000_250, 2),
            (8, "99999900", 10_000_250, 2),
        ] {
            let done = bench.ask(last, buy(number, amount, false)).await;
            assert_eq!(done.outcome(), Outcome::CreditBought, "{model}");
            assert_eq!(taken(&bench), (left, count), "{model}: purchase {number}");
        }
        assert_eq!(bench.fleet.counts().sets, 2, "{model}: nobody else has taken anything");
    }
}

#[tokio::test]
async fn hb_07_what_remains_after_a_purchase_is_read_anew() {
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let station = || bench.station(bench.last());
        // The item of all households may have been read a moment ago.
        let works = vec![(station(), bench.all_registers()), (station(), buy(7, "2500", false))];
        let done = bench.ask_all(works).await.remove(1);
        let remains = |event: &Event| match event {
            Event::Found(finding) if finding.what == "remaining after" => Some(finding.value.clone()),
            _ => None,
        };
        assert_eq!(done.events.iter().find_map(remains).as_deref(), Some("2600"), "{model}");
    }
}

#[tokio::test]
async fn hb_07_a_lost_answer_to_a_purchase_is_resolved_by_reading() {
    for model in MODELS {
        for fault in [Fault::Unanswered(Often::First(1)), Fault::Unexecuted(Often::First(1))] {
            let mut bench =
                bench(model, vec![FaultRule { fault, meters: Affected::Numbers((0..100).collect()) }]).await;
            let last = bench.last();
            let done = bench.ask(last, buy(7, "2500", false)).await;
            assert_eq!(done.outcome(), Outcome::CreditBought, "{model} {fault:?}");
            assert_eq!(taken(&bench), (260, 1), "{model} {fault:?}");
            // Whoever died between the write and its answer begins by reading.
            let done = bench.ask(last, buy(7, "2500", true)).await;
            assert_eq!(done.outcome(), Outcome::CreditBought, "{model} {fault:?}");
            assert_eq!(taken(&bench), (260, 1), "{model} {fault:?}");
        }
    }
}

#[tokio::test]
async fn hb_07_a_number_that_was_passed_or_given_twice_is_refused_and_nothing_is_sent() {
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let last = bench.last();
        assert_eq!(bench.ask(last, buy(7, "2500", false)).await.outcome(), Outcome::CreditBought);
        for (number, amount, said) in [(6, "2500", "with a lower number"), (7, "2510", "was given twice")] {
            let done = bench.ask(last, buy(number, amount, false)).await;
            assert_eq!(done.failure().reason, Reason::NotEffective, "{model}");
            assert!(done.failure().detail.contains(said) && !done.failure().in_doubt, "{}", done.failure());
            // Of what may have been sent before nobody knows whether it was taken.
            let done = bench.ask(last, buy(number, amount, true)).await;
            assert!(done.failure().in_doubt, "{model}: {}", done.failure());
        }
        for amount in ["0", "-10", "2505", "99999910"] {
            let done = bench.ask(last, buy(9, amount, false)).await;
            assert!(done.failure().detail.contains("Nothing was sent"), "{amount}: {}", done.failure());
        }
        assert_eq!(taken(&bench), (260, 1), "{model}");
    }
}

#[tokio::test]
async fn hb_07_the_supply_is_cut_at_nothing_and_comes_back_with_a_purchase() {
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let last = bench.last();
        let is_on = |bench: &Bench| bench.fleet.meters()[bench.last()].connected();
        bench.fleet.meters()[last].use_up(9);
        assert!(is_on(&bench), "{model}: 10 Wh are left");
        bench.fleet.meters()[last].use_up(9);
        assert!(!is_on(&bench), "{model}");
        assert_eq!(taken(&bench).0, 0, "{model}: there is no less than nothing");
        assert_eq!(
            bench.ask(last, order(Disconnected)).await.outcome(),
            Outcome::Disconnected,
            "{model}: it shows that"
        );
        assert_eq!(bench.ask(last, buy(1, "2500", false)).await.outcome(), Outcome::CreditBought, "{model}");
        assert!(is_on(&bench), "{model}");
        assert_eq!(bench.fleet.counts().relay_moves, 2, "{model}: nobody else was cut off");
    }
}

#[tokio::test]
async fn hb_09_the_supply_is_cut_at_the_level_once_and_a_second_time_at_nothing() {
    for model in MODELS {
        let mut bench = bench(model, Vec::new()).await;
        let last = bench.last();
        let level = SetParameter {
            obis: bench.model.credit.unwrap().level.unwrap(),
            value: "50".parse().unwrap(),
            terms: Terms { deadline: soon(), in_doubt: false },
        };
        assert_eq!(
            bench.ask(last, Task::SetParameter(level)).await.outcome(),
            Outcome::ParameterSet,
            "{model}"
        );
        let steps: [(&str, Happens, bool, i64); 6] = [
            ("above the level", |meter| meter.use_up(4), true, 0b00),
            ("at the level", |meter| meter.use_up(1), false, 0b01),
            ("less than that", |meter| meter.use_up(1), false, 0b01),
            ("the card was swiped", Meter::swipe, true, 0b00),
            ("nothing is left", |meter| meter.use_up(4), false, 0b10),
            ("the card is of no use", Meter::swipe, false, 0b10),
        ];
        for (step, happens, is_on, shown) in steps {
            happens(&bench.fleet.meters()[last]);
            assert_eq!(bench.fleet.meters()[last].connected(), is_on, "{model}: {step}");
            assert_eq!(word(&mut bench).await, shown, "{model}: {step}");
        }
        assert_eq!(bench.ask(last, buy(1, "2500", false)).await.outcome(), Outcome::CreditBought, "{model}");
        assert!(bench.fleet.meters()[last].connected(), "{model}");
        assert_eq!(word(&mut bench).await, 0, "{model}");
    }
}

/// The word that shows why the last household is cut off.
async fn word(bench: &mut Bench) -> i64 {
    let (obis, last) = ("0.0.97.98.7.255".parse().unwrap(), bench.last());
    let request = RegisterRequest { obis, class_id: 1, attribute: 2 };
    bench.ask(last, Task::ReadRegisters(vec![request])).await.registers()[0].value
}

#[tokio::test]
async fn a_meter_that_takes_no_purchases_says_so() {
    let mut bench = Bench::new("generic-dlt645", |_, _| {}).await;
    let done = bench.ask(0, buy(1, "2500", false)).await;
    assert_eq!(done.failure().reason, Reason::Unsupported);
    assert!(done.failure().detail.contains("buy_credit"), "{}", done.failure());
}
