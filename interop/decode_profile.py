#!/usr/bin/env python3
"""Decodes the answer with a day of a load profile again and again, with a DLMS client that this project did not write.

Standard input: the wrapper PDU in hexadecimal digits, plain or ciphered. Prints the nanoseconds of processor time that one answer took, from the
octets to the cells of the rows: the median of the rounds.
"""

import argparse
import statistics
import sys
import time

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient


def client_of(arguments):
    client = GXDLMSSecureClient(True, 16, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    if arguments.key:
        client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        client.ciphering.blockCipherKey = bytes.fromhex(arguments.key)
        client.ciphering.authenticationKey = bytes.fromhex(arguments.auth_key)
        client.ciphering.systemTitle = bytes.fromhex(arguments.client_title)
        client.settings.sourceSystemTitle = bytes.fromhex(arguments.system_title)
    return client


def profile():
    item = GXDLMSProfileGeneric("1.0.99.1.0.255")
    columns = [GXDLMSClock("0.0.1.0.0.255"), GXDLMSData("0.0.96.10.1.255")]
    columns += [GXDLMSRegister(f"1.0.{quantity}.8.0.255") for quantity in range(1, 5)]
    item.captureObjects = [(column, GXDLMSCaptureObject(2, 0)) for column in columns]
    return item


def decode(client, item, octets):
    item.buffer = []
    reply = GXReplyData()
    client.getData(GXByteBuffer(octets), reply, None)
    client.updateValue(item, 2, reply.value)
    return item.buffer


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--key")
    parser.add_argument("--auth-key")
    parser.add_argument("--system-title", help="of the meter")
    parser.add_argument("--client-title")
    arguments = parser.parse_args()
    octets = bytes.fromhex(sys.stdin.read())
    client, item, taken = client_of(arguments), profile(), []
    for _ in range(arguments.rounds):
        start = time.process_time_ns()
        rows = decode(client, item, octets)
        taken.append(time.process_time_ns() - start)
        if len(rows) != 96 or int(rows[95][2]) != 1_000_000 + 37 * 95:
            sys.exit(f"decode_profile: {len(rows)} rows, the last one {rows[-1:]}")
    print(int(statistics.median(taken)))


if __name__ == "__main__":
    main()
