//! What a foreign meter pushes arrives as an event of that meter.

use std::net::TcpListener;

use ami_proto::v1::alarms_service_client::AlarmsServiceClient;
use ami_proto::v1::read_now_request::Target;
use ami_proto::v1::{Alarm, IdentityTarget, SubscribeAlarmsRequest};

use crate::head::Head;
use crate::meter::Meter;

/// Follows alarms until there are so many.
async fn follow(head: &Head, count: usize) -> Vec<Alarm> {
    let mut client = AlarmsServiceClient::new(head.channel.clone());
    let mut stream = client.subscribe_alarms(SubscribeAlarmsRequest::default()).await.unwrap().into_inner();
    let following = async {
        let mut alarms = Vec::new();
        while alarms.len() < count {
            alarms.extend(stream.message().await.unwrap().expect("the stream goes on").alarms);
        }
        alarms
    };
    let following = tokio::time::timeout(std::time::Duration::from_secs(60), following).await;
    following.unwrap_or_else(|_| panic!("{}", head.log()))
}

#[tokio::test]
#[ignore = "needs pymeter.py: see PYMETER"]
async fn data_notifications_arrive_on_a_subscribed_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let to = listener.to_string();
    for (security, arguments) in [("gmac", &[][..]), ("lls", &["--chunk", "1"])] {
        let meter = Meter::start(&[&["--push-to", &to, "--push-interval", "0.2"], arguments].concat());
        let head = Head::listening(listener).await;
        head.register(&meter, security, "UTC").await;
        let serial = meter.text("serial");
        // Its logical device name, which is what it pushes, is learnt here, and the title of a ciphered one.
        head.read(&serial, Target::Identity(IdentityTarget {})).await.unwrap();
        let alarms = follow(&head, 3).await;
        for alarm in &alarms {
            assert_eq!((alarm.meter_serial.as_str(), alarm.key.as_str()), (serial.as_str(), "push.data"));
            assert!(!alarm.authenticated && alarm.peer.starts_with("tcp 127.0.0.1:"), "{alarm:?}");
            // Clock, logical device name and energy, after eighteen octets.
            assert_eq!(alarm.raw[..2], [0x0F, 0x40]);
            let name = format!("PYM{serial}");
            assert!(alarm.raw.windows(name.len()).any(|part| part == name.as_bytes()), "{alarm:?}");
        }
        let title = head.sql("SELECT coalesce(encode(system_title, 'hex'), '') FROM meter");
        let expected = if security == "gmac" { meter.text("system_title") } else { String::new() };
        assert_eq!(title, expected);
    }
}
