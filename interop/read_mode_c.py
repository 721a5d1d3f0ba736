"""Reads a meter by IEC 62056-21, mode C, over TCP with a client that this project did not write: iec62056-21 (PyPI, BSD-3-Clause).

Takes host:port, the device address, and the names of data sets to read in programming mode; prints each data set of the read-out, and then each of those read one
by one, as `name value unit`.
"""

import sys

from iec62056_21.client import Iec6205621Client


def client(address, device_address):
    host, port = address.rsplit(":", 1)
    made = Iec6205621Client.with_tcp_transport((host, int(port)), device_address=device_address)
    made.connect()
    return made


def show(name, value, unit):
    print(name, value, unit or "-")


def main():
    address, device_address, *names = sys.argv[1:]
    reader = client(address, device_address)
    for data_set in reader.standard_readout().data:
        show(data_set.address, data_set.value, data_set.unit)
    reader.disconnect()
    reader = client(address, device_address)
    reader.startup()
    reader.ack_with_option_select("programming")
    reader.read_response()
    for name in names:
        found = reader.read_single_value(name, "")
        show(name, found.value, found.unit)
    reader.send_break()
    reader.disconnect()


if __name__ == "__main__":
    main()
