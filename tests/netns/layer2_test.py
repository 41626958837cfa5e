# SPDX-License-Identifier: BSD-3-Clause
"""Layer 2 against a live gateway: spoofing, tags, guards, trunks. Each refusal is seen not to arrive and is counted
under its reason; each has a twin that passes."""

import os
import subprocess
import textwrap

import tap
from lab import HOSTS, ROOT, Host, Lab, wait_for

BUILD = os.environ['CORDON_BUILD']
POLICY = ROOT / 'policies/examples/agency-core'
TRUNK = Host('trunk', 'lan6', '10.20.0.22', 'fd00:20::22', title='tagged host', role='trunk, vlans: [20]')

SCAPY = '''
from scapy.all import ARP, Dot1Q, Ether, ICMPv6ND_RA, IP, IPv6, IPv6ExtHdrFragment, Raw, TCP, UDP, sendp
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
        lab.laws()
    return case


UDP_DNS = 'Ether(src={s}_mac, dst=dns_mac)/{tag}IP(src={ip}_ip, dst=dns_ip)/UDP(sport=4000, dport=53)/Raw(MARK)'
with Lab(BUILD, driver='net_af_packet', huge=False, hosts=HOSTS + [TRUNK]) as lab:
    lab.make_dirs()
    lab.make_network()
    lab.start_gateway()
    lab.cordon('commit', str(POLICY), '-m', 'first')
    lab.hosts.pop('trunk')
    lab.learn_hosts()
    lab.hosts['trunk'] = TRUNK
    tap.run([
        ('ARP and ping pass between staff and web', arp_answered(lab)),
        ('UDP to the name server passes', passes(lab, 'staff', UDP_DNS.format(s='staff', ip='staff', tag=''), 'dns')),
        ('a source address of somebody else', refused(lab, 'spoof', 'intruder', UDP_DNS.format(s='intruder', ip='staff', tag=''), 'dns')),
        ('a source MAC and address of somebody else', refused(lab, 'spoof', 'intruder', UDP_DNS.format(s='staff', ip='staff', tag=''), 'dns')),
        ('priority tag passes on an access port', passes(lab, 'staff', UDP_DNS.format(s='staff', ip='staff', tag='Dot1Q(vlan=0)/'), 'dns')),
        ('another tag on an access port', refused(lab, 'vlan', 'staff', UDP_DNS.format(s='staff', ip='staff', tag='Dot1Q(vlan=30)/'), 'dns')),
        ('two tags', refused(lab, 'vlan-stack', 'staff', UDP_DNS.format(s='staff', ip='staff', tag='Dot1Q(vlan=20)/Dot1Q(vlan=20)/'), 'dns')),
        ('untagged on a trunk without native', refused(lab, 'vlan', 'trunk', UDP_DNS.format(s='trunk', ip='trunk', tag=''), 'dns')),
        ('a tag that the trunk does not carry', refused(lab, 'vlan', 'trunk', UDP_DNS.format(s='trunk', ip='trunk', tag='Dot1Q(vlan=21)/'), 'dns')),
        ('a tagged ARP request makes it across', passes(
            lab, 'trunk', 'Ether(src=trunk_mac, dst="ff:ff:ff:ff:ff:ff")/Dot1Q(vlan=20)/'
            'ARP(op=1, hwsrc=trunk_mac, psrc=trunk_ip, pdst=dns_ip)/Raw(MARK)', 'dns')),
        ('ARP with a foreign sender address', refused(
            lab, 'arp', 'intruder', 'Ether(src=intruder_mac, dst="ff:ff:ff:ff:ff:ff")/'
            'ARP(op=1, hwsrc="02:00:00:00:00:99", psrc="10.20.0.67", pdst=web_ip)/Raw(MARK)')),
        ('router advertisement from a host', refused(
            lab, 'nd', 'intruder', 'Ether(src=intruder_mac, dst="33:33:00:00:00:01")/IPv6(src="fe80::1", dst="ff02::1", hlim=255)/'
            'ICMPv6ND_RA()/Raw(MARK)')),
        ('multicast', refused(lab, 'multicast', 'staff', 'Ether(src=staff_mac, dst="01:00:5e:01:01:01")/IP(src=staff_ip, dst="239.1.1.1")/'
                              'UDP(dport=5000)/Raw(MARK)')),
        ('spanning tree and unknown types', refused(lab, 'ethertype', 'staff', 'Ether(src=staff_mac, dst="01:80:c2:00:00:00", type=0x88cc)/Raw(MARK)')),
        # IPv6: the kernel puts IPv4 fragments together before an af_packet port of DPDK sees them
        ('a fragment', refused(lab, 'fragment', 'staff', 'Ether(src=staff_mac, dst=dns_mac)/IPv6(src=staff_ip6, dst=dns_ip6)/'
                               'IPv6ExtHdrFragment(m=1)/UDP(sport=4000, dport=53)/Raw(MARK)', 'dns')),
        ('source routing', refused(lab, 'options', 'staff', 'Ether(src=staff_mac, dst=dns_mac)/IP(src=staff_ip, dst=dns_ip, '
                                   'options=b"\\x83\\x07\\x04\\x0a\\x14\\x00\\x0b\\x00")/UDP(sport=4000, dport=53)/Raw(MARK)', 'dns')),
        ('TCP without a session', refused(lab, 'no-session', 'staff', 'Ether(src=staff_mac, dst=web_mac)/IP(src=staff_ip, dst=web_ip)/'
                                          'TCP(sport=4000, dport=443, flags="A")/Raw(MARK)')),
        ('flag nonsense', refused(lab, 'tcp-flags', 'staff', 'Ether(src=staff_mac, dst=web_mac)/IP(src=staff_ip, dst=web_ip)/'
                                  'TCP(sport=4000, dport=443, flags="SF")/Raw(MARK)')),
        ('unknown unicast is not flooded', refused(lab, 'no-port', 'staff', 'Ether(src=staff_mac, dst="02:00:00:00:00:77")/'
                                                   'IP(src=staff_ip, dst=dns_ip)/UDP(sport=4001, dport=53)/Raw(MARK)')),
        ('both laws close', laws_close(lab)),
    ])
