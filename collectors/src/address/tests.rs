use super::*;

#[test]
fn one_way_has_one_text() {
    for (given, kept) in [
        ("10.1.2.3:4059", "10.1.2.3:4059"),
        ("meter-17.example.com:1", "meter-17.example.com:1"),
        ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
        ("a_b:80", "a_b:80"),
        ("hdlc://gateway.example:4001", "hdlc://gateway.example:4001"),
        ("hdlc://[::1]:4001", "hdlc://[::1]:4001"),
        ("serial:///dev/ttyS0", "serial:///dev/ttyS0?baud=9600&parity=none"),
        ("serial:///dev/ttyS0?parity=even", "serial:///dev/ttyS0?baud=9600&parity=even"),
        ("serial:///dev/pts/5?parity=odd&baud=300", "serial:///dev/pts/5?baud=300&parity=odd"),
        (
            "serial:///dev/serial/by-id/usb-FTDI_FT232R-if00-port0?baud=115200",
            "serial:///dev/serial/by-id/usb-FTDI_FT232R-if00-port0?baud=115200&parity=none",
        ),
        ("optical:///dev/ttyUSB0", "optical:///dev/ttyUSB0?baud=300"),
        ("optical:///dev/ttyUSB0?baud=9600", "optical:///dev/ttyUSB0?baud=9600"),
        ("udp://10.1.2.3:4059", "udp://10.1.2.3:4059"),
        ("serial:///dev/ttyS0?echo=yes", "serial:///dev/ttyS0?baud=9600&parity=none&echo=yes"),
        ("serial:///dev/ttyS0?echo=no", "serial:///dev/ttyS0?baud=9600&parity=none"),
        ("serial://gateway.example:4001", "serial://gateway.example:4001?baud=9600&parity=none"),
        ("serial://[::1]:4001?baud=2400&parity=even", "serial://[::1]:4001?baud=2400&parity=even"),
        ("rfc2217://gateway:23?baud=1200", "rfc2217://gateway:23?baud=1200&parity=none"),
        ("inbound://202006001314", "inbound://202006001314"),
        ("inbound://202006001314?framing=wrapper", "inbound://202006001314"),
        ("inbound://modem-7?framing=hdlc", "inbound://modem-7?framing=hdlc"),
        ("concentrator://DC17/123456", "concentrator://DC17/123456"),
    ] {
        let address: Address = given.parse().unwrap();
        assert_eq!(address.to_string(), kept);
        assert_eq!(kept.parse(), Ok(address));
    }
}

#[test]
fn everything_else_is_refused_by_name() {
    use AddressError as Error;
    let long = format!("{}:1", "a".repeat(254));
    for (wrong, error) in [
        ("", Error::Host),
        ("host", Error::Host),
        (":1", Error::Host),
        ("host:", Error::Host),
        ("host:0", Error::Host),
        ("host:65536", Error::Host),
        ("2001:db8::1:80", Error::Host),
        ("[x]:1", Error::Host),
        ("a b:1", Error::Host),
        ("h:+1", Error::Host),
        ("hdlc://host", Error::Host),
        ("hdlc:///dev/ttyS0", Error::Host),
        ("hdlc://host:1/", Error::Host),
        ("hdlc://host:1?baud=300", Error::Host),
        (&long, Error::TooLong),
        ("tcp://host:1", Error::Scheme),
        ("HDLC://host:1", Error::Scheme),
        ("serial://ttyS0", Error::Host),
        ("udp://host", Error::Host),
        ("rfc2217:///dev/ttyS0", Error::Host),
        ("serial:///dev/ttyS0?echo=maybe", Error::Echo),
        ("optical:///dev/ttyS0?echo=yes", Error::Option),
        ("inbound://", Error::Caller),
        ("inbound://a b", Error::Caller),
        ("inbound://a/b", Error::Caller),
        ("inbound://a?framing=raw", Error::Framing),
        ("concentrator://DC17", Error::Node),
        ("concentrator:///1", Error::Node),
        ("concentrator://DC17/1/2", Error::Node),
        ("serial:///etc/passwd", Error::Device),
        ("serial:///dev/", Error::Device),
        ("serial:///dev/../etc/passwd", Error::Device),
        ("serial:///dev//ttyS0", Error::Device),
        ("serial:///dev/tty S0", Error::Device),
        ("serial:///dev/ttyS0?", Error::Option),
        ("serial:///dev/ttyS0?baud", Error::Option),
        ("serial:///dev/ttyS0?stop=2", Error::Option),
        ("serial:///dev/ttyS0?baud=300&baud=300", Error::Option),
        ("serial:///dev/ttyS0?baud=9601", Error::Speed),
        ("serial:///dev/ttyS0?baud=09600", Error::Speed),
        ("serial:///dev/ttyS0?parity=mark", Error::Parity),
        ("optical:///dev/ttyUSB0?parity=even", Error::Option),
    ] {
        assert_eq!(wrong.parse::<Address>(), Err(error), "{wrong}");
    }
}

#[test]
fn what_speaks_hdlc() {
    let is_hdlc = |text: &str| text.parse::<Address>().unwrap().is_hdlc();
    assert!(!["h:1", "udp://h:1", "inbound://1", "concentrator://1/2"].into_iter().any(is_hdlc));
    assert!(
        [
            "hdlc://h:1",
            "serial:///dev/ttyS0",
            "serial://h:1",
            "rfc2217://h:1",
            "optical:///dev/ttyS0",
            "inbound://1?framing=hdlc"
        ]
        .into_iter()
        .all(is_hdlc)
    );
}

#[test]
fn stations_of_one_line_name_the_same_one() {
    for (text, line) in [
        ("h:1", "h:1"),
        ("udp://h:1", "h:1"),
        ("hdlc://h:1", "h:1"),
        ("serial://h:1?baud=300", "h:1"),
        ("rfc2217://h:1?parity=even", "h:1"),
        ("serial:///dev/ttyS0?baud=2400&parity=even", "/dev/ttyS0"),
        ("optical:///dev/ttyS0", "/dev/ttyS0"),
        ("inbound://7?framing=hdlc", "inbound://7"),
        ("concentrator://DC17/1", "concentrator://DC17"),
    ] {
        assert_eq!(text.parse::<Address>().unwrap().line(), line);
    }
    let node: Address = "concentrator://DC17/1".parse().unwrap();
    assert_eq!(node.node(), Some(("DC17", "1")));
    assert_eq!("inbound://7".parse::<Address>().unwrap().caller(), Some("7"));
}
