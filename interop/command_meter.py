#!/usr/bin/env python3
"""Switches a meter, gives it a tariff or new firmware, with a DLMS client that this project did not write.

A program of its own (see meter_client.py). What the meter says afterwards is printed as CSV, one record a line:

    switch     switch,False,0,4               output state, control state, control mode: after disconnecting,
               switch,True,1,4                and after reconnecting
    tariff     passive,WINTER26,2,2,2         name, seasons, weeks, days: after writing,
               day,2,17:00=2                  each change of the rate on the days of the active side,
               active,WINTER26,2,2,2          after activating it
               special,1,12-25,1              number, date and day of each special day
    image      missing,14,0                   after every third block was left out: how many are missing,
                                              and which is the first; then the missing ones are sent
               status,3                       after verifying,
               info,20000,SIM-9.9             size and identification,
               status,6                       after activating,
               version,SIM-9.9                and the firmware that runs

Exit code 0: everything was done. Otherwise a line on standard error says what went wrong.
"""

import argparse
import datetime
import pathlib

from gurux_dlms import GXDate, GXDateTime, GXTime
from gurux_dlms.enums import DateTimeSkips
from gurux_dlms.objects import (
    GXDLMSActivityCalendar,
    GXDLMSDayProfile,
    GXDLMSDayProfileAction,
    GXDLMSDisconnectControl,
    GXDLMSImageTransfer,
    GXDLMSSeasonProfile,
    GXDLMSSpecialDay,
    GXDLMSSpecialDaysTable,
    GXDLMSWeekProfile,
)

from meter_client import add_arguments, open_association, print_record, run

SCRIPTS = "0.0.10.0.100.255"


def show(meter, item, *attributes):
    """The attributes of an object, as the meter has them now."""
    for attribute in attributes:
        meter.client.updateValue(item, attribute, meter.value(item, attribute))
    return item


def switch(meter, _):
    control = GXDLMSDisconnectControl("0.0.96.3.10.255")
    for command in (control.remoteDisconnect, control.remoteReconnect):
        meter.ask(command(meter.client))
        show(meter, control, 2, 3, 4)
        print_record("switch", control.outputState, int(control.controlState), int(control.controlMode))


def every_year(kind, month, day):
    moment = kind(datetime.datetime(2000, month, day))
    moment.skip |= DateTimeSkips.YEAR | DateTimeSkips.DAY_OF_WEEK | DateTimeSkips.DEVITATION
    return moment


def season(name, month, week):
    return GXDLMSSeasonProfile(name, every_year(GXDateTime, month, 1), week)


def week(name, days):
    profile = GXDLMSWeekProfile()
    profile.name = name
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for weekday, day in zip(names, days):
        setattr(profile, weekday, day)
    return profile


def action(hour, rate):
    start = GXTime(datetime.datetime(2000, 1, 1, hour))
    return GXDLMSDayProfileAction(start, SCRIPTS, rate)


def tariff(meter, _):
    calendar = GXDLMSActivityCalendar("0.0.13.0.0.255")
    calendar.calendarNamePassive = "WINTER26"
    calendar.seasonProfilePassive = [season(b"SUMMER", 4, b"FLAT"), season(b"WINTER", 11, b"DEAR")]
    calendar.weekProfileTablePassive = [week(b"FLAT", [1] * 7), week(b"DEAR", [2] * 5 + [1] * 2)]
    calendar.dayProfileTablePassive = [
        GXDLMSDayProfile(1, [action(0, 1)]),
        GXDLMSDayProfile(2, [action(0, 1), action(17, 2), action(21, 1)]),
    ]
    for attribute in range(6, 10):
        meter.ask(meter.client.write(calendar, attribute))
    show(meter, calendar, 6, 7, 8, 9)
    print_calendar(
        "passive",
        calendar.calendarNamePassive,
        calendar.seasonProfilePassive,
        calendar.weekProfileTablePassive,
        calendar.dayProfileTablePassive,
    )
    meter.ask(calendar.activatePassiveCalendar(meter.client))
    show(meter, calendar, 2, 3, 4, 5)
    for day in calendar.dayProfileTableActive:
        changes = (f"{time_of(change.startTime)}={change.scriptSelector}" for change in day.daySchedules)
        print_record("day", day.dayId, *changes)
    print_calendar(
        "active",
        calendar.calendarNameActive,
        calendar.seasonProfileActive,
        calendar.weekProfileTableActive,
        calendar.dayProfileTableActive,
    )
    special_days(meter)


def print_calendar(side, name, *tables):
    print_record(side, name, *(len(table) for table in tables))


def time_of(moment):
    return moment.value.strftime("%H:%M")


def special_days(meter):
    table = GXDLMSSpecialDaysTable("0.0.11.0.0.255")
    holiday = GXDLMSSpecialDay()
    holiday.index, holiday.date, holiday.dayId = 1, every_year(GXDate, 12, 25), 1
    table.entries = [holiday]
    meter.ask(meter.client.write(table, 2))
    for entry in show(meter, table, 2).entries:
        print_record("special", entry.index, entry.date.value.strftime("%m-%d"), entry.dayId)


def send_blocks(meter, transfer, octets, wanted):
    # The requests are ciphered when they are made: those that are not sent only leave a gap in the counters.
    for number, request in enumerate(transfer.imageBlockTransfer(meter.client, octets, [0])):
        if wanted(number):
            meter.ask(request)


def image(meter, arguments):
    octets = arguments.image.read_bytes()
    transfer = show(meter, GXDLMSImageTransfer("0.0.44.0.0.255"), 2, 5)
    meter.ask(transfer.imageTransferInitiate(meter.client, arguments.identifier, len(octets)))
    send_blocks(meter, transfer, octets, lambda number: number % 3 > 0)
    present = show(meter, transfer, 3, 4).imageTransferredBlocksStatus
    print_record("missing", present.count("0"), transfer.imageFirstNotTransferredBlockNumber)
    send_blocks(meter, transfer, octets, lambda number: present[number] == "0")
    meter.ask(transfer.imageVerify(meter.client))
    print_record("status", int(show(meter, transfer, 6).imageTransferStatus))
    for shown in show(meter, transfer, 7).imageActivateInfo:
        print_record("info", shown.size, bytes(shown.identification).decode("ascii"))
    meter.ask(transfer.imageActivate(meter.client))
    print_record("status", int(show(meter, transfer, 6).imageTransferStatus))
    print_record("version", meter.text("1.0.0.2.0.255"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_arguments(parser)
    parser.add_argument("--image", type=pathlib.Path, help="file with the image")
    parser.add_argument("--identifier", default="")
    works = {"switch": switch, "tariff": tariff, "image": image}
    parser.add_argument("work", choices=works)
    arguments = parser.parse_args()

    def work():
        with open_association(arguments) as meter:
            works[arguments.work](meter, arguments)

    run("command_meter", work)


if __name__ == "__main__":
    main()
