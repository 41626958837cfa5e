# SPDX-License-Identifier: BSD-3-Clause
"""Frames written as scapy expressions, sent by a lab's host: those that must not arrive and are counted under their reason, and
those that must."""

import subprocess
import textwrap

import tap
from lab import wait_for

SCAPY = '''
from scapy.all import (ARP, Dot1AD, Dot1Q, Ether, ICMPv6NDOptDstLLAddr, ICMPv6ND_NA, ICMPv6ND_RA, IP, IPv6, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, Raw, TCP, UDP, sendp)
'''
MARK = b'cordon-l2-mark-'


def mac(lab, name):
    out = subprocess.run(['ip', '-n', lab.ns(name), '-br', 'link', 'show', 'eth0'], capture_output=True, text=True).stdout
    return out.split()[2]


def send(lab, host, frames):
    """Send frames written as scapy expressions, with the hosts' MACs and addresses as names."""
    names = {f'{n}_mac': mac(lab, n) for n in lab.hosts} | {f'{n}_ip': h.v4 for n, h in lab.hosts.items()} | {
        f'{n}_ip6': h.v6 for n, h in lab.hosts.items()}
    code = SCAPY + '\n'.join(f'{k} = {v!r}' for k, v in names.items()) + '\nfor f in [' + ', '.join(frames) + ']:\n' + \
        '    sendp(f, iface="eth0", verbose=0)\n'
    done = lab.run(host, ['/usr/bin/python3', '-c', code], timeout=30)
    if done.returncode:
        raise AssertionError(done.stderr)


class Capture:
    """Everything that comes in at one host meanwhile."""

    def __init__(self, lab, host):
        self.file = lab.dir / f'l2-{host}.pcap'
        self.file.unlink(missing_ok=True)
        self.proc = subprocess.Popen(['ip', 'netns', 'exec', lab.ns(host), 'tcpdump', '-i', 'eth0', '-Q', 'in', '-U', '-s', '0', '-w',
                                      str(self.file), '-Z', 'root'], stderr=subprocess.DEVNULL)
        wait_for('capture runs', lambda: self.file.exists() and self.file.stat().st_size >= 24, 10)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.proc.terminate()
        self.proc.wait()

    def count(self, mark):
        return self.file.read_bytes().count(mark)


def dropped(lab, reason):
    return lab.status()['laws']['reasons'].get(reason, 0)


def refused(lab, reason, host, frame, witness='web'):
    """The frame carries a mark; it must be counted under its reason and not arrive."""
    def case():
        before = dropped(lab, reason)
        mark = MARK + reason.encode()
        with Capture(lab, witness) as capture:
            send(lab, host, [textwrap.dedent(frame).strip().replace('MARK', repr(mark))])
            wait_for(f'one more {reason}', lambda: dropped(lab, reason) == before + 1, 5)
            tap.equal(capture.count(mark), 0, 'arrived')
    return case


def passes(lab, host, frame, witness):
    def case():
        mark = MARK + b'passes'
        with Capture(lab, witness) as capture:
            send(lab, host, [frame.replace('MARK', repr(mark))])
            wait_for('arrived', lambda: capture.count(mark) == 1, 5)
    return case


def arp_answered(lab):
    def case():
        lab.run('staff', ['ip', 'neigh', 'flush', 'all'])
        tap.equal(lab.run('staff', ['ping', '-c1', '-W2', lab.hosts['web'].v4]).returncode, 0, 'ping')
    return case


def laws_close(lab):
    def case():
        lab.laws(20)
    return case
