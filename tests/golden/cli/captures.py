# SPDX-License-Identifier: BSD-3-Clause
"""Frames and capture files made byte by byte, so that the tests need no capture in the tree and no packet library."""

import ipaddress
import struct

EN10MB, NULL, RAW, LOOP, SLL, IPV4, IPV6, SLL2 = 1, 0, 101, 108, 113, 228, 229, 276
START = 1_790_000_000_000_000  # microseconds: 2026-09-21T13:33:20Z

SYN, ACK, SYN_ACK, FIN_ACK, RST = 0x02, 0x10, 0x12, 0x11, 0x04


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(src, dst, proto, payload, sum_at=None):
    """An IP packet; `sum_at` is where in the payload its checksum belongs."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if sum_at is not None:
        if a.version == 6:
            pseudo = a.packed + b.packed + struct.pack('!IxxxB', len(payload), proto)
        else:
            pseudo = a.packed + b.packed + struct.pack('!xBH', proto, len(payload))
        if proto == 1:
            pseudo = b''
        value = checksum(pseudo + payload)
        payload = payload[:sum_at] + struct.pack('!H', value) + payload[sum_at + 2:]
    if a.version == 6:
        return struct.pack('!IHBB', 6 << 28, len(payload), proto, 64) + a.packed + b.packed + payload
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0) + a.packed + b.packed
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def tcp(src, sport, dst, dport, flags, data=b'', seq=1):
    return ip(src, dst, 6, struct.pack('!HHIIBBHHH', sport, dport, seq, 1, 0x50, flags, 8192, 0, 0) + data, 16)


def udp(src, sport, dst, dport, data=b''):
    return ip(src, dst, 17, struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data, 6)


def echo(src, dst, ident, reply=False, seq=1):
    six = ':' in src
    kind = (129 if reply else 128) if six else (0 if reply else 8)
    return ip(src, dst, 58 if six else 1, struct.pack('!BBHHH', kind, 0, 0, ident, seq) + b'ping', 2)


def arp(src, dst):
    return struct.pack('!HHBBH', 1, 0x0800, 6, 4, 1) + bytes(6) + ipaddress.ip_address(src).packed + bytes(
        6) + ipaddress.ip_address(dst).packed


def ethertype(packet):
    return 0x86dd if packet[0] >> 4 == 6 else 0x0800


def ether(packet, vlan=None, kind=None, src='525400000001', dst='525400000002'):
    tag = b'' if vlan is None else struct.pack('!HH', 0x8100, vlan)
    return bytes.fromhex(dst + src) + tag + struct.pack('!H', kind or ethertype(packet)) + packet


def link(link_type, packet, order='<'):
    """The packet as a capture of this link type holds it."""
    family = 10 if packet[0] >> 4 == 6 else 2
    if link_type == EN10MB:
        return ether(packet)
    if link_type == SLL:
        return struct.pack('!HHH8sH', 0, 1, 6, bytes.fromhex('5254000000010000'), ethertype(packet)) + packet
    if link_type == SLL2:
        return struct.pack('!HHIHBB8s', ethertype(packet), 0, 1, 1, 0, 6,
                           bytes.fromhex('5254000000010000')) + packet
    if link_type == NULL:
        return struct.pack(order + 'I', family) + packet
    if link_type == LOOP:
        return struct.pack('!I', family) + packet
    return packet


def write(path, frames, link_type=EN10MB, snap=None, cut=0):
    """`frames`: bytes, or (microseconds after START, bytes). One millisecond apart unless told."""
    out = bytearray(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, link_type))
    for number, frame in enumerate(frames):
        after, data = frame if isinstance(frame, tuple) else (number * 1000, frame)
        held = data if snap is None else data[:snap]
        seconds, micro = divmod(START + after, 1_000_000)
        out += struct.pack('<IIII', seconds, micro, len(held), len(data)) + held
    with open(path, 'wb') as file:
        file.write(out[:len(out) - cut])


def write_ng(path, frames, link_type=EN10MB):
    """The same as pcapng."""
    def block(kind, body):
        body += b'\0' * (-len(body) % 4)
        return struct.pack('<II', kind, len(body) + 12) + body + struct.pack('<I', len(body) + 12)

    out = block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1))
    out += block(1, struct.pack('<HHI', link_type, 0, 0))
    for number, data in enumerate(frames):
        time = START + number * 1000
        out += block(6, struct.pack('<IIIII', 0, time >> 32, time & 0xffffffff, len(data), len(data)) + data)
    with open(path, 'wb') as file:
        file.write(out)


STAFF, WEB, DB, CAM, NVR, WORLD = '10.10.0.7', '10.20.0.11', '10.20.0.31', '10.40.0.3', '10.40.0.50', '203.0.113.9'
STAFF6, WEB6 = 'fd00:10::7', 'fd00:20::11'


def session(src, sport, dst, dport, data=b'x' * 100):
    """A whole TCP session, as packets."""
    return [tcp(src, sport, dst, dport, SYN), tcp(dst, dport, src, sport, SYN_ACK),
            tcp(src, sport, dst, dport, ACK), tcp(src, sport, dst, dport, ACK, data),
            tcp(dst, dport, src, sport, ACK, data * 2), tcp(src, sport, dst, dport, FIN_ACK),
            tcp(dst, dport, src, sport, FIN_ACK), tcp(src, sport, dst, dport, ACK)]


def mixed():
    """A bit of everything that the small policy tells apart, as IP packets."""
    return (session(STAFF, 40001, WEB, 443) +
            [tcp(STAFF, 40002, WEB, 22, SYN)] * 3 +          # monitored: refused, would be allowed
            [tcp(STAFF, 40003, DB, 5432, SYN)] +             # default deny
            [udp(CAM, 5000, WORLD, 53, b'call home')] * 2 +  # denied by a guard
            session(STAFF, 40004, NVR, 8080) +               # let through by the monitored scope
            [tcp(STAFF, 40005, NVR, 22, SYN)] +              # but not that service
            [echo(STAFF, WEB, 7), echo(WEB, STAFF, 7, True), echo(WEB, STAFF, 9, True)] +
            [tcp(WEB, 443, STAFF, 40099, ACK)] +             # no session
            session(STAFF6, 40006, WEB6, 443) + [echo(STAFF6, WEB6, 3), echo(WEB6, STAFF6, 3, True)] +
            [ip(STAFF, WEB, 47, b'\0\0\x08\0')])             # no service names it
