"""An association with a meter over TCP, with the wrapper or HDLC, by a DLMS client that this project did not write: gurux-dlms (PyPI, GPL-2.0).

Only the programs beside this file import it; nothing else here may.
"""

import contextlib
import socket
import sys

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSData
from gurux_dlms.secure import GXDLMSSecureClient

ANSWER_LIMIT_S = 10
HDLC = "hdlc://"
LEVELS = {
    "none": Authentication.NONE,
    "lls": Authentication.LOW,
    "md5": Authentication.HIGH_MD5,
    "sha1": Authentication.HIGH_SHA1,
    "gmac": Authentication.HIGH_GMAC,
    "sha256": Authentication.HIGH_SHA256,
}


class Association:
    """One application association with a meter, on a connection of its own."""

    def __init__(self, line, client_sap, level, secrets=None):
        is_hdlc = line.address.startswith(HDLC)
        host, port = line.address.removeprefix(HDLC).rsplit(":", 1)
        server = line.server_sap
        if is_hdlc and line.device_address is not None:
            server = GXDLMSSecureClient.getServerAddress(server, line.device_address)
        password = secrets.password if level not in ("none", "gmac") else None
        framing = InterfaceType.HDLC if is_hdlc else InterfaceType.WRAPPER
        self.client = GXDLMSSecureClient(True, client_sap, server, LEVELS[level], password, framing)
        if is_hdlc:
            # One frame at a time: gurux-dlms 1.0.203 loses count in a window.
            link = self.client.hdlcSettings
            link.maxInfoTX = link.maxInfoRX = line.hdlc_max_info
        if level == "gmac":
            self.cipher_with(secrets)
        elif level == "sha256":
            self.client.ciphering.systemTitle = bytearray.fromhex(secrets.client_title)
        if secrets and secrets.max_pdu:
            self.client.maxReceivePDUSize = secrets.max_pdu
        self.level = level
        self.line = socket.create_connection((host, int(port)), ANSWER_LIMIT_S)

    def cipher_with(self, secrets):
        cipher = self.client.ciphering
        cipher.security = Security.AUTHENTICATION_ENCRYPTION
        cipher.systemTitle = bytearray.fromhex(secrets.client_title)
        cipher.blockCipherKey = bytearray.fromhex(secrets.encryption_key)
        cipher.authenticationKey = bytearray.fromhex(secrets.authentication_key)
        cipher.invocationCounter = secrets.counter
        # A meter that ciphers its association wants its release ciphered, too.
        self.client.useProtectedRelease = True

    def __enter__(self):
        link = self.client.snrmRequest()
        if link:
            self.client.parseUAResponse(self.ask(link).data)
        self.client.parseAareResponse(self.ask(self.client.aarqRequest()).data)
        if self.level not in ("none", "lls"):
            proof = self.ask(self.client.getApplicationAssociationRequest())
            self.client.parseApplicationAssociationResponse(proof.data)
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.ask(self.client.releaseRequest())
            if self.client.interfaceType == InterfaceType.HDLC:
                self.ask(self.client.disconnectRequest())
        self.line.close()

    def ask(self, frames):
        """Sends a request and gathers its answer, block by block."""
        reply = GXReplyData()
        for frame in frames if isinstance(frames, list) else [frames]:
            reply.clear()
            self.exchange(frame, reply)
            while reply.isMoreData():
                self.exchange(self.client.receiverReady(reply), reply)
        return reply

    def exchange(self, frame, reply):
        self.line.sendall(bytes(frame))
        received = GXByteBuffer()
        while not self.client.getData(received, reply, GXReplyData()):
            octets = self.line.recv(65536)
            if not octets:
                raise ConnectionError("the meter closed the connection")
            received.set(octets)
        if reply.error:
            raise ValueError(f"the meter refused: {reply.getErrorMessage()}")

    def value(self, item, attribute):
        return self.ask(self.client.read(item, attribute)).value

    def text(self, name):
        return bytes(self.value(GXDLMSData(name), 2)).decode("ascii")


def open_association(arguments):
    """The association that the arguments describe; with GMAC, the public client is asked for the counter first."""
    if arguments.security == "gmac":
        public = Association(arguments, arguments.public_sap, "none")
        with public as meter:
            arguments.counter = meter.value(GXDLMSData(arguments.counter_object), 2) + 1
    return Association(arguments, arguments.client_sap, arguments.security, arguments)


def add_arguments(parser):
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="with hdlc:// in front, HDLC")
    parser.add_argument("--device-address", type=int, help="the meter on its HDLC line")
    parser.add_argument("--hdlc-max-info", type=int, default=128, help="octets in a frame")
    parser.add_argument("--client-sap", type=int, required=True)
    parser.add_argument("--public-sap", type=int, default=16, help="who may read the invocation counter")
    parser.add_argument("--server-sap", type=int, default=1)
    parser.add_argument("--security", choices=LEVELS, required=True)
    parser.add_argument("--password", default="")
    parser.add_argument("--client-title", default="", help="hexadecimal, as the keys")
    parser.add_argument("--encryption-key", default="")
    parser.add_argument("--authentication-key", default="")
    parser.add_argument("--counter-object", default="0.0.43.1.0.255")
    parser.add_argument("--max-pdu", type=int, help="longest answer in one piece, in octets")


def print_record(*fields):
    print(",".join(str(field) for field in fields), file=sys.__stdout__)


def run(program, work):
    """Does the work; exit code 0 when all of it was done, otherwise a line on standard error says what went wrong."""
    try:
        # The library talks to itself on standard output, which belongs to the records.
        with contextlib.redirect_stdout(sys.stderr):
            work()
    except Exception as error:  # the library raises whatever it likes
        sys.exit(f"{program}: {type(error).__name__}: {' '.join(str(error).split())}")
