#!/usr/bin/env python3
"""Reads a meter over TCP with a DLMS client that this project did not write.

A program of its own (see meter_client.py). It prints CSV, one record a line, the kind of record first:

    serial,30000000
    name,SIM30000000
    clock,1772323200                          seconds since 1970
    columns,8/0.0.1.0.0.255/2,3/1.0.1.8.0.255/2
    row,1772322300,4711                       clocks in seconds since 1970, other cells as the meter holds them

Exit code 0: everything was read. Otherwise a line on standard error says what went wrong.
"""

import argparse
import datetime

from gurux_dlms.enums import DataType
from gurux_dlms.objects import GXDLMSClock, GXDLMSProfileGeneric

from meter_client import add_arguments, open_association, print_record, run


def seconds(meter, octets):
    moment = meter.client.changeType(octets, DataType.DATETIME)
    return int(moment.value.timestamp())


def profile(meter, name, start, end):
    """Columns and rows of a profile between two instants."""
    item = GXDLMSProfileGeneric(name)
    meter.client.updateValue(item, 3, meter.value(item, 3))
    columns = [(item, capture.attributeIndex) for item, capture in item.captureObjects]
    request = meter.client.readRowsByRange(item, start, end)
    return columns, meter.ask(request).value or []


def cell(meter, column, value):
    return seconds(meter, value) if isinstance(column[0], GXDLMSClock) else int(value)


def read(arguments):
    with open_association(arguments) as meter:
        print_record("serial", meter.text("0.0.96.1.0.255"))
        print_record("name", meter.text("0.0.42.0.0.255"))
        print_record("clock", seconds(meter, meter.value(GXDLMSClock("0.0.1.0.0.255"), 2)))
        columns, rows = profile(meter, arguments.profile, arguments.start, arguments.end)
        print_record("columns", *(f"{int(i.objectType)}/{i.logicalName}/{a}" for i, a in columns))
        for row in rows:
            print_record("row", *(cell(meter, column, value) for column, value in zip(columns, row)))


def instant(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("an instant needs its offset, such as 2026-03-01T00:00:00Z")
    return moment


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_arguments(parser)
    parser.add_argument("--profile", default="1.0.99.1.0.255")
    parser.add_argument("--from", dest="start", type=instant, required=True)
    parser.add_argument("--to", dest="end", type=instant, required=True)
    arguments = parser.parse_args()
    run("read_profile", lambda: read(arguments))


if __name__ == "__main__":
    main()
