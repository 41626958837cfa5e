#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a capture of N bidirectional UDP flows: first every flow's request, then every flow's answer.

Each address has a MAC of its own, so the capture can be used with the layer-2 part on.
"""

import argparse
import ipaddress
import struct
import sys

CLIENTS = 1024

def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def datagram(src: int, dst: int, sport: int, dport: int, size: int) -> bytes:
    payload = bytes(max(0, size - 14 - 20 - 8))
    length = 8 + len(payload)
    pseudo = struct.pack("!IIBBH", src, dst, 0, 17, length)
    udp = struct.pack("!HHHH", sport, dport, length, 0)
    odd = bytes(len(payload) % 2)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload + odd) or 0xFFFF)
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0, src, dst)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return ip + udp + payload


def flows(args):
    """(client, server, client port) of each flow; clients come first by address, then by port."""
    clients = int(args.clients.network_address) + 2
    servers = int(args.servers.network_address) + 2
    for i in range(args.flows):
        yield clients + i % CLIENTS, servers + i % args.n_servers, 10000 + i // CLIENTS


def ethernet(src: int, dst: int) -> bytes:
    return struct.pack("!HIHIH", 0x0200, dst, 0x0200, src, 0x0800)


def frames(args):
    for client, server, port in flows(args):
        yield ethernet(client, server) + datagram(client, server, port, args.port, args.size)
    for client, server, port in flows(args):
        yield ethernet(server, client) + datagram(server, client, args.port, port, args.size)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=32768)
    parser.add_argument("--out", required=True)
    parser.add_argument("--clients", type=ipaddress.ip_network, default="10.20.0.0/20", help="prefix of the initiators")
    parser.add_argument("--servers", type=ipaddress.ip_network, default="10.20.16.0/24", help="prefix of the responders")
    parser.add_argument("--n-servers", type=int, default=16)
    parser.add_argument("--port", type=int, default=53, help="the responders' port")
    parser.add_argument("--size", type=int, default=64, help="bytes of a frame")
    args = parser.parse_args()
    if not 0 < args.flows <= CLIENTS * 50000:
        parser.error("--flows: from 1 to %d" % (CLIENTS * 50000))
    with open(args.out, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, frame in enumerate(frames(args)):
            out.write(struct.pack("<IIII", 1700000000 + i // 1000000, i % 1000000, len(frame), len(frame)) + frame)
    return 0


if __name__ == "__main__":
    sys.exit(main())
