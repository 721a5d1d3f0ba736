#!/usr/bin/env python3
"""A gateway to a serial device that takes orders of RFC 2217, made of a package that this project did not write.

A program of its own: it listens on a free port of 127.0.0.1, prints the port, and serves one connection after the other until it is
ended. Every change of speed is printed as a line `baud 9600`.
"""

import argparse
import socket
import threading

import serial
import serial.rfc2217


class Device(serial.Serial):
    """A device without modem lines, such as a pseudo terminal."""

    cts = dsr = cd = property(lambda _: True)
    ri = property(lambda _: False)


class Connection:
    """The socket as the package wants it."""

    def __init__(self, sock):
        self.sock, self.lock = sock, threading.Lock()

    def write(self, data):
        with self.lock:
            self.sock.sendall(data)


def serve(sock, device):
    with Device(device, timeout=0.02) as port:
        connection = Connection(sock)
        manager = serial.rfc2217.PortManager(port, connection)
        closed = threading.Event()

        def back():
            while not closed.is_set():
                if data := port.read(port.in_waiting or 1):
                    connection.write(b"".join(manager.escape(data)))

        reader = threading.Thread(target=back, daemon=True)
        reader.start()
        speed = port.baudrate
        while data := sock.recv(1024):
            port.write(b"".join(manager.filter(data)))
            if port.baudrate != speed:
                speed = port.baudrate
                print(f"baud {speed}", flush=True)
        closed.set()
        reader.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("device")
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            sock, _ = server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock:
                serve(sock, arguments.device)


if __name__ == "__main__":
    main()
