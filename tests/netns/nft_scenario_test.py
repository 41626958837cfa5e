# SPDX-License-Identifier: BSD-3-Clause
"""The quickstart's scenario with the kernel as the data path; and the bridge it runs on: closed until it is guarded, and
gone without a trace."""

import os
import pathlib
import secrets
import subprocess
import tempfile

import tap
from lab import ROOT, call
from traces import traces

BUILD = os.environ['CORDON_BUILD']
NETNS = f'cordon-{secrets.token_hex(2)}-bridge'
VALUES = ('/proc/sys/net/netfilter/nf_conntrack_tcp_loose', '/proc/sys/net/netfilter/nf_conntrack_acct',
          '/proc/sys/net/netfilter/nf_conntrack_icmp_timeout', '/proc/sys/net/ipv6/conf/v1/disable_ipv6')


def scenario():
    before = traces()
    done = subprocess.run([ROOT / 'scripts/quickstart', '--build', BUILD, '--engine', 'nft'], capture_output=True, text=True,
                          timeout=240)
    if done.returncode != 0:
        raise AssertionError(f'exit {done.returncode}\n{done.stdout}\n{done.stderr}')
    tap.contains(done.stdout, 'attempts came out as the policy says; both laws of counting close')
    tap.contains(done.stdout, 'nft')
    tap.equal(traces(), before, 'left behind')


def prepare(*words):
    return subprocess.run([ROOT / 'scripts/bridge-prepare', '--netns', NETNS, '--bridge', 'cordon0', *words], capture_output=True,
                          text=True)


def inside(*words):
    return call(['ip', 'netns', 'exec', NETNS, *words])


def refused(words, code, text):
    done = prepare(*words)
    tap.equal(done.returncode, code, f'exit of {words}')
    tap.contains(done.stderr, text)


def links():
    return sorted(line.split()[0] for line in inside('ip', '-br', 'link').splitlines())


def bad_words():
    before = links()
    refused([], 2, 'usage')
    refused(['v1', 'nosuch'], 6, "no network device 'nosuch'; nothing was changed")
    refused(['v1:pvid=4095'], 6, 'a VLAN is 1 to 4094')
    refused(['v1:vid=4'], 6, 'is not DEVICE')
    refused(['--up'], 6, 'no bridge')
    tap.equal(links(), before, 'devices')


def made_and_undone():
    before, values = links(), inside('cat', *VALUES)
    tap.equal(prepare('v1:pvid=20', 'v2:pvid=20').stderr, '', 'made')
    tap.equal(inside('cat', *VALUES).split(), ['0', '1', '10', '1'], 'values')
    tap.contains(inside('ip', '-br', 'link', 'show', 'master', 'cordon0'), 'v2')
    refused(['v1'], 6, 'already')
    refused(['--up'], 6, 'nothing guards')
    if 'UP' in inside('ip', '-br', 'link', 'show', 'cordon0').split('<')[1]:
        raise AssertionError('the bridge is up, and nothing guards it')
    # any rules of ours will do here; cordon-nft's are the scenario's matter
    inside('nft', 'table bridge cordon { chain prerouting { type filter hook prerouting priority -300; iifname "v1" drop; }; }')
    tap.equal(prepare('--up').stderr, '', 'up')
    tap.contains(inside('ip', '-br', 'link', 'show', 'cordon0').split('<')[1], 'UP')
    tap.equal(prepare('--shut').stderr, '', 'shut')
    if 'UP' in inside('ip', '-br', 'link', 'show', 'cordon0').split('<')[1]:
        raise AssertionError('the bridge is shut, and up')
    tap.equal((prepare('--down').stderr, links(), inside('cat', *VALUES)), ('', before, values), 'undone')
    tap.equal(pathlib.Path(f'/run/cordon-bridges/{NETNS}:cordon0').exists(), False, 'memory of it')


def from_file():
    """As the units do it: words of a file for every action, and nothing at all if there are none."""
    before = links()
    inside('nft', 'delete', 'table', 'bridge', 'cordon')  # of the case before
    with tempfile.TemporaryDirectory() as name:
        words, nothing = pathlib.Path(name) / 'words', pathlib.Path(name) / 'nothing'
        words.write_text('--bridge\ncordon1\n--timeout\nudp_first=44\nv1:pvid=20\nv2:pvid=20\n')
        nothing.write_text('')

        def act(file, *action):
            done = subprocess.run([ROOT / 'scripts/bridge-prepare', '--netns', NETNS, *action, f'@{file}'], capture_output=True, text=True)
            return done.returncode, done.stderr

        for action in ([], ['--up'], ['--shut'], ['--down']):
            tap.equal(act(nothing, *action), (0, ''), f'without words {action}')
        tap.equal(act(f'{name}/missing')[0], 2, 'no file')
        tap.equal(links(), before, 'devices')
        tap.equal(act(words, '--timeout', 'udp_firs=1')[0], 2, 'no such time-out')
        tap.equal(act(words, '--timeout', 'udp_first=x')[0], 2, 'no number')
        tap.equal(links(), before, 'devices')
        tap.equal(act(words), (0, ''), 'made')
        tap.equal(inside('cat', '/proc/sys/net/netfilter/nf_conntrack_udp_timeout').strip(), '44', 'the time-out of the first packet')
        tap.equal(inside('cat', '/proc/sys/net/netfilter/nf_conntrack_icmp_timeout').strip(), '10', 'the time-out that was not named')
        tap.contains(inside('ip', '-br', 'link', 'show', 'master', 'cordon1'), 'v2')
        tap.equal(act(words, '--up')[0], 6, 'up, unguarded')
        tap.equal((act(words, '--shut'), act(words, '--down'), links()), ((0, ''), (0, ''), before), 'undone')


def ports():
    """Kernel devices of a config's device strings are kept from the kernel; what is none is left alone, what is missing is told."""
    def act(*words):
        done = subprocess.run([ROOT / 'scripts/port-prepare', '--netns', NETNS, *words], capture_output=True, text=True)
        return done.returncode, done.stderr.strip()

    tap.equal(act('net_af_packet0,iface=v1,qdisc_bypass=0', 'net_null', 'net_pcap0,rx_pcap=/tmp/x'), (0, ''), 'prepared')
    rules = inside('nft', 'list', 'table', 'netdev', 'cordon_ports')
    tap.contains(rules, 'device "v1" priority')
    tap.contains(rules, 'policy drop')
    tap.equal(act('net_af_xdp,iface=nosuch')[0], 6, 'missing')
    tap.equal(act('0000:ff:1f.7'), (6, "port-prepare: no PCI device '0000:ff:1f.7'"), 'missing PCI device')
    inside('nft', 'delete', 'table', 'netdev', 'cordon_ports')


call(['ip', 'netns', 'add', NETNS])
try:
    for number in '12':
        call(['ip', '-n', NETNS, 'link', 'add', f'v{number}', 'type', 'veth', 'peer', 'name', f'w{number}'])
    tap.run([
        ('bridge-prepare says what is wrong and changes nothing', bad_words),
        ('a bridge is closed until it is guarded, and undone whole', made_and_undone),
        ('bridge-prepare takes its words from a file', from_file),
        ('port-prepare keeps the kernel from kernel devices', ports),
        ('the scenario on the kernel engine, leaving nothing behind', scenario),
    ])
finally:
    prepare('--down')
    subprocess.run(['ip', 'netns', 'del', NETNS], capture_output=True)
