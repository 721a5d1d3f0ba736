//! What is not taken for an alarm, and what one peer may not do to the others.

use std::time::Duration;

use ami_proto::v1::{ListQuarantineRequest, ListQuarantineResponse, PushFate, QuarantinedPush};
use dlms::security::{Cipher, Key, KeyInfo, SecurityControl, SystemTitle, Wrapping};
use headend::config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::hearing::{
    Hearing, TITLE, cipher, config, entry, framed, gmac_meter, octets, sealed, sealed_as, sealed_for_anybody,
    sealed_under,
};
use crate::served::soon;

const ALARMS: &str = "SELECT count(*) FROM alarm";
const QUARANTINE: &str = "SELECT count(*) FROM push_quarantine";

async fn quarantine(hearing: &Hearing) -> ListQuarantineResponse {
    hearing.client().list_quarantine(ListQuarantineRequest::default()).await.unwrap().into_inner()
}

/// Reason, meter and octets of the latest entry.
async fn latest(hearing: &Hearing, entries: usize) -> (PushFate, String, Vec<u8>, String) {
    hearing.until(QUARANTINE, &entries.to_string()).await;
    let QuarantinedPush { reason, meter_serial, octets, detail, .. } =
        quarantine(hearing).await.pushes[0].clone();
    (PushFate::try_from(reason).unwrap(), meter_serial, octets, detail)
}

/// Whether the peer has closed the connection without a word.
async fn is_closed(connection: &mut TcpStream) -> bool {
    // Octets that were not read make the close a reset.
    matches!(soon(connection.read(&mut [0; 16])).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn c_14_another_key_another_title_and_a_used_counter_even_after_a_restart() {
    let hearing = Hearing::new().await;
    gmac_meter(&hearing, "G1");
    let general = Wrapping::GeneralGlobal(Some(TITLE));
    let first = sealed(general, &cipher(), 7);
    hearing.send(&framed(&first));
    hearing.until(ALARMS, "1").await;

    let wrong = sealed(general, &Cipher::new(&Key::new([0x0C; 16]), &Key::new([0x0B; 16])), 8);
    hearing.send(&framed(&wrong));
    let (reason, meter, kept, _) = latest(&hearing, 1).await;
    assert_eq!((reason, meter.as_str(), kept), (PushFate::WrongTag, "G1", wrong));

    hearing.send(&framed(&first));
    let (reason, meter, kept, detail) = latest(&hearing, 2).await;
    assert_eq!((reason, meter.as_str(), &kept), (PushFate::ReplayedCounter, "G1", &first));
    assert_eq!(detail, "replayed counter 7");

    let stranger = Wrapping::GeneralGlobal(Some(SystemTitle::new(*b"SEN\0\0\0\0\0")));
    hearing.send(&framed(&sealed(stranger, &cipher(), 9)));
    assert_eq!(latest(&hearing, 3).await.0, PushFate::UnknownSender);

    // A wrong tag has not moved the counter, a restart does not forget it, and a datagram may be overtaken.
    let hearing = Hearing::over(hearing.stop().await, config()).await;
    hearing.send(&framed(&first));
    assert_eq!(latest(&hearing, 4).await.0, PushFate::ReplayedCounter);
    for counter in [9, 8] {
        hearing.send(&framed(&sealed(general, &cipher(), counter)));
        hearing.until(ALARMS, &(counter / 8 + if counter == 8 { 2 } else { 1 }).to_string()).await;
    }
    assert_eq!(hearing.sql("SELECT last, seen FROM meter_push_counter"), "9|3");
    // With a new key a meter counts anew.
    hearing.sql("UPDATE meter_secret SET encryption_key = decode(repeat('0c', 16), 'hex')");
    assert_eq!(hearing.sql("SELECT count(*) FROM meter_push_counter"), "0");
    hearing.stop().await;
}

/// Keys that nobody here holds, and signatures that nobody here can check: each by its name, with what to do, and all octets are kept.
#[tokio::test]
async fn what_only_others_can_open_or_check_is_refused_by_name() {
    let hearing = Hearing::new().await;
    gmac_meter(&hearing, "G1");
    let wrapped = sealed_under(KeyInfo::Wrapped { kek: 0, key: &[7; 24] }, 7);
    let agreed = sealed_under(KeyInfo::Agreed { parameters: &[2], data: &[] }, 8);
    let mut signed = octets("DF 00 08");
    signed.extend_from_slice(TITLE.octets());
    signed.extend(octets("00 00 00 10 0F 00000001 00 0906 0000616200FF 1100 40"));
    signed.extend([7; 64]);
    let of_short_names = octets("18 00 01 02 FA08 01 06 00000004");
    for (number, (push, reason, words)) in [
        (wrapped, PushFate::WrongTag, ["came wrapped", "its global key"]),
        (agreed, PushFate::WrongTag, ["agree on", "its global key"]),
        (signed, PushFate::Undecodable, ["general-signing", "global keys"]),
        (of_short_names, PushFate::Undecodable, ["short names", "data-notifications"]),
    ]
    .into_iter()
    .enumerate()
    {
        hearing.send(&framed(&push));
        let (found, of, kept, detail) = latest(&hearing, number + 1).await;
        assert_eq!((found, of.as_str(), kept), (reason, "G1", push), "{detail}");
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
    }
    hearing.stop().await;
}

/// C-15: a counter that nobody authenticated is not believed.
#[tokio::test]
async fn what_is_only_encrypted_may_come_from_anybody_and_moves_no_counter() {
    let hearing = Hearing::new().await;
    gmac_meter(&hearing, "G1");
    let general = Wrapping::GeneralGlobal(Some(TITLE));
    let encrypted = |counter| framed(&sealed_as(general, SecurityControl::ENCRYPTED, &cipher(), counter));
    let alarms = "SELECT count(*), count(*) FILTER (WHERE authenticated) FROM alarm";
    hearing.send(&encrypted(40));
    hearing.until(alarms, "1|0").await;
    assert_eq!(hearing.sql("SELECT count(*) FROM meter_push_counter"), "0");
    hearing.send(&framed(&sealed_for_anybody(7)));
    hearing.until(alarms, "2|1").await;
    assert_eq!(hearing.sql("SELECT last, seen FROM meter_push_counter"), "7|0");
    hearing.send(&encrypted(7));
    assert_eq!(latest(&hearing, 1).await.0, PushFate::ReplayedCounter);
    hearing.stop().await;
}

#[tokio::test]
async fn nobody_and_more_than_one_are_unknown_and_retired_meters_too() {
    let hearing = Hearing::new().await;
    for serial in ["A1", "A2"] {
        hearing.served.database.meter(serial);
    }
    hearing.sql("UPDATE meter SET logical_device_name = 'SAME'");
    let mut entries = 0;
    for name in ["stranger", "SAME"] {
        hearing.send(&framed(&entry(name, 1, 0, true)));
        entries += 1;
        assert_eq!(latest(&hearing, entries).await.0, PushFate::UnknownSender, "{name}");
    }
    hearing.sql("UPDATE meter SET state = 'retired', retired_at = now() WHERE serial = 'A1'");
    // A2 is now the only one at its address.
    hearing.send(&framed(&entry("stranger", 1, 0, true)));
    hearing.until("SELECT m.serial FROM alarm a JOIN meter m ON m.id = a.meter_id", "A2").await;
    hearing.stop().await;
}

/// C-05: octets without sense are kept for people to look at, and do not stop the others.
#[tokio::test]
async fn garbage_is_kept_as_it_came_and_a_stream_out_of_step_is_closed() {
    let hearing = Hearing::new().await;
    let mut entries = 0;
    for datagram in
        [&b"hello"[..], &[], &octets("0001 0001 0067 0005 0F"), &framed(&octets("0F 00000001 00 02"))]
    {
        hearing.send(datagram);
        entries += 1;
        let (reason, meter, kept, _) = latest(&hearing, entries).await;
        assert_eq!((reason, meter.as_str()), (PushFate::Undecodable, ""));
        assert!(datagram.ends_with(&kept), "{kept:02X?} of {datagram:02X?}");
    }
    let oversized = octets("0001 0001 0067 FFFF 0F");
    for stream in [&b"GET / HTTP/1.1\r\n\r\n"[..], &oversized] {
        let mut connection = hearing.connect(stream, 100).await;
        entries += 1;
        assert!(is_closed(&mut connection).await);
        let (reason, _, kept, _) = latest(&hearing, entries).await;
        assert_eq!((reason, kept.as_slice()), (PushFate::Undecodable, stream));
    }
    // Cut off by a loss of power, for example.
    drop(hearing.connect(&octets("0001 0001 0067 0020 0F 0000"), 100).await);
    entries += 1;
    assert_eq!(latest(&hearing, entries).await.2, octets("0001 0001 0067 0020 0F 0000"));
    // A frame that is not understood does not end a stream that is in step.
    hearing.served.database.meter("A1");
    let both = [framed(&[0x0F]), framed(&entry("A1", 1, 0, false))].concat();
    let _connection = hearing.connect(&both, 3).await;
    hearing.until(ALARMS, "1").await;
    hearing.stop().await;
}

/// C-11 and C-12: connections that bring nothing, and too many of one peer.
#[tokio::test]
async fn who_is_slow_or_too_many_is_closed_and_the_others_are_heard() {
    let limits =
        config::Listener { frame_timeout: Duration::from_secs(1), connections_per_address: 3, ..config() };
    let hearing = Hearing::with(limits).await;
    hearing.served.database.meter("A1");
    let mut silent = hearing.connect(&[], 1).await;
    let mut slow = hearing.connect(&[0, 1, 0], 1).await;
    let mut good = hearing.connect(&framed(&entry("A1", 1, 0, true)), 100).await;
    let mut refused = hearing.connect(&[], 1).await;
    assert!(is_closed(&mut refused).await, "a fourth one");
    let mut frame = [0; 14];
    soon(good.read_exact(&mut frame)).await.unwrap();
    assert!(is_closed(&mut slow).await);
    // Who says nothing is asked who it is before.
    let mut questions = Vec::new();
    let _closed = soon(silent.read_to_end(&mut questions)).await;
    assert_eq!(questions[..6], [0, 1, 0, 16, 0, 1]);
    assert_eq!(latest(&hearing, 1).await.2, [0, 1, 0]);
    // There is room again, and who is silent between frames stays.
    let again = hearing.connect(&[], 1).await;
    good.write_all(&framed(&entry("A1", 1, 1, true))).await.unwrap();
    soon(good.read_exact(&mut frame)).await.unwrap();
    drop(again);
    hearing.stop().await;
}

#[tokio::test]
async fn the_quarantine_keeps_the_latest() {
    let limits = config::Listener { quarantine_entries: 5, quarantine_octets: 1 << 16, ..config() };
    let hearing = Hearing::with(limits).await;
    for number in 0..7_u8 {
        hearing.send(&[b'x', number]);
        hearing
            .until(
                "SELECT coalesce(sum(pushes), 0) FROM push_tally WHERE fate = 'undecodable'",
                &(number + 1).to_string(),
            )
            .await;
    }
    let page = quarantine(&hearing).await;
    let kept: Vec<u8> = page.pushes.iter().map(|push| push.octets[1]).collect();
    assert_eq!(kept, [6, 5, 4, 3, 2]);
    let counts: Vec<_> = page.counts.iter().map(|count| (count.fate(), count.pushes)).collect();
    assert_eq!(counts, [(PushFate::Undecodable, 7), (PushFate::Evicted, 2)]);
    let hearing =
        Hearing::over(hearing.stop().await, config::Listener { quarantine_octets: 1 << 14, ..config() })
            .await;
    for number in 0..10_u8 {
        hearing.send(&[number; 2048]);
        hearing
            .until("SELECT pushes FROM push_tally WHERE fate = 'undecodable'", &(number + 8).to_string())
            .await;
    }
    assert_eq!(hearing.sql("SELECT count(*), sum(octet_length(octets)) FROM push_quarantine"), "8|16384");
    hearing.stop().await;
}

#[tokio::test]
async fn forged_pushes_do_not_use_up_the_share_of_authentic_ones() {
    let hearing = Hearing::with(config::Listener { alarms_per_meter: 3, ..config() }).await;
    gmac_meter(&hearing, "G1");
    for second in 0..5 {
        hearing.send(&framed(&entry("G1", 99, second, false)));
    }
    hearing.until(QUARANTINE, "2").await;
    assert_eq!(latest(&hearing, 2).await.0, PushFate::TooMany);
    hearing.send(&framed(&sealed(Wrapping::GeneralGlobal(Some(TITLE)), &cipher(), 1)));
    hearing.until("SELECT count(*), count(*) FILTER (WHERE authenticated) FROM alarm", "4|1").await;
    // Nothing but alarms has changed.
    assert_eq!(
        hearing.sql("SELECT firmware IS NULL, logical_device_name IS NULL, next FROM meter, meter_counter"),
        "t|t|1"
    );
    hearing.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_confirmed_and_what_finds_no_place_is_counted() {
    const PUSHES: usize = 1_500;
    let hearing = Hearing::with(config::Listener { queue: 4, alarms_per_meter: 100_000, ..config() }).await;
    hearing.served.database.meter("A1");
    let mut blocker = hearing.served.database.store.pool().begin().await.unwrap();
    sqlx::query("SELECT alarm_order()").execute(&mut *blocker).await.unwrap();
    let mut waiting = hearing.connect(&framed(&entry("A1", 1, -1, true)), 100).await;
    for second in 0..PUSHES {
        hearing.send(&framed(&entry("A1", 1, second as i64, false)));
    }
    let mut frame = [0; 14];
    let early = tokio::time::timeout(Duration::from_millis(300), waiting.read(&mut frame)).await;
    assert!(early.is_err(), "nothing is stored yet");
    blocker.rollback().await.unwrap();
    soon(waiting.read_exact(&mut frame)).await.unwrap();
    hearing.send(&framed(&entry("A1", 2, 0, false)));
    hearing
        .until(
            "SELECT sum(pushes) FROM push_tally WHERE fate IN ('stored', 'queue_full')",
            &(PUSHES + 2).to_string(),
        )
        .await;
    assert_eq!(hearing.sql("SELECT pushes > 0 FROM push_tally WHERE fate = 'queue_full'"), "t");
    assert_eq!(
        hearing.sql("SELECT count(*) = (SELECT pushes FROM push_tally WHERE fate = 'stored') FROM alarm"),
        "t"
    );
    hearing.stop().await;
}
