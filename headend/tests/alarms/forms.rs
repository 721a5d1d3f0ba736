//! Every form in which meters push, over both transports.

use ami_proto::v1::{Alarm, AlarmSeverity, AlarmSource, ImportMetersRequest, SubscribeAlarmsRequest};
use dlms::apdu::{DataNotificationConfirm, GeneralBlock};
use dlms::security::Wrapping;
use simulator::{Fleet, FleetConfig, PushOptions, Pusher, Security, Transport, inventory};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::hearing::{Hearing, TITLE, cipher, entry, framed, gmac_meter, octets, sealed, through};
use crate::served::soon;

/// What a subscriber has to see of a push.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    meter: String,
    key: String,
    severity: AlarmSeverity,
    source: AlarmSource,
    obis: String,
    code: Option<u32>,
    meter_time: Option<String>,
}

impl From<&Alarm> for Seen {
    fn from(alarm: &Alarm) -> Self {
        let time = alarm.meter_time.map(|time| jiff::Timestamp::new(time.seconds, time.nanos).unwrap());
        Self {
            meter: alarm.meter_serial.clone(),
            key: alarm.key.clone(),
            severity: alarm.severity(),
            source: alarm.source(),
            obis: alarm.obis.clone(),
            code: alarm.code,
            meter_time: time.map(|time| time.to_string()),
        }
    }
}

fn seen(meter: &str, key: &str, source: AlarmSource, obis: &str, code: Option<u32>, time: &str) -> Seen {
    let severity = if key == "power.last_gasp" { AlarmSeverity::Critical } else { AlarmSeverity::Info };
    let meter_time = Some(time.to_owned()).filter(|time| !time.is_empty());
    Seen { meter: meter.into(), key: key.into(), severity, source, obis: obis.into(), code, meter_time }
}

/// Frames as meters of several makers send them, and what a subscriber has to see of each. The meters' ids are in the bodies, but for the
/// last one, which is told by its address.
fn forms() -> Vec<(Vec<u8>, Vec<Seen>)> {
    use AlarmSource::{Bit, Data, Event, Object};
    let dutch = "4530303236303030313233343536373839";
    vec![
        (
            octets(
                "0001 0067 0066 002A C2 09 0C 07E70706040A362600FF8880 0001 808080808000 02 0910 4B413650303035303339303231313130",
            ),
            vec![seen(
                "ISK1",
                "power.last_gasp",
                Object,
                "128.128.128.128.128.0",
                None,
                "2023-07-06T08:54:38Z",
            )],
        ),
        (
            octets(
                "0001 0067 0066 002A C2 09 0C 07E70A19030B122900FF8880 0001 0000600101FF 02 0910 4B414C37303035303838313136373132",
            ),
            vec![seen("ISK2", "comm.online", Object, "0.0.96.1.1.255", None, "2023-10-25T09:18:41Z")],
        ),
        (
            framed(&octets(&format!("0F 00000001 00 0203 0911 {dutch} 0906 0003190900FF 06 00000001"))),
            vec![seen("E0026000123456789", "power.last_gasp", Bit, "0.3.25.9.0.255", Some(0), "")],
        ),
        (
            framed(&octets(&format!("0F 00000002 00 0203 0911 {dutch} 0906 0003190900FF 06 00000002"))),
            vec![seen("E0026000123456789", "power.last_gasp_test", Bit, "0.3.25.9.0.255", Some(1), "")],
        ),
        (
            framed(&octets(
                "0F 40000007 0C 07EA031E010C000000000000 0203 090C 07EA031E010C000000000000 090B 50594D3130303030303030 06 00001234",
            )),
            vec![seen("10000000", "push.data", Data, "", None, "2026-03-30T12:00:00Z")],
        ),
        (
            framed(&entry("10000000", 21, 0, false)),
            vec![seen("10000000", "billing.end", Event, "0.0.99.98.0.255", Some(21), "2026-03-30T12:00:00Z")],
        ),
        (
            framed(&entry("10000000", 200, 0, false)),
            vec![seen("10000000", "unknown", Event, "0.0.99.98.0.255", Some(200), "2026-03-30T12:00:00Z")],
        ),
        (
            octets(
                "0001 0001 0066 0022 C2 00 0007 0000636201FF 02 0101 0202 090C 07E90A1F05110F39FF800000 06 00000029",
            ),
            vec![seen(
                "OEM1",
                "tamper.terminal_cover_closed",
                Event,
                "0.0.99.98.1.255",
                Some(41),
                "2025-10-31T16:15:57Z",
            )],
        ),
    ]
}

/// The same of HDLC: of a meter that is told by its address, and of a Landis+Gyr E450 (its number and the last check sequence are others), which describes itself and sends each block of a general
/// block transfer in a frame of its own.
fn forms_of_hdlc() -> Vec<(Vec<u8>, Vec<Seen>)> {
    let plain = "7E A021 CD 03 13 CC4B E6E700 0F 00000001 00 0202 0906 0000616200FF 06 00000004 EE02 7E";
    let e450 = "7EA084CEFF0313128BE6E700E04000010000700F0001D3760C07E5061C010F1B32FF800000020E010E020412002809060008190900FF0F021200000204120028\
                09060008190900FF0F01120000020412000109060000600100FF0F02120000020412000309060100010700FF0F02120000020412000309060100020700FF0F02\
                120000B21A7E7EA07DCEFF0313D045E040000200006C020412000309060101010800FF0F02120000020412000309060101020800FF0F02120000020412000309\
                060101050800FF0F02120000020412000309060101060800FF0F02120000020412000309060101070800FF0F02120000020412000309060101080800FF0F0212\
                0000C1957E7EA08ACEFF0313AAEAE0C000030000790204120003090601001F0700FF0F02120000020412000309060100330700FF0F0212000002041200030906\
                0100470700FF0F0212000009060008190900FF090838363535323737330600000047060000000006000343F20600000000060000209D06000000000600000000\
                060001A0221200241200111200106D127E";
    vec![
        (octets(plain), vec![seen("OEM1", "power.up", AlarmSource::Bit, "0.0.97.98.0.255", Some(2), "")]),
        (
            octets(e450),
            vec![seen("86552773", "push.data", AlarmSource::Data, "", None, "2021-06-28T13:27:50Z")],
        ),
    ]
}

async fn with_meters() -> Hearing {
    let hearing = Hearing::new().await;
    let database = &hearing.served.database;
    for (serial, column, value) in [
        ("ISK1", "equipment_id", "KA6P005039021110"),
        ("ISK2", "equipment_id", "KAL7005088116712"),
        ("10000000", "logical_device_name", "PYM10000000"),
    ] {
        database.meter(serial);
        database.sql(&format!(
            "UPDATE meter SET {column} = '{value}', address = '10.0.0.9:1' WHERE serial = '{serial}'"
        ));
    }
    for serial in ["E0026000123456789", "86552773"] {
        database.meter(serial);
        database.sql(&format!("UPDATE meter SET address = '10.0.0.9:1' WHERE serial = '{serial}'"));
    }
    // The only one at this address.
    database.meter("OEM1");
    hearing
}

#[tokio::test]
async fn over_tcp_in_one_stream_however_it_is_cut() {
    let forms = [forms(), forms_of_hdlc()].concat();
    let stream: Vec<u8> = forms.iter().flat_map(|(frame, _)| frame.clone()).collect();
    for piece in [1, 7, stream.len()] {
        let hearing = with_meters().await;
        let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
        let connection = hearing.connect(&stream, piece).await;
        let expected: Vec<&Seen> = forms.iter().flat_map(|(_, seen)| seen).collect();
        let alarms = subscriber.next(expected.len()).await;
        for (alarm, expected) in alarms.iter().zip(expected) {
            assert_eq!(&Seen::from(alarm), expected);
            assert!(!alarm.authenticated && alarm.peer.starts_with("tcp 127.0.0.1:"), "{alarm:?}");
        }
        drop(connection);
        hearing.stop().await;
    }
}

#[tokio::test]
async fn over_udp_one_in_a_datagram() {
    let hearing = with_meters().await;
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let text = |content: &[u8]| [b"E0026000123456789,", content].concat();
    let mut forms = forms();
    let dutch = |key, source, obis, code| vec![seen("E0026000123456789", key, source, obis, code, "")];
    forms.push((text(&[0, 0, 0, 4]), dutch("power.up", AlarmSource::Bit, "0.0.97.98.0.255", Some(2))));
    forms.push((
        text(&[0, 0, 96, 1, 1, 255]),
        dutch("comm.online", AlarmSource::Object, "0.0.96.1.1.255", None),
    ));
    for (datagram, expected) in forms {
        hearing.send(&datagram);
        let alarms = subscriber.next(expected.len()).await;
        assert_eq!(alarms.iter().map(Seen::from).collect::<Vec<_>>(), expected);
        assert!(alarms.iter().all(|alarm| alarm.peer.starts_with("udp 127.0.0.1:")), "{alarms:?}");
    }
    hearing.stop().await;
}

#[tokio::test]
async fn ciphered_ones_are_believed_and_plain_ones_marked() {
    let hearing = Hearing::new().await;
    gmac_meter(&hearing, "G1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let general = sealed(Wrapping::GeneralGlobal(Some(TITLE)), &cipher(), 1);
    // Without a title in it, the only meter at this address is asked for.
    let service = sealed(Wrapping::Global(0xC2), &cipher(), 2);
    for (octets, authenticated) in
        [(framed(&general), true), (framed(&service), true), (framed(&entry("G1", 99, 0, false)), false)]
    {
        hearing.send(&octets);
        let alarm = subscriber.next(1).await.remove(0);
        assert_eq!((alarm.key.as_str(), alarm.authenticated), ("power.last_gasp", authenticated));
        assert_eq!(alarm.severity(), AlarmSeverity::Critical);
        assert_eq!(alarm.meter_serial, "G1");
        // What is kept is the push in the clear.
        assert!(matches!(alarm.raw[0], 0x0F | 0xC2), "{:02X?}", alarm.raw);
    }
    assert_eq!(hearing.sql("SELECT last FROM meter_push_counter"), "2");
    hearing.stop().await;
}

/// The frames are those of Green Book 10.10; the devices say nothing of themselves, and the gateway is a meter of the inventory, too.
#[tokio::test]
async fn what_comes_through_a_gateway_is_of_the_device_behind_it() {
    let hearing = Hearing::new().await;
    let chunk = b"serial,model,address,zone,security\n\
        GW1,dlms-gateway,127.0.0.1:4059,UTC,none\n\
        N1,generic-dlms,concentrator://GW1/123456,UTC,none\n\
        N2,generic-dlms,concentrator://GW1/2,UTC,none\n"
        .to_vec();
    let import = tokio_stream::iter([ImportMetersRequest { chunk }]);
    let imported = hearing.served.inventory().import_meters(import).await.unwrap().into_inner();
    assert_eq!(imported.imported, 3, "{imported:?}");
    gmac_meter(&hearing, "G1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let push = octets("0F 40000007 00 0202 0906 0000616200FF 06 00000004");
    let mut connection = hearing.connect(&framed(&through(0xE7, "123456", &push)), 5).await;
    let alarm = subscriber.next(1).await.remove(0);
    assert_eq!((alarm.meter_serial.as_str(), alarm.key.as_str(), &alarm.raw), ("N1", "power.up", &push));
    let mut answer = [0; 23];
    soon(connection.read_exact(&mut answer)).await.unwrap();
    assert_eq!(
        answer[8..],
        octets("E6 00 06 313233343536 10 40000007 00"),
        "that it was taken goes through it, too"
    );

    let named = framed(&through(0xE7, "7", &entry("N2", 99, 0, false)));
    let ciphered =
        framed(&through(0xE7, "123456", &sealed(Wrapping::GeneralGlobal(Some(TITLE)), &cipher(), 1)));
    for (frame, meter, authenticated) in [(named, "N2", false), (ciphered, "G1", true)] {
        hearing.send(&frame);
        let alarm = subscriber.next(1).await.remove(0);
        assert_eq!((alarm.meter_serial.as_str(), alarm.authenticated), (meter, authenticated));
    }
    // Of a device that nobody knows it is nobody's, and never the gateway's.
    let stranger = through(0xE7, "654321", &push);
    hearing.send(&framed(&stranger));
    let kept = format!("unknown_sender|{}", hex(&stranger));
    hearing.until("SELECT reason, encode(octets, 'hex') FROM push_quarantine", &kept).await;
    hearing.stop().await;
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Octets of a push in one block, and of the frame around the block.
const PIECE: usize = 8;
const PIECE_FRAMED: usize = 8 + 7 + PIECE;

/// A push in general blocks, none of which is to be answered, each in a frame of its own.
fn in_blocks(apdu: &[u8]) -> Vec<u8> {
    let count = apdu.chunks(PIECE).count();
    let blocks = apdu.chunks(PIECE).zip(1..).map(|(octets, number)| {
        let (last, mut block) = (usize::from(number) == count, Vec::new());
        GeneralBlock { last, streaming: true, window: 0, number, acknowledged: 0, octets }.encode(&mut block);
        framed(&block)
    });
    blocks.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn long_ones_come_in_blocks_and_a_gap_loses_one() {
    let hearing = Hearing::new().await;
    gmac_meter(&hearing, "G1");
    let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
    let general = sealed(Wrapping::GeneralGlobal(Some(TITLE)), &cipher(), 1);
    let plain = in_blocks(&entry("G1", 99, 0, false));
    // Without its second block.
    let mut gap = plain.clone();
    gap.drain(PIECE_FRAMED..2 * PIECE_FRAMED);
    let connection = hearing.connect(&[gap, in_blocks(&general), plain].concat(), 7).await;
    for authenticated in [true, false] {
        let alarm = subscriber.next(1).await.remove(0);
        assert_eq!((alarm.key.as_str(), alarm.authenticated), ("power.last_gasp", authenticated));
        assert_eq!(alarm.meter_serial, "G1");
    }
    hearing.until("SELECT count(*) FROM push_quarantine", "1").await;
    drop(connection);
    hearing.stop().await;
}

#[tokio::test]
async fn simulated_meters_play_a_last_gasp_in_every_way() {
    let sed302 = models::builtin().unwrap()["sed302"].clone();
    for security in [Security::Gmac, Security::Lls] {
        let hearing = Hearing::new().await;
        let fleet = Fleet::start(FleetConfig { security, ..FleetConfig::new(sed302.clone()) }).await.unwrap();
        let chunk = inventory(&fleet).into_bytes();
        let import = tokio_stream::iter([ImportMetersRequest { chunk }]);
        let imported = hearing.served.inventory().import_meters(import).await.unwrap().into_inner();
        assert_eq!(imported.imported, 1, "{imported:?}");
        let mut subscriber = hearing.subscribe(SubscribeAlarmsRequest::default()).await;
        let (meter, mut pusher) = (&fleet.meters()[0], Pusher::new());
        for (key, severity) in [
            ("power.last_gasp", AlarmSeverity::Critical),
            ("power.last_gasp_test", AlarmSeverity::Info),
            ("tamper.magnet_on", AlarmSeverity::Critical),
        ] {
            for plain in [false, true] {
                let frame = pusher.frame(meter, key, PushOptions { plain, confirmed: true }).unwrap();
                let (to, over) =
                    if plain { (hearing.udp, Transport::Udp) } else { (hearing.tcp, Transport::Tcp) };
                assert_eq!(simulator::send(&frame, to, over, true).await.unwrap(), !plain, "{key}");
                let alarm = subscriber.next(1).await.remove(0);
                assert_eq!((alarm.key.as_str(), alarm.severity()), (key, severity));
                assert_eq!(alarm.authenticated, !plain && security == Security::Gmac, "{alarm:?}");
                assert_eq!(alarm.meter_serial, meter.serial());
                // Otherwise the second would be a repetition of the first, where both are plain.
                hearing.sql("UPDATE alarm SET received_at = received_at - interval '1 hour'");
            }
        }
        fleet.shutdown().await;
        hearing.stop().await;
    }
}

#[tokio::test]
async fn who_asks_for_a_confirmation_gets_it_when_the_alarm_is_stored() {
    let hearing = Hearing::new().await;
    hearing.served.database.meter("C1");
    let confirmed = framed(&entry("C1", 1, 0, true));
    let silent = framed(&entry("C1", 2, 1, false));
    let mut connection = hearing.connect(&[silent, confirmed.clone()].concat(), 5).await;
    let mut frame = [0; 14];
    soon(connection.read_exact(&mut frame)).await.unwrap();
    assert_eq!(hearing.sql("SELECT count(*) FROM alarm"), "2");
    // From the port that was pushed to, to the one that pushed.
    assert_eq!(frame[..8], [0, 1, 0, 103, 0, 1, 0, 6]);
    assert_eq!(DataNotificationConfirm::decode(&frame[8..]).unwrap().invoke.number(), 0x4000_0001);
    // A repetition is confirmed, too, and nothing else is ever sent.
    connection.write_all(&confirmed).await.unwrap();
    soon(connection.read_exact(&mut frame)).await.unwrap();
    assert_eq!(hearing.sql("SELECT code, repetitions FROM alarm ORDER BY id"), "2|0\n1|1");
    connection.write_all(&framed(&entry("nobody at all", 4, 5, true))).await.unwrap();
    hearing.until("SELECT count(*) FROM alarm", "3").await;
    connection.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(connection.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest.len(), 14, "the meter is told by its address");

    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&framed(&entry("C1", 3, 0, true)), hearing.udp).await.unwrap();
    let (length, from) = soon(socket.recv_from(&mut frame)).await.unwrap();
    assert_eq!((length, from), (14, hearing.udp));
    assert_eq!(hearing.sql("SELECT count(*) FROM alarm WHERE code = 3"), "1");
    hearing.stop().await;
}
