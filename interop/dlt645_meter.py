"""A meter that speaks DL/T 645-2007 over TCP, by a server that this project did not write: dlt645 (PyPI, Apache-2.0).

Takes address and port, prints one line when it listens, and ends when its input does.
"""

import sys

from dlt645 import MeterServerService


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    meter = MeterServerService.new_tcp_server("127.0.0.1", port, 30)
    meter.set_address(address)
    meter.set_00(0x00010000, 1234.56)
    meter.set_00(0x00020000, 7.89)
    meter.set_02(0x02010100, 229.8)
    if not meter.start():
        raise SystemExit("it does not listen")
    print("listening", flush=True)
    sys.stdin.read()
    meter.stop()


if __name__ == "__main__":
    main()
