//! A day and a night of 100,000 meters on mixed media, one in a hundred of them dead, in simulated time: what the planner, the classes, the rule of
//! attempts and the forecast of a schedule do together. The queue and the lines are played (`day`); everything that decides is the program's.
//!
//! What counts as failure: a goal that is missed, a meter that answers and is not complete, a hole that is not filled, an order that waits for more than
//! its line takes for a work, a forecast that is far off. Everything is counted from the numbers of the meters, so each run is the same.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests stand outside the test functions"
)]

mod day;

use day::{Day, MEDIA, METERS};
use jiff::SignedDuration;

#[test]
fn a_fleet_on_mixed_media_meets_its_goals_and_nothing_starves() {
    let mut day = Day::begin();
    day.run();
    let minutes = |length: SignedDuration| length.as_mins();
    let reached = day.reached_at.unwrap();
    println!("{METERS} meters: {} % complete at {reached}", day.goals[0].permille / 10);
    println!("{} looks, {} works, {} sessions open at most", day.looks, day.works, day.most_open);
    for forecast in &day.forecasts {
        let error = forecast.says.map(|says| minutes(says.duration_since(reached)));
        println!("forecast at {}: {:?}, off by {error:?} minutes", forecast.at, forecast.says);
    }
    for (medium, line) in MEDIA.iter().zip(&day.spent_on_dead) {
        println!("{}: {line} % of the time of its lines went to meters that are dead", medium.name);
    }
    println!("an order waited for {} s at most", day.longest_order.as_secs());

    assert!(reached < day.due_at(0), "98 % by six in the morning");
    assert_eq!(day.incomplete_alive(), 0, "whoever answers is complete by midnight");
    assert_eq!(day.troubled(), day.dead(), "and whoever does not is in the work list");
    assert_eq!(day.holes_left(), 0, "what comes behind everything else is done, too");
    assert!(day.longest_order.as_secs() <= 100, "an order goes ahead of everything that is planned");
    assert!(day.most_tries_of_dead <= 60, "a dead meter is tried once an hour: {}", day.most_tries_of_dead);
    // In the first hour lines lose time to what is dead and not known to be so.
    for says in day.forecasts.iter().skip(2).map(|forecast| forecast.says.unwrap()) {
        let error = says.duration_since(reached).abs();
        assert!(error < SignedDuration::from_mins(30), "a forecast is off by {} minutes", minutes(error));
    }
}
