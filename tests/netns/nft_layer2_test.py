# SPDX-License-Identifier: BSD-3-Clause
"""Layer 2 against the kernel engine: what layer2_test asks of cordon-dp, and what only a kernel bridge can get wrong. Each
refusal is seen not to arrive and is counted under its reason; each has a twin that passes."""

import os
import signal
import subprocess
import time

import tap
from frames import MARK, Capture, arp_answered, laws_close, mac, passes, refused, send
from lab import BRIDGE, ROOT, Host, Lab, wait_for

BUILD = os.environ['CORDON_BUILD']
POLICY = ROOT / 'policies/examples/agency-core'

UDP_DNS = 'Ether(src={s}_mac, dst=dns_mac)/{tag}IP(src={ip}_ip, dst=dns_ip{more})/UDP(sport=4000, dport=53)/Raw(MARK)'
TO_DNS = 'Ether(src=staff_mac, dst=dns_mac)/'


def dns(s='staff', ip='staff', tag='', more=''):
    return UDP_DNS.format(s=s, ip=ip, tag=tag, more=more)


def option(hexdigits):
    return dns(more=f', options=bytes.fromhex("{hexdigits}")')


def inside(lab, *words):
    return subprocess.run(['ip', 'netns', 'exec', lab.ns('gw'), *words], capture_output=True, text=True, check=True).stdout


def stays_home(lab):
    """Frames to the bridge's own group addresses come by no rule; they must not tell the bridge where a MAC is."""
    def port_of_web():
        return next((line.split()[2] for line in inside(lab, 'bridge', 'fdb', 'show', 'br', BRIDGE).splitlines()
                     if line.startswith(mac(lab, 'web')) and 'permanent' not in line), '')

    def case():
        lab.run('web', ['ping', '-c1', '-W1', lab.hosts['staff'].v4])
        wait_for('the bridge knows web', lambda: port_of_web() == lab.veth('web'), 5)
        send(lab, 'intruder', [f'Ether(src=web_mac, dst="01:80:c2:00:00:{last}", type=0x88cc)/Raw(b"lldp")' for last in ('03', '0e')])
        tap.equal(port_of_web(), lab.veth('web'), "web's place")
        tap.equal(lab.run('staff', ['ping', '-c1', '-W2', lab.hosts['web'].v4]).returncode, 0, 'ping')
    return case


def not_a_port(lab, case):
    """With a device in the bridge that the config does not name; its far end is `eth0` of the host `stray`."""
    def beside():
        stray = Host('stray', 'stray', '10.20.0.99', 'fd00:20::99')
        lab.make_ns(lab.ns('stray'))
        lab.hosts['stray'] = stray
        try:
            subprocess.run(['ip', '-n', lab.ns('gw'), 'link', 'add', lab.veth('stray'), 'type', 'veth', 'peer', 'name', 'eth0', 'netns',
                            lab.ns('stray')], check=True)
            lab.address(stray)
            subprocess.run(['ip', '-n', lab.ns('gw'), 'link', 'set', lab.veth('stray'), 'master', BRIDGE, 'up'], check=True)
            wait_for('the device forwards', lambda: f'{lab.veth("stray")}' in inside(lab, 'bridge', 'link') and
                     'state forwarding' in inside(lab, 'bridge', 'link', 'show', 'dev', lab.veth('stray')), 5)
            case()
        finally:
            subprocess.run(['ip', '-n', lab.ns('gw'), 'link', 'del', lab.veth('stray')], capture_output=True)
            del lab.hosts['stray']
            lab.drop_ns(lab.ns('stray'))
    return beside


def nothing_arrives(lab, host, frame, witness):
    def case():
        mark = MARK + b'stray'
        with Capture(lab, witness) as capture:
            send(lab, host, [frame.replace('MARK', repr(mark))])
            time.sleep(0.5)
            tap.equal(capture.count(mark), 0, 'arrived')
    return case


def decided_whatever_sysctl_says(lab, case):
    """Other programs of the box turn br_netfilter off for all bridges, which must not take ours out of the rules' way."""
    def without():
        keys = [f'net.bridge.bridge-nf-call-{what}' for what in ('iptables', 'ip6tables')]
        for key in keys:
            inside(lab, 'sysctl', '-qw', f'{key}=0')
        try:
            case()
        finally:
            for key in keys:
                inside(lab, 'sysctl', '-qw', f'{key}=1')
    return without


def without_the_deciding_table(lab, case):
    """Nobody is there to put it back: what nothing decides must not pass."""
    def half():
        nft = lab.procs['nft']
        os.kill(nft.pid, signal.SIGSTOP)
        try:
            inside(lab, 'nft', 'delete', 'table', 'inet', 'cordon')
            case()
        finally:
            os.kill(nft.pid, signal.SIGCONT)
        wait_for('the table is there again', lambda: 'table inet cordon' in inside(lab, 'nft', 'list', 'tables'), 10)
        wait_for('the engine holds the policy again', lambda: all(e['equal'] for e in lab.status()['engines']), 20)
    return half


def without_br_netfilter(lab, case):
    """Somebody takes our bridge's own switch away."""
    def off():
        words = ['nf_call_iptables', 'nf_call_ip6tables']
        inside(lab, 'ip', 'link', 'set', BRIDGE, 'type', 'bridge', *(w for word in words for w in (word, '0')))
        for key in ('iptables', 'ip6tables'):
            inside(lab, 'sysctl', '-qw', f'net.bridge.bridge-nf-call-{key}=0')
        try:
            case()
        finally:
            inside(lab, 'ip', 'link', 'set', BRIDGE, 'type', 'bridge', *(w for word in words for w in (word, '1')))
            for key in ('iptables', 'ip6tables'):
                inside(lab, 'sysctl', '-qw', f'net.bridge.bridge-nf-call-{key}=1')
    return off


with Lab(BUILD, engine='nft') as lab:
    lab.up(POLICY)
    denied = 'Ether(src=intruder_mac, dst=dns_mac)/{}/UDP(sport=4000, dport=53)/Raw(MARK)'
    tap.run([
        ('ARP and ping pass between staff and web', arp_answered(lab)),
        ('UDP to the name server passes', passes(lab, 'staff', dns(), 'dns')),
        ('a stranger is refused', refused(lab, 'no-rule', 'intruder', dns('intruder', 'intruder'), 'dns')),
        ('a source address of somebody else', refused(lab, 'spoof', 'intruder', dns('intruder', 'staff'), 'dns')),
        ('a source MAC and address of somebody else', refused(lab, 'spoof', 'intruder', dns('staff', 'staff'), 'dns')),
        ('a source MAC of somebody else', refused(lab, 'spoof', 'intruder', dns('staff', 'intruder'), 'dns')),
        ('a tag on an access port', refused(lab, 'vlan', 'staff', dns(tag='Dot1Q(vlan=30)/'), 'dns')),
        ('two tags', refused(lab, 'vlan', 'staff', dns(tag='Dot1Q(vlan=20)/Dot1Q(vlan=20)/'), 'dns')),
        ('a provider tag', refused(lab, 'vlan-stack', 'staff', dns(tag='Dot1AD(vlan=20)/'), 'dns')),
        ('ARP with a foreign sender address', refused(
            lab, 'arp', 'intruder', 'Ether(src=intruder_mac, dst="ff:ff:ff:ff:ff:ff")/'
            'ARP(op=1, hwsrc="02:00:00:00:00:99", psrc="10.20.0.67", pdst=web_ip)/Raw(MARK)')),
        ("ARP for somebody else's address", refused(
            lab, 'arp', 'intruder', 'Ether(src=intruder_mac, dst=web_mac)/'
            'ARP(op=2, hwsrc=intruder_mac, psrc=staff_ip, hwdst=web_mac, pdst=web_ip)/Raw(MARK)')),
        ("a neighbour's address", refused(
            lab, 'nd', 'intruder', 'Ether(src=intruder_mac, dst=web_mac)/IPv6(src=intruder_ip6, dst=web_ip6, hlim=255)/'
            'ICMPv6ND_NA(tgt=staff_ip6)/ICMPv6NDOptDstLLAddr(lladdr=intruder_mac)/Raw(MARK)')),
        ('router advertisement from a host', refused(
            lab, 'nd', 'intruder', 'Ether(src=intruder_mac, dst="33:33:00:00:00:01")/IPv6(src="fe80::1", dst="ff02::1", hlim=255)/'
            'ICMPv6ND_RA()/Raw(MARK)')),
        ('the same behind an extension header', refused(
            lab, 'ext-header', 'intruder', 'Ether(src=intruder_mac, dst="33:33:00:00:00:01")/IPv6(src="fe80::1", dst="ff02::1", hlim=255)/'
            'IPv6ExtHdrHopByHop()/ICMPv6ND_RA()/Raw(MARK)')),
        ('multicast', refused(lab, 'multicast', 'staff', 'Ether(src=staff_mac, dst="01:00:5e:01:01:01")/IP(src=staff_ip, dst="239.1.1.1")/'
                              'UDP(dport=5000)/Raw(MARK)')),
        ('a group address in a unicast frame', refused(lab, 'spoof', 'staff', TO_DNS + 'IP(src=staff_ip, dst="239.1.1.1")/UDP(dport=53)/Raw(MARK)', 'dns')),
        ('spanning tree and unknown types', refused(lab, 'ethertype', 'staff', 'Ether(src=staff_mac, dst="01:80:c2:00:00:00", type=0x88cc)/Raw(MARK)')),
        ('a server message of DHCP', refused(lab, 'dhcp', 'intruder', 'Ether(src=intruder_mac, dst=staff_mac)/IP(src=intruder_ip, dst=staff_ip)/'
                                             'UDP(sport=67, dport=68)/Raw(MARK)', 'staff')),
        ('a first IPv4 fragment', refused(lab, 'fragment', 'staff', dns(more=', flags="MF"'), 'dns')),
        ('a later IPv4 fragment', refused(lab, 'fragment', 'staff', dns(more=', frag=1'), 'dns')),
        ('an IPv6 fragment', refused(lab, 'fragment', 'staff', TO_DNS + 'IPv6(src=staff_ip6, dst=dns_ip6)/'
                                     'IPv6ExtHdrFragment(m=1)/UDP(sport=4000, dport=53)/Raw(MARK)', 'dns')),
        ('source routing', refused(lab, 'options', 'staff', option('8307040a14001f00'), 'dns')),
        ('source routing under way', refused(lab, 'options', 'staff', option('8307080a14001f00'), 'dns')),
        ('strict source routing under way', refused(lab, 'options', 'staff', option('8907080a14001f00'), 'dns')),
        ('source routing behind an option of no length', refused(lab, 'options', 'staff', option('8307040a14001f550000'), 'dns')),
        ('TCP without a session', refused(lab, 'no-session', 'staff', 'Ether(src=staff_mac, dst=web_mac)/IP(src=staff_ip, dst=web_ip)/'
                                          'TCP(sport=4000, dport=443, flags="A")/Raw(MARK)')),
        ('flag nonsense', refused(lab, 'tcp-flags', 'staff', 'Ether(src=staff_mac, dst=web_mac)/IP(src=staff_ip, dst=web_ip)/'
                                  'TCP(sport=4000, dport=443, flags="SF")/Raw(MARK)')),
        ('UDP over IPv6 without a checksum', refused(lab, 'checksum', 'staff', TO_DNS + 'IPv6(src=staff_ip6, dst=dns_ip6)/'
                                                     'UDP(sport=4002, dport=53, chksum=0)/Raw(MARK)', 'dns')),
        ('and with one', passes(lab, 'staff', TO_DNS + 'IPv6(src=staff_ip6, dst=dns_ip6)/UDP(sport=4002, dport=53)/Raw(MARK)', 'dns')),
        ('unknown unicast is not flooded', refused(lab, 'no-port', 'staff', 'Ether(src=staff_mac, dst="02:00:00:00:00:77")/'
                                                   'IP(src=staff_ip, dst=dns_ip)/UDP(sport=4001, dport=53)/Raw(MARK)')),
        ("a neighbour's MAC in a frame that the bridge takes for itself", stays_home(lab)),
        ('br_netfilter switched off for all bridges: IPv4', decided_whatever_sysctl_says(
            lab, refused(lab, 'no-rule', 'intruder', denied.format('IP(src=intruder_ip, dst=dns_ip)'), 'dns'))),
        ('br_netfilter switched off for all bridges: IPv6', decided_whatever_sysctl_says(
            lab, refused(lab, 'no-rule', 'intruder', denied.format('IPv6(src=intruder_ip6, dst=dns_ip6)'), 'dns'))),
        ('and what is allowed passes', decided_whatever_sysctl_says(lab, passes(lab, 'staff', dns(), 'dns'))),
        ('nothing decides: what is denied does not pass', without_the_deciding_table(lab, nothing_arrives(
            lab, 'intruder', denied.format('IP(src=intruder_ip, dst=dns_ip)'), 'dns'))),
        ('nothing decides: nor does what is allowed', without_the_deciding_table(lab, nothing_arrives(lab, 'staff', dns(), 'dns'))),
        ('nothing hands packets over: IPv4', without_br_netfilter(lab, nothing_arrives(lab, 'staff', dns(), 'dns'))),
        ('nothing hands packets over: IPv6', without_br_netfilter(lab, nothing_arrives(
            lab, 'staff', TO_DNS + 'IPv6(src=staff_ip6, dst=dns_ip6)/UDP(sport=4000, dport=53)/Raw(MARK)', 'dns'))),
        ('and with both it passes', passes(lab, 'staff', dns(), 'dns')),
        ('neighbours are found over IPv6', lambda: tap.equal(
            [lab.run('staff', ['ip', 'neigh', 'flush', 'all']).returncode, lab.run('staff', ['ping', '-6', '-c1', '-W2', lab.hosts['web'].v6]).returncode],
            [0, 0], 'ping over IPv6')),
        ('ARP of a device that is no port', not_a_port(lab, nothing_arrives(
            lab, 'stray', 'Ether(src=stray_mac, dst=web_mac)/ARP(op=2, hwsrc=stray_mac, psrc=staff_ip, hwdst=web_mac, pdst=web_ip)/'
            'Raw(MARK)', 'web'))),
        ('anything of a device that is no port', not_a_port(lab, nothing_arrives(
            lab, 'stray', 'Ether(src=stray_mac, dst="ff:ff:ff:ff:ff:ff", type=0x88b5)/Raw(MARK)', 'web'))),
        ('a question of ARP to a device that is no port', not_a_port(lab, nothing_arrives(
            lab, 'staff', 'Ether(src=staff_mac, dst="ff:ff:ff:ff:ff:ff")/ARP(op=1, hwsrc=staff_mac, psrc=staff_ip, pdst=web_ip)/'
            'Raw(MARK)', 'stray'))),
        ('both laws close', laws_close(lab)),
    ])
