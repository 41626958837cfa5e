# SPDX-License-Identifier: BSD-3-Clause
"""`cordon verify` asks both engines with packets, the standby under its guard as well, and finds what read-backs cannot
show: rules of somebody else in the kernel that drop what the policy allows, or let pass what it denies."""

import os
import re
import subprocess
import xml.etree.ElementTree

import tap
from lab import ROOT, Lab, call, wait_for

BUILD = os.environ['CORDON_BUILD']
POLICY = ROOT / 'policies/examples/agency-core'
ABOUT = {'decision', 'state', 'error', 'fragment', 'option', 'spoofing'}
# What hosts of probes have, and nobody else.
MADE_UP = ' or '.join(['net 198.18.0.0/15', 'ip6 net 2001:db8::/112'] + [
    f'ether[{at}:4] & 0xffffff00 = {mac}' for at in (0, 6) for mac in ('0x02c00000', '0x02c05500')])


class AdoptingLab(Lab):
    """A table that somebody edits stays as it is, so that packets can be sent through it."""

    def write_config(self, driver):
        super().write_config(driver)
        with open(self.config, 'a', encoding='ascii') as config:
            config.write('verify: {drift: adopt}\n')


def nft(lab, *words):
    return call(['ip', 'netns', 'exec', lab.ns('gw'), 'nft', *words])


class Suite:
    """One run of verify, as JUnit tells it: (class, name) -> what there is to say, by what became of it."""

    def __init__(self, lab):
        done = lab.cordon('verify', '-o', 'junit', check=False)
        root = xml.etree.ElementTree.fromstring(done.stdout)
        self.exit, self.suite = done.returncode, root[0]
        self.by = {'system-out': {}, 'failure': {}, 'error': {}, 'skipped': {}}
        for case in self.suite:
            result = case[0]
            self.by[result.tag][case.get('classname'), case.get('name')] = result.get('message') or result.text
        for key, tag in (('tests', None), ('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):
            n = len(self.by[tag]) if tag else sum(map(len, self.by.values()))
            tap.equal(self.suite.get(key), str(n), f'{key}; no two cases of one name')

    def passed(self, class_name):
        return {name for c, name in self.by['system-out'] if c == class_name}

    def failed(self, class_name):
        return {name: text for (c, name), text in self.by['failure'].items() if c == class_name}

    def engines(self):
        return {c.split('.')[1] for c, _ in self.by['failure'] if c.startswith('live.')}


def expect_sound(suite):
    tap.equal((suite.exit, suite.by['failure'], suite.by['error']), (0, {}, {}), 'a sound gateway')


def state(lab):
    guard = nft(lab, 'list', 'table', 'netdev', 'cordon')
    tap.contains(guard, 'drop')
    return guard, {e['name']: (e['state'], e['generation']) for e in lab.status()['engines']}


def both_engines(lab):
    def case():
        before = state(lab)
        suite = Suite(lab)
        expect_sound(suite)
        for about in ABOUT:
            dpdk, nft_ = suite.passed(f'live.dpdk.{about}'), suite.passed(f'live.nft.{about}')
            tap.equal(dpdk, nft_, f'{about}: the same questions to both')
            tap.equal(len(dpdk) > 1, True, about)
        for family in ('IPv4', 'IPv6'):
            for verdict in ('allowed', 'denied'):
                for what, about in (('handshake', 'state'), ('first fragment', 'fragment'), ('later fragment', 'fragment')):
                    tap.contains('\n'.join(suite.passed(f'live.nft.{about}')), f'{what}, tcp over {family}, {verdict}')
        tap.equal(state(lab), before, 'the guard, the engines')
        lab.laws()
    return case


def capture(lab, host, device='eth0'):
    file = lab.dir / f'{host}.pcap'
    lab.spawn(f'tcpdump-{host}', ['ip', 'netns', 'exec', lab.ns(host), 'tcpdump', '-i', device, '-Q', 'in', '-U',
                                  '--immediate-mode', '-w', file, '-Z', 'root'])
    wait_for('the capture runs', lambda: file.exists() and file.stat().st_size >= 24, 10)
    return file


def read(file, words):
    return subprocess.run(['tcpdump', '-enr', file, words], capture_output=True, text=True, check=True).stdout


def nobody_saw_it(lab, captures):
    def case():
        lab.run('staff', ['ping', '-c1', '-W1', '-q', '10.20.0.250'])
        wait_for('a capture that sees frames', lambda: read(captures['db'], 'arp and ether broadcast'), 5)
        for host, file in captures.items():
            tap.equal(read(file, MADE_UP), '', f'frames of probes at {host}')
        # they are in the list of flows, in a domain that no port has; the assessment leaves them out
        made_up = [f for f in lab.data('flows', '-n', '1000', '--since', '1h') if f['src'].startswith(('198.18.', '2001:db8::'))]
        tap.equal({f['domain'] for f in made_up}, {4095}, 'domains of probes')
        tap.equal([f for f in made_up if f['kind'] == 'changed'], [], 'sessions of probes that were decided anew')
    return case


def would_be_seen(lab):
    """The same look at the device that frames of probes do go into."""
    def case():
        file = capture(lab, 'gw', 'cordonp0')
        expect_sound(Suite(lab))
        wait_for('frames of probes', lambda: len(read(file, MADE_UP).splitlines()) > 100, 5)
        tap.equal(read(file, f'not ({MADE_UP})'), '', 'frames of others')
    return case


def differs(lab, rules, decision, detail):
    """With these rules of somebody else in the kernel the kernel engine fails in this, and the other one does not."""
    table = rules.split()[1:3]

    def case():
        nft(lab, rules)
        try:
            suite = Suite(lab)
        finally:
            nft(lab, 'delete', 'table', *table)
        tap.equal(suite.exit, 1, 'exit')
        tap.equal({'policy', 'dpdk', 'nft'} <= suite.passed('proof'), True, 'what is held is what was loaded')
        tap.equal(suite.engines(), {'nft'}, 'which engine')
        found = suite.failed('live.nft.decision')
        name = next((n for n in found if re.search(decision, n)), None)
        if name is None or not re.search(detail, found[name]):
            raise AssertionError(f'{decision}: {found}')
        if not suite.failed('live.nft.state') or not suite.passed('live.dpdk.state'):
            raise AssertionError('state was not asked')
        print(f'# {name}: {found[name]}', flush=True)
        expect_sound(Suite(lab))
    return case


def wrong_deny(lab):
    return differs(lab, 'table inet stranger { chain f { type filter hook forward priority 10; tcp dport 53 drop; }; }',
                   r'role=dns.* tcp/53 over IPv4$',
                   r'^198\.18\.\S+ -> 198\.18\.\S+ tcp/53: frame 1 of 1, from the initiator, was dropped and must pass '
                   r'\(first packet, the policy says allow by b-names\)$')


def wrong_allow(lab):
    """A mark in conntrack says that the session was allowed: set by somebody else, before the decision."""
    def case():
        table = nft(lab, 'list', 'table', 'inet', 'cordon')
        mark = re.search(r'(0x[0-9a-f]+) : goto pass_', table)[1]
        differs(lab, 'table inet stranger { chain f { type filter hook prerouting priority -150; '
                f'ct state new ct mark set {mark}; }}; }}',
                r'role=workstation.* -> .*role=db.* icmp/8/0 over IPv4$',
                r'icmp/8/0: frame 1 of 1, from the initiator, passed and must be dropped '
                r'\(first packet, the policy says deny by g-staff-db\)$')()
    return case


def bridge_down(lab):
    """What cannot be asked is an error with its reason, not a hundred wrong answers."""
    def case():
        lab.stop('cordond')  # its devices go with the connection
        lab.start_cordond()
        call(['ip', '-n', lab.ns('gw'), 'link', 'set', 'cordon0', 'down'])
        try:
            suite = Suite(lab)
        finally:
            lab.bridge('--up')
        tap.equal((suite.exit, suite.by['failure']), (8, {}), 'exit')
        tap.contains(suite.by['error']['live.nft.decision', 'all others'], 'the bridge lets nothing pass')
        tap.equal(bool(suite.passed('live.dpdk.decision')), True, 'the other engine was asked')
        expect_sound(Suite(lab))
    return case


def edited(lab):
    """Somebody's hand in our own map: read-back and packets say the same."""
    def case():
        table = nft(lab, 'list', 'table', 'inet', 'cordon')
        names = re.findall(r'map (opening_\S+)', table) + re.findall(r'chain (open_\S+)', table)
        opening = nft(lab, 'list', 'map', 'inet', 'cordon', names[0])
        mark, old = re.search(r'(0x[0-9a-f]+) : goto (refuse_rule_\S+?),', opening).groups()
        nft(lab, f'delete element inet cordon {names[0]} {{ {mark} : goto {old} }}; '
            f'add element inet cordon {names[0]} {{ {mark} : goto {names[1]} }}')
        wait_for('the hand is seen', lambda: [e for e in lab.status()['engines'] if e['name'] == 'nft' and not e['equal']], 10)
        suite = Suite(lab)
        tap.equal((suite.exit, suite.engines()), (1, {'nft'}), 'exit')
        tap.contains(suite.failed('proof')['nft'], 'adopted')
        found = suite.failed('live.nft.decision')
        tap.equal([('passed and must be dropped' in text) for text in found.values()], [True] * len(found), 'which way')
        tap.equal(len(found) > 0, True, 'a packet met it')
    return case


with AdoptingLab(BUILD, driver='net_af_packet', huge=False, standby=True) as lab:
    lab.up(POLICY)
    captures = {host: capture(lab, host) for host in lab.hosts}
    tap.run([
        ('both engines are asked the same, under the guard', both_engines(lab)),
        ('no frame of a probe reached a host', nobody_saw_it(lab, captures)),
        ('it would have been seen', would_be_seen(lab)),
        ('a stranger drops what the policy allows', wrong_deny(lab)),
        ('a stranger lets pass what the policy denies', wrong_allow(lab)),
        ('an engine that cannot be asked says why', bridge_down(lab)),
        ('a hand in the map that decides', edited(lab)),
        ('still no frame of a probe at a host', nobody_saw_it(lab, captures)),
    ])
