//! Households of a multi-user meter: what each of them holds, however much or little that is.

use super::*;

const IMPORT: &str = "1.0.1.8.0.255";
const LEFT: &str = "0.0.128.19.10.255";
const OVERDRAWN: &str = "0.0.128.19.11.255";

/// Lets every household of the only device hold another amount, and reads them all. Returns what was found of each register, household by household.
async fn found(model: &str, registers: &[&str], held: impl Fn(i64) -> Vec<i64>) -> Vec<Vec<i64>> {
    let names: Vec<dlms::Obis> = registers.iter().map(|obis| obis.parse().unwrap()).collect();
    let mut bench = Bench::new(model, |model, _| {
        model.registers.retain(|register| names.contains(&register.obis));
    })
    .await;
    let households = usize::from(bench.model.subunits);
    for (household, meter) in (1_i64..).zip(&bench.fleet.meters()[1..=households]) {
        for (obis, value) in names.iter().zip(held(household)) {
            meter.hold(*obis, value);
        }
    }
    let works = (1..=households).map(|number| (bench.station(number), bench.all_registers())).collect();
    let done = bench.ask_all(works).await;
    let values = |done: &Done| {
        let value = |obis: &dlms::Obis| {
            let found = done.registers().iter().find(|found| found.obis == *obis).unwrap();
            assert_eq!((found.scaler, found.unit.symbol()), (1, "Wh"));
            found.value
        };
        names.iter().map(value).collect()
    };
    done.iter().map(values).collect()
}

#[tokio::test]
async fn hb_04_all_households_are_read_up_to_the_end_of_their_display() {
    // 99999.99 kWh and less, then from nothing on again.
    let held = |household: i64| vec![(9_999_999 + 5 - household * 5).rem_euclid(10_000_000), household * 7];
    for (model, households) in [("huabang-single", 39), ("multi-user-dlt645", 39), ("multi-user-modbus", 36)]
    {
        let found = found(model, &[IMPORT, LEFT], held).await;
        assert_eq!(found, (1..=households).map(held).collect::<Vec<_>>(), "{model}");
    }
    let rolled = |household: i64| vec![(9_999_980 + household).rem_euclid(10_000_000)];
    let found = found("huabang-single", &[IMPORT], rolled).await;
    assert_eq!((found[18][0], found[19][0], found[20][0]), (9_999_999, 0, 1));
}

#[tokio::test]
async fn hb_04_a_credit_below_nothing_keeps_its_sign() {
    // Down to what seven digits and a sign hold.
    let held = |household: i64| vec![if household == 39 { -79_999_999 } else { 20 - household }];
    for (model, households) in [("multi-user-dlt645", 39), ("multi-user-modbus", 36)] {
        let found = found(model, &[LEFT], held).await;
        assert_eq!(found, (1..=households).map(held).collect::<Vec<_>>(), "{model}");
    }
    // The standard counts what is overdrawn apart.
    let apart = |household: i64| vec![(20 - household).max(0), (household - 20).max(0)];
    let found = found("huabang-single", &[LEFT, OVERDRAWN], apart).await;
    assert_eq!(found, (1..=39).map(apart).collect::<Vec<_>>());
}

#[tokio::test]
async fn hb_17_status_words_are_read_as_they_stand() {
    for (model, words) in [
        ("huabang-single", &["0.0.97.98.4.255", "0.0.97.98.5.255", "0.0.97.98.6.255", "0.0.97.98.7.255"][..]),
        ("multi-user-dlt645", &["0.0.97.98.0.255", "0.0.97.98.7.255", "0.0.97.98.8.255"]),
        ("multi-user-modbus", &["0.0.97.98.0.255", "0.0.97.98.7.255", "0.0.97.98.8.255"]),
    ] {
        let mut bench = Bench::new(model, |model, _| {
            model.registers.retain(|register| words.contains(&register.obis.to_string().as_str()));
        })
        .await;
        // No bit, those of a lost phase, all of them.
        for value in [0, 0x0180, 0xFFFF] {
            let last = bench.last();
            for (place, word) in (0..).zip(words) {
                bench.fleet.meters()[last].hold(word.parse().unwrap(), value ^ place);
            }
            let task = bench.all_registers();
            let done = bench.ask(last, task).await;
            let found: Vec<_> = done.registers().iter().map(|found| found.value).collect();
            let held: Vec<i64> = (0..).zip(words).map(|(place, _)| value ^ place).collect();
            assert_eq!(found, held, "{model}");
        }
    }
}
