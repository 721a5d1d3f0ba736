use super::*;

const ID: &str = "202006001314";

fn host(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// What a call was told, if anything.
fn told(call: &Call) -> Option<Leave> {
    let mut state = call.seat.state();
    state.pending.leave.take()
}

/// Whose connection a channel gets.
fn lent_by<'a>(lobby: &Lobby, calls: &[&'a Call]) -> Option<(&'a str, Guest)> {
    let guest = lobby.lend(ID)?;
    let names = ["first", "second", "third"];
    let taken = calls.iter().zip(names).find(|(call, _)| call.seat.state().pending.lent.take().is_some());
    taken.map(|(_, name)| (name, guest))
}

#[test]
fn the_newest_connection_counts_and_the_one_before_stays_for_a_while() {
    let lobby = Lobby::default();
    assert!(lobby.lend(ID).is_none());
    let first = lobby.enter(ID, host(1));
    let second = lobby.enter(ID, host(1));
    assert_eq!((told(&first), told(&second)), (Some(Leave::Superseded), None));
    assert!(first.is_superseded() && !second.is_superseded());
    assert_eq!(lent_by(&lobby, &[&first, &second]).unwrap().0, "second");
    // The same modem, which has not noticed yet that its first connection is gone.
    assert_eq!(first.is_alive(), None);
    let third = lobby.enter(ID, host(1));
    assert_eq!((told(&first), told(&second)), (Some(Leave::Replaced), Some(Leave::Superseded)));
    drop(third);
    assert!(!second.is_superseded());
    assert_eq!(lent_by(&lobby, &[&first, &second]).unwrap().0, "second");
    drop(second);
    drop(first);
    assert_eq!(lobby.callers_present(), 0);
}

#[tokio::test]
async fn what_was_forgotten_is_said_again_by_the_connection_that_counts() {
    let lobby = Lobby::default();
    assert_eq!(lobby.ask_again(), 0);
    let earlier = lobby.enter(ID, host(1));
    let newest = lobby.enter(ID, host(1));
    assert_eq!(lobby.ask_again(), 1);
    assert!(matches!(newest.word().await, Word::CountsAgain));
    assert!(matches!(earlier.word().await, Word::Leave(Leave::Superseded)));
}

#[test]
fn a_connection_is_lent_to_one_at_a_time_and_given_back() {
    let lobby = Lobby::default();
    let call = lobby.enter(ID, host(1));
    let (_, guest) = lent_by(&lobby, &[&call]).unwrap();
    assert!(lobby.lend(ID).is_none());
    drop(guest);
    assert!(lobby.lend(ID).is_some());
}

#[test]
fn two_that_live_at_different_addresses_are_told_once() {
    let lobby = Lobby::default();
    let first = lobby.enter(ID, host(1));
    let second = lobby.enter(ID, host(2));
    assert_eq!(second.is_alive(), None);
    assert_eq!(first.is_alive(), Some(host(2)));
    assert_eq!(first.is_alive(), None);
    // Without proof nobody knows whose it is: the newest counts.
    assert_eq!(told(&second), None);
    assert_eq!(lent_by(&lobby, &[&first, &second]).unwrap().0, "second");
}

#[test]
fn who_has_proved_itself_is_not_driven_out_by_a_name() {
    let lobby = Lobby::default();
    let first = lobby.enter(ID, host(1));
    lent_by(&lobby, &[&first]).unwrap().1.prove();
    let second = lobby.enter(ID, host(2));
    assert_eq!(lent_by(&lobby, &[&first, &second]).unwrap().0, "first");
    assert_eq!((first.is_alive(), told(&second)), (Some(host(2)), Some(Leave::Disproved)));
    drop(second);
    let third = lobby.enter(ID, host(3));
    // The first one only looks alive: nothing comes back. So the newer one is tried, and proves itself.
    let (name, guest) = lent_by(&lobby, &[&first, &third]).unwrap();
    guest.doubt();
    drop(guest);
    assert_eq!(name, "first");
    let (name, guest) = lent_by(&lobby, &[&first, &third]).unwrap();
    guest.prove();
    assert_eq!((name, told(&first)), ("second", Some(Leave::Replaced)));
    assert!(!third.is_superseded());
}

#[test]
fn who_could_not_prove_itself_makes_room_for_the_one_before() {
    let lobby = Lobby::default();
    let first = lobby.enter(ID, host(1));
    let second = lobby.enter(ID, host(2));
    let (name, guest) = lent_by(&lobby, &[&first, &second]).unwrap();
    guest.disprove();
    drop(guest);
    assert_eq!((name, told(&second)), ("second", Some(Leave::Disproved)));
    assert_eq!(lent_by(&lobby, &[&first, &second]).unwrap().0, "first");
    drop(second);
    // While it is the only one of its name, it stays: the inventory may be wrong.
    let (_, guest) = lent_by(&lobby, &[&first]).unwrap();
    guest.disprove();
    drop(guest);
    assert_eq!(told(&first), None);
    assert!(lobby.lend(ID).is_some());
}
