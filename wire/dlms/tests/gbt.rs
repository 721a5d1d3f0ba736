//! General block transfer: what one side sends the other one gets, whole and once, over channels that lose, repeat and swap blocks.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests stand outside the test functions")]

use dlms::Error;
use dlms::apdu::GeneralBlock;
use dlms::gbt::{Limits, Progress, Transfer};
use dlms::push::Pieces;
use proptest::collection::vec;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

fn transfer(window: u8, pdu: usize) -> Transfer {
    Transfer::asking(Limits { window, pdu, received: LIMIT })
}

fn echo(window: u8, pdu: usize) -> Echo {
    Echo { transfer: Transfer::answering(Limits { window, pdu, received: LIMIT }), carried_out: 0 }
}

/// Everything that is due.
fn due(transfer: &mut Transfer) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    loop {
        let mut block = Vec::new();
        if !transfer.poll(&mut block) {
            return blocks;
        }
        blocks.push(block);
    }
}

fn block(last: bool, streaming: bool, window: u8, number: u16, acknowledged: u16, octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GeneralBlock { last, streaming, window, number, acknowledged, octets }.encode(&mut out);
    out
}

/// A server that answers each request with its octets reversed and twice as long, and counts what it carries out.
struct Echo {
    transfer: Transfer,
    carried_out: u32,
}

impl Echo {
    fn answer(request: &[u8]) -> Vec<u8> {
        request.iter().rev().chain(request).copied().collect()
    }

    fn handle(&mut self, block: &[u8]) -> Vec<Vec<u8>> {
        match self.transfer.handle(block).unwrap() {
            Progress::Wait => return Vec::new(),
            Progress::Due => {}
            Progress::Whole => {
                self.carried_out += 1;
                let answer = Self::answer(self.transfer.received());
                self.transfer.send(answer).unwrap();
            }
        }
        due(&mut self.transfer)
    }
}

/// What becomes of the next block on its way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// It arrives behind the next one.
    Late,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![12 => Just(Fate::Arrives), 2 => Just(Fate::Lost), 1 => Just(Fate::Twice), 1 => Just(Fate::Late)]
}

/// A channel in one direction.
fn travel(blocks: Vec<Vec<u8>>, fates: &mut impl Iterator<Item = Fate>) -> Vec<Vec<u8>> {
    let mut arrived = Vec::new();
    let mut late = None;
    for block in blocks {
        match fates.next().unwrap_or(Fate::Arrives) {
            Fate::Arrives => arrived.push(block),
            Fate::Lost => continue,
            Fate::Twice => arrived.extend([block.clone(), block]),
            Fate::Late => {
                arrived.extend(late.replace(block));
                continue;
            }
        }
        arrived.extend(late.take());
    }
    arrived.extend(late);
    arrived
}

/// One exchange; `None` when the client has to give up because it can not know whether the request arrived.
fn exchange(
    request: &[u8],
    client: &mut Transfer,
    server: &mut Echo,
    fates: &mut impl Iterator<Item = Fate>,
) -> Option<Vec<u8>> {
    client.send(request.to_vec()).unwrap();
    let mut outgoing = due(client);
    for _ in 0..2_000 {
        let arrived = travel(std::mem::take(&mut outgoing), fates);
        let answers: Vec<Vec<u8>> = arrived.iter().flat_map(|block| server.handle(block)).collect();
        for answer in travel(answers, fates) {
            match client.handle(&answer).unwrap() {
                Progress::Wait => {}
                Progress::Due => outgoing.extend(due(client)),
                Progress::Whole => return Some(client.received().to_vec()),
            }
        }
        if outgoing.is_empty() {
            if !client.unanswered() {
                return None;
            }
            outgoing = due(client);
        }
    }
    panic!("the exchange does not end");
}

proptest! {
    #[test]
    fn both_directions_arrive_whole_in_windows_and_blocks_of_every_size(
        request in vec(any::<u8>(), 1..600), windows in (1_u8..64, 1_u8..64), pdus in (8_usize..300, 8_usize..300),
    ) {
        let mut server = echo(windows.0, pdus.0);
        let answer = exchange(&request, &mut transfer(windows.1, pdus.1), &mut server, &mut std::iter::empty());
        prop_assert_eq!(answer, Some(Echo::answer(&request)));
        prop_assert_eq!(server.carried_out, 1);
    }

    #[test]
    fn what_arrives_over_a_lossy_channel_is_right_and_carried_out_once(
        request in vec(any::<u8>(), 1..400), windows in (1_u8..8, 1_u8..8), pdus in (12_usize..60, 12_usize..60), fates in vec(fate(), 0..200),
    ) {
        let mut server = echo(windows.0, pdus.0);
        let answer = exchange(&request, &mut transfer(windows.1, pdus.1), &mut server, &mut fates.into_iter());
        prop_assert!(server.carried_out <= 1);
        // There is none when the end of the request got lost, or every block of the first window of the answer.
        prop_assert!(answer.is_none_or(|answer| answer == Echo::answer(&request)));
    }

    #[test]
    fn once_an_answer_has_begun_no_loss_keeps_it_from_arriving(
        request in vec(any::<u8>(), 20..200), window in 1_u8..8, pdu in 12_usize..40, fates in vec(fate(), 0..200),
    ) {
        let mut server = echo(7, pdu);
        // The request, and the first block of the answer.
        let mut fates = [Fate::Arrives; 2].into_iter().chain(fates);
        let answer = exchange(&request, &mut transfer(window, 65_535), &mut server, &mut fates);
        prop_assert_eq!(answer, Some(Echo::answer(&request)));
        prop_assert_eq!(server.carried_out, 1);
    }

    #[test]
    fn no_blocks_break_a_transfer(blocks in vec((any::<[bool; 2]>(), 0_u8..64, 0_u16..80, 0_u16..8, vec(any::<u8>(), 0..20)), 0..80), request in vec(any::<u8>(), 0..60)) {
        let mut transfer = Transfer::asking(Limits { window: 3, pdu: 20, received: 200 });
        transfer.send(request).unwrap();
        for ([last, streaming], window, number, acknowledged, octets) in blocks {
            let _ = transfer.handle(&block(last, streaming, window, number, acknowledged, &octets));
            prop_assert!(due(&mut transfer).len() <= 63);
            prop_assert!(transfer.received().len() <= 200);
        }
    }
}

/// The octets of one block after another, none of them answered.
fn feed(transfer: &mut Transfer, blocks: &[Vec<u8>]) -> Result<Progress, Error> {
    blocks.iter().try_fold(Progress::Wait, |_, block| transfer.handle(block))
}

#[test]
fn a_lost_block_is_asked_for_and_what_came_behind_it_is_kept() {
    let mut client = transfer(3, 100);
    client.send(vec![0xC0, 1, 0xC1]).unwrap();
    assert_eq!(due(&mut client), [block(true, false, 3, 1, 0, &[0xC0, 1, 0xC1])]);
    // The second of three blocks is lost.
    assert_eq!(client.handle(&block(false, true, 1, 1, 1, &[1])), Ok(Progress::Wait));
    assert_eq!(client.handle(&block(false, false, 1, 3, 1, &[3])), Ok(Progress::Due));
    assert_eq!(due(&mut client), [block(true, false, 3, 2, 1, &[])]);
    // Only that one comes again; the third need not.
    assert_eq!(client.handle(&block(false, false, 1, 2, 2, &[2])), Ok(Progress::Due));
    assert_eq!(due(&mut client), [block(true, false, 3, 3, 3, &[])]);
    assert_eq!(client.handle(&block(true, false, 1, 4, 3, &[4])), Ok(Progress::Whole));
    assert_eq!(client.received(), [1, 2, 3, 4]);
    assert!(!client.unanswered(), "nothing is missing");
}

#[test]
fn what_the_peer_lost_is_sent_again_and_a_request_that_may_have_arrived_is_not() {
    let mut client = transfer(1, 9);
    client.send(vec![1, 2, 3, 4, 5]).unwrap();
    let first = block(false, false, 1, 1, 0, &[1, 2]);
    let one = std::slice::from_ref(&first);
    assert_eq!(due(&mut client), one, "one block until the peer says how many it takes");
    assert!(client.unanswered());
    assert_eq!(due(&mut client), one);
    assert_eq!(client.handle(&block(false, false, 5, 1, 1, &[])), Ok(Progress::Due));
    let rest = [block(false, true, 1, 2, 1, &[3, 4]), block(true, false, 1, 3, 1, &[5])];
    assert_eq!(due(&mut client), rest);
    assert!(!client.unanswered(), "the meter may have acted on it");
    assert_eq!(client.handle(&block(false, false, 5, 2, 2, &[])), Ok(Progress::Due));
    assert_eq!(due(&mut client), [block(true, false, 1, 3, 2, &[5])], "the last one was lost");
}

#[test]
fn unconfirmed_blocks_are_never_answered_and_a_gap_ends_them() {
    let mut receiver = transfer(1, 100);
    let blocks = [(false, 1, [1]), (false, 2, [2]), (true, 3, [3])]
        .map(|(last, number, octets)| block(last, true, 0, number, 0, &octets));
    assert_eq!(feed(&mut receiver, &blocks), Ok(Progress::Whole));
    assert_eq!(receiver.received(), [1, 2, 3]);
    assert_eq!(due(&mut receiver), [[0_u8; 0]; 0]);
    let gap = Err(Error::BlockNumber { expected: 2, got: 3 });
    assert_eq!(feed(&mut transfer(1, 100), &[blocks[0].clone(), blocks[2].clone()]), gap);
}

#[test]
fn an_answer_that_begins_anew_is_not_mixed_with_the_one_before() {
    let mut client = transfer(9, 100);
    client.send(vec![1]).unwrap();
    due(&mut client);
    let late = [block(false, true, 1, 1, 1, b"late"), block(false, true, 1, 3, 1, b"late")];
    assert_eq!(feed(&mut client, &late), Ok(Progress::Wait));
    let answer = [(false, 1, b"a"), (false, 2, b"b"), (true, 3, b"c")]
        .map(|(last, number, octets)| block(last, true, 1, number, 1, octets));
    assert_eq!(feed(&mut client, &answer), Ok(Progress::Whole));
    assert_eq!(client.received(), b"abc");
}

#[test]
fn the_peer_gives_up() {
    let mut client = transfer(1, 100);
    client.send(vec![1]).unwrap();
    assert_eq!(client.handle(&block(true, false, 0, 0, 0, &[])), Err(Error::TransferAborted));
}

/// C-09: reassembly attacks.
mod c_09 {
    use super::*;

    #[test]
    fn a_skip_beyond_the_window_is_refused() {
        let skipped = Err(Error::BlockNumber { expected: 1, got: 64 });
        assert_eq!(transfer(63, 100).handle(&block(false, true, 1, 64, 0, &[0])), skipped);
        assert_eq!(
            transfer(63, 100).handle(&block(false, true, 1, 0, 0, &[0])),
            Err(Error::BlockNumber { expected: 1, got: 0 })
        );
    }

    #[test]
    fn a_peer_that_repeats_itself_is_not_listened_to_for_ever() {
        let mut client = transfer(1, 100);
        let again = block(false, false, 1, 1, 0, &[1]);
        let repeated = (0..1000).map(|_| client.handle(&again)).find(Result::is_err);
        assert_eq!(repeated, Some(Err(Error::BlockNumber { expected: 2, got: 1 })));
        assert_eq!(client.received(), [1]);
    }

    #[test]
    fn without_a_last_block_the_limit_ends_it() {
        let mut client = transfer(63, 2000);
        let piece = vec![0; 1024];
        let mut outcomes =
            (1..=u16::MAX).map(|number| client.handle(&block(false, true, 1, number, 0, &piece)));
        let taken = outcomes.by_ref().take_while(Result::is_ok).count();
        assert_eq!(taken, LIMIT / 1024);
        let limit = LIMIT;
        assert_eq!(
            client.handle(&block(true, true, 1, 1025, 0, &piece)),
            Err(Error::TooLong { what: "APDU in blocks", limit })
        );
        assert_eq!(client.received().len(), LIMIT);
    }

    #[test]
    fn empty_blocks_without_end_run_out_of_numbers() {
        let mut client = transfer(63, 100);
        let mut outcomes = (1..=u16::MAX).map(|number| client.handle(&block(false, true, 1, number, 0, &[])));
        assert!(outcomes.all(|outcome| outcome.is_ok()));
        let over =
            (0..1000).map(|_| client.handle(&block(false, true, 1, u16::MAX, 0, &[]))).find(Result::is_err);
        assert_eq!(over, Some(Err(Error::BlockNumber { expected: 65_536, got: 65_535 })));
    }

    #[test]
    fn blocks_ahead_of_their_turn_count_towards_the_limit() {
        let mut client = Transfer::asking(Limits { window: 63, pdu: 100, received: 50 });
        let piece = [0; 20];
        assert_eq!(client.handle(&block(false, true, 1, 2, 0, &piece)), Ok(Progress::Wait));
        assert_eq!(client.handle(&block(false, true, 1, 3, 0, &piece)), Ok(Progress::Wait));
        let long = Err(Error::TooLong { what: "APDU in blocks", limit: 50 });
        assert_eq!(client.handle(&block(false, true, 1, 4, 0, &piece)), long);
    }
}

/// C-08: a block that is cut, or whose length lies, is never taken.
#[test]
fn c_08_a_block_cut_anywhere_is_truncated() {
    let whole = block(true, false, 1, 1, 0, &[0xC4, 1, 0xC1, 0, 17, 1]);
    for end in 0..whole.len() {
        let mut client = transfer(1, 100);
        assert_eq!(client.handle(&whole[..end]), Err(Error::Truncated), "cut at {end}");
        assert_eq!(client.received(), [0_u8; 0]);
    }
}

/// What comes of each APDU: the push, and what is sent back.
fn pushed(pieces: &mut Pieces, apdus: &[Vec<u8>]) -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
    let each = apdus.iter().map(|apdu| {
        let mut out = Vec::new();
        let push = pieces.take(apdu, &mut out).unwrap().map(<[u8]>::to_vec);
        (push, out)
    });
    each.collect()
}

#[test]
fn a_push_in_blocks_is_put_together_and_one_that_is_whole_passes() {
    let mut pieces = Pieces::new(64);
    let none = |count| vec![(None, Vec::new()); count];
    let blocks = [(false, 1, b"pu"), (false, 2, b"sh"), (true, 3, b"ed")]
        .map(|(last, number, octets)| block(last, true, 0, number, 0, octets));
    // Twice the same, and another one in between that nobody finishes.
    for _ in 0..2 {
        let got = pushed(&mut pieces, &blocks);
        assert_eq!(got, [none(2), vec![(Some(b"pushed".to_vec()), Vec::new())]].concat());
        assert_eq!(pushed(&mut pieces, &[block(false, true, 0, 1, 0, b"lost")]), none(1));
        assert_eq!(
            pushed(&mut pieces, &[b"\x0Fwhole".to_vec()]),
            [(Some(b"\x0Fwhole".to_vec()), Vec::new())]
        );
    }
}

#[test]
fn a_push_whose_sender_waits_is_confirmed_to_its_end() {
    let mut pieces = Pieces::new(64);
    let first = block(false, false, 1, 1, 0, b"pu");
    let last = block(true, false, 1, 2, 1, b"sh");
    let confirmed = |number, acknowledged| block(false, false, 8, number, acknowledged, &[]);
    assert_eq!(pushed(&mut pieces, &[first]), [(None, confirmed(1, 1))]);
    assert_eq!(pushed(&mut pieces, &[last]), [(Some(b"push".to_vec()), confirmed(2, 2))]);
}

#[test]
fn a_push_with_a_gap_or_too_long_is_lost_and_the_next_one_is_not() {
    let mut pieces = Pieces::new(4);
    let mut take =
        |octets: Vec<u8>| pieces.take(&octets, &mut Vec::new()).map(|push| push.map(<[u8]>::to_vec));
    assert_eq!(take(block(false, true, 0, 1, 0, b"pu")), Ok(None));
    let gap = Error::BlockNumber { expected: 2, got: 3 };
    assert_eq!(take(block(false, true, 0, 3, 0, b"sh")), Err(gap));
    assert_eq!(take(block(true, true, 0, 4, 0, b"ed")), Ok(None), "it is lost once");
    assert_eq!(take(block(false, true, 0, 1, 0, b"much")), Ok(None));
    let long = Error::TooLong { what: "APDU in blocks", limit: 4 };
    assert_eq!(take(block(true, true, 0, 2, 0, b"!")), Err(long));
    assert_eq!(take(block(true, true, 0, 1, 0, b"next")), Ok(Some(b"next".to_vec())));
}
