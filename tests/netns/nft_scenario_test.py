# SPDX-License-Identifier: BSD-3-Clause
"""The quickstart's scenario with the kernel as the data path; and the bridge it runs on: closed until it is guarded, and
gone without a trace."""

import os
import pathlib
import pwd
import secrets
import subprocess
import tempfile

import tap
from lab import ROOT, call
from traces import traces

BUILD = os.environ['CORDON_BUILD']
NETNS = f'cordon-{secrets.token_hex(2)}-bridge'
OUTSIDE = f'{NETNS}-outside'
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
    # somebody else's, by whatever name
    inside('ip', 'link', 'add', 'br+0', 'type', 'bridge')
    inside('ip', 'link', 'property', 'add', 'dev', 'br+0', 'altname', 'another')
    for name in 'br+0', 'another':
        for words, said in ((['--down'], 'was not made by bridge-prepare'), (['--stop'], 'was not made by bridge-prepare'), (['v1'], 'there is a device')):
            done = subprocess.run([ROOT / 'scripts/bridge-prepare', '--netns', NETNS, '--bridge', name, *words], capture_output=True, text=True)
            tap.equal(done.returncode, 6, f'{name} {words}')
            tap.contains(done.stderr, said)
    inside('ip', 'link', 'del', 'br+0')
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

        for action in ([], ['--up'], ['--shut'], ['--stop'], ['--down']):
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
        tap.equal((act(words, '--shut'), act(words, '--stop'), links()), ((0, ''), (0, ''), before), 'undone')


def host_interfaces():
    """Which of v3 and v4 are interfaces of the gateway's kernel: it answers whoever is outside."""
    asked = {number: subprocess.Popen(['ip', 'netns', 'exec', OUTSIDE, 'ping', '-q', '-c', '6', '-i', '0.3', '-W', '2',
                                       f'fe80::ff:fe00:{number}%w{number}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
             for number in '34'}
    return [number for number, ping in asked.items() if ping.wait() == 0]


def given_back():
    """No port becomes an interface of the gateway's because the bridge goes; what was one before is one again when all is undone."""
    def make_and(action):
        tap.equal((prepare('v3:pvid=20', 'v4:pvid=20').stderr, host_interfaces()), ('', []), 'ports of a bridge')
        tap.equal(prepare(action).stderr, '', action)
        return host_interfaces()

    inside('ip', 'link', 'set', 'v3', 'up')
    tap.equal(host_interfaces(), ['3'], 'before')
    tap.equal(make_and('--down'), ['3'], 'as it was')
    tap.equal(make_and('--stop'), [], 'the gateway is stopped')
    tap.equal(make_and('--down'), [], 'undone, after it was stopped')
    inside('ip', 'link', 'set', 'v3', 'up')
    tap.equal(host_interfaces(), ['3'], 'what somebody takes for himself')
    # a port of the dataplane has its link up, and is kept from the kernel
    done = subprocess.run([ROOT / 'scripts/port-prepare', '--netns', NETNS, 'v3'], capture_output=True, text=True)
    tap.equal((done.stderr, host_interfaces()), ('', []), 'a port of the dataplane')
    tap.equal(make_and('--down'), [], 'a port of the dataplane, undone')
    tap.equal(inside('ip', '-br', 'link', 'show', 'up'), '', 'links that are up')
    inside('nft', 'delete', 'table', 'netdev', 'cordon_ports')


REST = '; what else is named is kept from the kernel, and its links are as they were'


def act(*words):
    done = subprocess.run([ROOT / 'scripts/port-prepare', '--netns', NETNS, *words], capture_output=True, text=True)
    return done.returncode, done.stderr.strip()


def ports():
    """Kernel devices of a config's device strings are kept from the kernel; what is none is left alone, what is missing is told."""
    tap.equal(act('net_af_packet0,iface=v1,qdisc_bypass=0', 'net_null', 'net_pcap0,rx_pcap=/tmp/x'), (0, ''), 'prepared')
    rules = inside('nft', 'list', 'table', 'netdev', 'cordon_ports')
    tap.contains(rules, 'device "v1" priority')
    tap.contains(rules, 'policy drop')
    # the engine was changed: a bridge takes the device over, and nobody else's
    inside('nft', 'add chain netdev cordon_ports in/v2 { type filter hook ingress device v2 priority -500; policy drop; }')
    tap.equal(prepare('v1:pvid=20', 'w1:pvid=20').stderr, '', 'made')
    rules = inside('nft', 'list', 'table', 'netdev', 'cordon_ports')
    tap.equal(('"v1"' in rules, '"v2"' in rules), (False, True), 'who is kept from the kernel')
    tap.equal(prepare('--down').stderr, '', 'undone')
    tap.equal(act('net_af_xdp,iface=nosuch')[0], 6, 'missing')
    inside('ip', 'link', 'property', 'add', 'dev', 'v2', 'altname', 'another')
    tap.equal(act('another'), (6, f"port-prepare: no network device 'another' (another name of 'v2': write that){REST}"), 'another name')
    inside('nft', 'flush', 'ruleset')
    tap.equal(act('net_pcap0,rx_iface=v1,tx_iface=v2'), (0, ''), 'two devices of one port')
    rules = inside('nft', 'list', 'table', 'netdev', 'cordon_ports')
    tap.equal(('"v1"' in rules, '"v2"' in rules), (True, True), 'who is kept from the kernel')
    tap.equal(act('0000:ff:1f.7'), (6, f"port-prepare: no PCI device '0000:ff:1f.7'{REST}"), 'missing PCI device')
    inside('nft', 'delete', 'table', 'netdev', 'cordon_ports')
    inside('sysctl', '-qw', 'net.ipv6.conf.v1.disable_ipv6=0')
    # a PCI address in the place of a name is no card to be taken from the kernel; and what is no name is no way to a device past the checks
    inside('ip', 'link', 'add', 'v?', 'type', 'veth', 'peer', 'name', r'v\c')
    for name in ('', '-d', r'v\c', 'v?', '[v1]', 'v1/', '../net/v1', '..', 'eth0:1', '0000:ff:1f.7'):
        tap.equal(act(f'net_af_packet,iface={name}'), (6, f"port-prepare: no network device '{name}' (such a name cannot be a port's){REST}"), 'no name of a port')
    inside('ip', 'link', 'del', 'v?')
    # of these DPDK opens v1
    for option in ('=iface=v1', 'qpairs=1=iface=v1', 'iface=viface=v1', 'iface=x=', 'rx_iface_in=x=iface=v1'):
        tap.equal(act(f'net_af_packet0,{option},qdisc_bypass=0'), (6, f"port-prepare: no network device '{option}' (such a name cannot be a port's){REST}"), 'an option with two =')
    # a card is a card, whatever else is written, and a path of a guest's is none
    tap.equal(act('0000:ff:1f.7,iface=v1'), (6, f"port-prepare: no PCI device '0000:ff:1f.7'{REST}"), 'a card')
    tap.equal(act('0000:ff:1f.7 .')[0], 6, 'two words in one')
    tap.equal(act('vhost:/run/iface=v1'), (0, ''), "a guest's")
    tap.equal(inside('sysctl', '-n', 'net.ipv6.conf.v1.disable_ipv6').strip(), '0', 'as it was')
    tap.equal(inside('nft', 'list', 'ruleset'), '', 'nobody is kept off')
    done = subprocess.run([ROOT / 'scripts/port-prepare', '--netns', NETNS, b'net_af_packet,iface=\xe9'], capture_output=True,
                          env=dict(os.environ, LC_ALL='C.UTF-8'))
    tap.equal(done.returncode, 6, 'a name that is no text is not passed over')


def kept_apart():
    """Neither what is behind a port reaches this host by it, nor this host what is behind it; also after somebody took all tables away, when
    the device has got an address and another port is gone; and beside a port that is refused."""
    def meet():
        return [subprocess.run(['ip', 'netns', 'exec', where, 'ping', '-q', '-c', '3', '-i', '0.3', '-W', '1', to], capture_output=True).returncode == 0
                for where, to in ((OUTSIDE, '192.0.2.3'), (NETNS, '192.0.2.4'))]

    def addressed():
        inside('ip', 'link', 'set', 'v3', 'arp', 'on', 'up')
        inside('ip', 'addr', 'add', '192.0.2.3/24', 'dev', 'v3')
        inside('ip', 'neigh', 'replace', '192.0.2.4', 'lladdr', call(['ip', '-n', OUTSIDE, '-br', 'link', 'show', 'w3']).split()[2], 'dev', 'v3')

    call(['ip', '-n', OUTSIDE, 'addr', 'add', '192.0.2.4/24', 'dev', 'w3'])
    addressed()
    tap.equal(meet(), [True, True], 'before')
    inside('ip', 'addr', 'flush', 'dev', 'v3')
    tap.equal(act('--sender', 'nobody', 'net_af_packet,iface=v3'), (0, ''), 'prepared')
    addressed()
    tap.equal(meet(), [False, False], 'a port')
    inside('nft', 'flush', 'ruleset')
    tap.equal(meet(), [True, True], 'somebody took the tables away')
    for _ in range(2):
        tap.equal(act('--again', '--sender', 'nobody', 'nosuch', '0000:ff:1f.7', 'v3'), (0, ''), 'again')
    tap.equal(meet(), [False, False], 'a port again')
    tap.equal(inside('python3', '-c', RAW, '0').split(), ['0', '0'], 'frames of another process')
    tap.equal(inside('python3', '-c', RAW, str(pwd.getpwnam('nobody').pw_uid)).split(), ['1', '1'], "frames of the dataplane's")
    inside('nft', 'flush', 'ruleset')
    inside('ip', 'addr', 'flush', 'dev', 'v3')
    # a name that is a word of nft's, and one that would be more than a name to it
    inside('ip', 'link', 'add', 'vlan', 'type', 'veth', 'peer', 'name', 'wan+')
    code, said = act('--sender', 'nosuchuser', 'nosuch', 'vlan', 'wan+', '0000:ff:1f.7', 'v3')
    tap.equal((code, said), (6, "port-prepare: no network device 'nosuch'; no network device 'wan+' (such a name cannot be a port's); no PCI device '0000:ff:1f.7'; "
                                f"there is no user 'nosuchuser' to send by the ports{REST}"), 'four are wrong')
    tap.contains(inside('nft', 'list', 'ruleset'), 'hook ingress device "vlan"')
    inside('ip', 'link', 'del', 'vlan')
    addressed()
    tap.equal(meet(), [False, False], 'the others are kept off')
    inside('nft', 'flush', 'ruleset')
    inside('ip', 'addr', 'flush', 'dev', 'v3')
    call(['ip', '-n', OUTSIDE, 'addr', 'flush', 'dev', 'w3'])


def wildcards():
    """systemd-networkd, told to configure whatever there is, leaves a port alone, and one in our bridge."""
    for prepared in (f'{ROOT}/scripts/port-prepare v3', f'{ROOT}/scripts/bridge-prepare --bridge cordon0 v3'):
        said = inside('unshare', '--mount', 'sh', '-euc', WILDCARD, 'sh', prepared)
        tap.equal((said.count('192.0.2.33'), said.count('192.0.2.34')), (0, 1), prepared)
        tap.equal('master' in said, 'bridge' in prepared, said)
        inside('ip', 'addr', 'flush', 'dev', 'v4')


# networkd as at boot: after the ports were prepared
WILDCARD = '''
mount -t tmpfs run /run
$1
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
for number in 3 4; do
	printf '[Match]\\nName=v%s\\n[Link]\\nRequiredForOnline=no\\n[Network]\\nAddress=192.0.2.3%s/24\\n' $number $number >/run/systemd/network/50-v$number.network
done
chown -R systemd-network /run/systemd/netif
mount -o remount,ro /sys # no udev here, so none is waited for
timeout 4 /lib/systemd/systemd-networkd >/dev/null 2>&1 || true
ip -o addr show
ip -o link show v3
[ ! -e /sys/class/net/cordon0 ] || ip link del cordon0
nft flush ruleset
'''

# How many frames leave, queued and past the queue (PACKET_QDISC_BYPASS, which is 20 of SOL_PACKET), as DPDK's af_packet sends them.
RAW = '''
import contextlib, ctypes, socket, sys
ctypes.CDLL(None).setfsuid(int(sys.argv[1]))
for bypass in 0, 1:
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.setsockopt(263, 20, bypass)
    s.bind(("v3", 0))
    with open("/sys/class/net/v3/statistics/tx_packets") as count:
        before = int(count.read())
        with contextlib.suppress(OSError):
            s.send(bytes.fromhex("ffffffffffff020000000003") + bytes(50))
        count.seek(0)
        print(int(count.read()) - before)
'''


def in_use():
    """What carries a bridge or an address of this host would be a way past the engine: refused, by either, and left as it is."""
    def refused(words):
        port = [ROOT / 'scripts/port-prepare', 'net_af_packet,iface=v1']
        own_run = ['sh', '-c', 'mount -t tmpfs run /run && exec "$@"', 'sh']  # what it tells networkd stays there
        for who, done in (('port-prepare', subprocess.run([port[0], '--netns', NETNS, port[1]], capture_output=True, text=True)),
                          ('port-prepare', subprocess.run(['ip', 'netns', 'exec', NETNS, *own_run, *port], capture_output=True, text=True)),
                          ('bridge-prepare', prepare('v1:pvid=20', 'w1:pvid=20'))):
            tap.equal(done.returncode, 6, who)
            tap.contains(done.stderr, f'{who}: {words}')
        tap.equal(subprocess.run(['ip', '-n', NETNS, 'link', 'show', 'dev', 'cordon0'], capture_output=True).returncode, 1, 'no bridge')

    inside('ip', 'link', 'add', 'other', 'type', 'bridge')
    inside('ip', 'link', 'set', 'v1', 'master', 'other')
    refused("'v1' carries other (a bridge, bond or VLAN of this host), past the engine: take that away first")
    tap.contains(inside('ip', '-br', 'link', 'show', 'master', 'other'), 'v1')
    inside('ip', 'link', 'del', 'other')
    inside('sysctl', '-qw', 'net.ipv6.conf.v1.disable_ipv6=0')  # it has been a port
    for address in (['192.0.2.1/24'], ['169.254.9.1/16', 'scope', 'link'], ['2001:db8::5054:ff:fe80:1/64']):
        inside('ip', 'addr', 'add', *address, 'dev', 'v1')
        refused("'v1' has an address: take that away first")
        tap.contains(inside('ip', '-br', 'addr', 'show', 'dev', 'v1'), address[0])
        inside('ip', 'addr', 'del', address[0], 'dev', 'v1')
    inside('ip', 'addr', 'add', 'fe80::1/64', 'dev', 'v1')
    tap.equal(prepare('v1:pvid=20', 'w1:pvid=20').stderr, '', 'free again')
    # a port of the dataplane that is in our own bridge, because the kernel stands by
    done = subprocess.run([ROOT / 'scripts/port-prepare', '--netns', NETNS, 'v1'], capture_output=True, text=True)
    tap.equal((done.returncode, done.stderr), (0, ''), 'a port of our own bridge')
    tap.equal('cordon_ports' in inside('nft', 'list', 'tables'), False, 'which keeps it')
    tap.equal(prepare('--down').stderr, '', 'undone')


def in_use_unseen():
    """What this host is given while udev is waited for counts, and what it has is not guessed at."""
    def with_program(name, text, helper, *words):
        with tempfile.TemporaryDirectory() as own:
            program = pathlib.Path(own, name)
            program.write_text(text)
            program.chmod(0o755)
            return subprocess.run(['ip', 'netns', 'exec', NETNS, 'sh', '-c', f'mount -t tmpfs run /run && PATH={own}:$PATH exec "$@"', 'sh',
                                   ROOT / 'scripts' / helper, *words], capture_output=True, text=True)

    late = '#!/bin/sh\n/sbin/ip link add late type veth peer name etal\nfor of in v1 late; do /sbin/ip addr add 192.0.2.7/24 dev $of; done\n'
    for helper, words, said in (('port-prepare', ('net_af_packet0,iface=v1', 'net_af_packet1,iface=late'), ('v1', 'late')),
                                ('bridge-prepare', ('--bridge', 'cordon0', 'v1', 'late'), ('v1',))):  # which says the first only
        done = with_program('udevadm', late, helper, *words)
        tap.equal(done.returncode, 6, f'{helper}: a device that came late')
        for device in said:
            tap.contains(done.stderr, f"'{device}' has an address: take that away first")
        for device in 'v1', 'late':
            tap.contains(inside('ip', '-br', 'addr', 'show', 'dev', device), '192.0.2.7/24')
        inside('ip', 'link', 'del', 'late')
        inside('ip', 'addr', 'del', '192.0.2.7/24', 'dev', 'v1')
    # one that comes after all were waited for, when the addresses have been read
    after = '#!/bin/sh\n/sbin/ip "$@" || exit\ncase $* in *addr*show*) /sbin/ip link add late type veth peer name etal; /sbin/ip addr add 192.0.2.7/24 dev late ;; esac\n'
    for helper, words in (('port-prepare', ('v1', 'late')), ('bridge-prepare', ('--bridge', 'cordon0', 'v1', 'late'))):
        done = with_program('ip', after, helper, *words)
        tap.equal(done.returncode, 6, f'{helper}: a device that came too late')
        tap.contains(done.stderr, "no network device 'late'")
        if subprocess.run(['ip', '-n', NETNS, 'link', 'show', 'dev', 'late'], capture_output=True).returncode == 0:
            tap.contains(inside('ip', '-br', 'addr', 'show', 'dev', 'late'), '192.0.2.7/24')
            inside('ip', 'link', 'del', 'late')
    silent = '#!/bin/sh\ncase $* in *addr*show*) exit 1 ;; esac\nexec /sbin/ip "$@"\n'
    done = with_program('ip', silent, 'port-prepare', 'net_af_packet,iface=v1')
    tap.equal(done.returncode, 6, 'nothing to ask')
    tap.contains(done.stderr, "'v1' cannot be asked for its addresses")
    done = with_program('nft', '#!/bin/sh\nexit 1\n', 'port-prepare', 'net_af_packet,iface=v1')
    tap.equal((done.returncode, done.stderr.strip()), (6, f"port-prepare: the kernel could not be kept off 'v1'{REST}"), 'no rule')
    inside('nft', 'flush', 'ruleset')


call(['ip', 'netns', 'add', NETNS])
call(['ip', 'netns', 'add', OUTSIDE])
try:
    for number in '12':
        call(['ip', '-n', NETNS, 'link', 'add', f'v{number}', 'type', 'veth', 'peer', 'name', f'w{number}'])
    for name in (NETNS, OUTSIDE):  # addresses are used at once
        call(['ip', 'netns', 'exec', name, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0'])
    for number in '34':
        call(['ip', '-n', NETNS, 'link', 'add', f'v{number}', 'address', f'02:00:00:00:00:0{number}', 'type', 'veth', 'peer', 'name',
              f'w{number}', 'netns', OUTSIDE])
        call(['ip', '-n', OUTSIDE, 'link', 'set', f'w{number}', 'up'])
    tap.run([
        ('bridge-prepare says what is wrong and changes nothing', bad_words),
        ('a bridge is closed until it is guarded, and undone whole', made_and_undone),
        ('bridge-prepare takes its words from a file', from_file),
        ('a stopped gateway has no interface more than before', given_back),
        ('port-prepare keeps the kernel from kernel devices', ports),
        ('a port and this host are kept apart, both ways', kept_apart),
        ('who configures whatever there is leaves the ports alone', wildcards),
        ('a device that carries something of this host is no port', in_use),
        ('nor one that was given an address just now, or of which that cannot be said', in_use_unseen),
        ('the scenario on the kernel engine, leaving nothing behind', scenario),
    ])
finally:
    prepare('--down')
    for name in (NETNS, OUTSIDE):
        subprocess.run(['ip', 'netns', 'del', name], capture_output=True)
