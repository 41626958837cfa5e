# SPDX-License-Identifier: BSD-3-Clause
"""Layer 2 against a live gateway: spoofing, tags, guards, trunks. Each refusal is seen not to arrive and is counted
under its reason; each has a twin that passes."""

import os

import tap
from frames import arp_answered, laws_close, passes, refused
from lab import HOSTS, ROOT, Host, Lab

BUILD = os.environ['CORDON_BUILD']
POLICY = ROOT / 'policies/examples/agency-core'
TRUNK = Host('trunk', 'lan6', '10.20.0.22', 'fd00:20::22', title='tagged host', role='trunk, vlans: [20]')

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
