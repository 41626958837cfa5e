# SPDX-License-Identifier: BSD-3-Clause
"""The appliance's set-up file: every mistake is told with its line, nothing is taken until it is right, and what is taken is a
config that cordond accepts."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import tap

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
SETUP = ROOT / 'firmware/image/root/usr/libexec/cordon/cordon-setup'
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxOHzR3BvGOKGyNrHcSmuEYVJ5oK5W6UMMYdJyN4Jx1 admin'
GOOD = f'''# two ports
gateway    = gw1
port       = lan1 0000:00:03.0 access 20 inside   # desks
port       = wan  net_af_packet,iface=eth1 trunk 20,30 outside
protected  = 10.20.0.0/16 fd00:20::/48
management = 52:54:00:00:00:01 192.0.2.10/24 192.0.2.1
allow-from = admins operators
key        = {KEY} # a comment of the key's
'''
LAST = GOOD.count('\n') + 1
# in `tests` as they start under an emulator, if they need one
PROGRAMS = f'{BUILD}/tests:{BUILD}/controlplane/daemon:{BUILD}/controlplane/cli:{os.environ["PATH"]}'


def run(*words, etc='/nonexistent', sys='/nonexistent', path=''):
    env = dict(os.environ, CORDON_ETC=str(etc), CORDON_SETUP_RUN=f'{etc}/run', CORDON_NOTICES=f'{etc}/notices', CORDON_SYS=str(sys),
               PATH=path + PROGRAMS)
    return subprocess.run(['sh', SETUP, *map(str, words)], capture_output=True, text=True, env=env)


def mistakes(text):
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write(text)
        file.flush()
        done = run('check', file.name)
        found = done.stdout.replace(file.name, 'F').splitlines()
    tap.equal(done.stderr, '', 'stderr')
    tap.equal(done.returncode, 0 if found == ['F: right'] else 1, 'exit')
    return found


def one(old, new, line, words, without=''):
    """GOOD with one thing changed has one mistake."""
    def case():
        text = GOOD.replace(without, '').replace(old, new)
        assert old in GOOD and without in GOOD, old
        found = mistakes(text)
        tap.equal(len(found), 1, f'mistakes {found}')
        tap.contains(found[0], f'F:{line}: ')
        tap.contains(found[0], words)
    return case


def right():
    tap.equal(mistakes(GOOD), ['F: right'], 'as it is')
    tap.equal(mistakes(GOOD.replace('\n', '\r\n')), ['F: right'], 'from another system')
    tap.equal(mistakes('\ufeff' + GOOD.split('\n', 1)[1]), ['F: right'], 'from an editor that begins a file with a mark')


def readme():
    text = (ROOT / 'README.md').read_text()
    block = re.search(r'```\n(gateway.*?)```', text, re.S)[1]
    tap.equal(mistakes(block.replace('AAAA...', KEY.split()[1])), ['F: right'], 'the one in the README')
    found = mistakes(block)
    tap.equal(len(found), 1, f'a key that nobody put in: {found}')
    tap.contains(found[0], 'this one cannot be read')


def readme_policy():
    """The policy that the README names fits the gateway that its set-up file makes; another one locks out and is refused."""
    block = re.search(r'```\n(gateway.*?)```', (ROOT / 'README.md').read_text(), re.S)[1].replace('AAAA...', KEY.split()[1])
    with tempfile.TemporaryDirectory() as etc:
        file = pathlib.Path(etc, 'setup')
        file.write_text(block)
        tap.equal(run('use', file, etc=etc).returncode, 0, 'taken')
        for name, code in (('first', 0), ('agency-core', 3)):
            done = subprocess.run(['cordon', 'check', '--config', f'{etc}/cordon.yaml', ROOT / 'policies/examples' / name],
                                  capture_output=True, text=True, env=dict(os.environ, PATH=PROGRAMS))
            tap.equal(done.returncode, code, done.stdout)


def no_mistake(old, new):
    return lambda: tap.equal(mistakes(GOOD.replace(old, new)), ['F: right'], 'mistakes')


def everything_at_once():
    found = mistakes('gateway = GW\nport = a b c\nfoo = 1\nnothing\n')
    tap.equal([f.split(': ')[0] for f in found], ['F:1', 'F:2', 'F:3', 'F:4', *['F:5'] * 4], str(found))


def taken(engine, expected):
    def case():
        with tempfile.TemporaryDirectory() as name:
            etc = pathlib.Path(name)
            file = etc / 'setup'
            file.write_text(GOOD + engine)
            done = run('use', file, etc=etc)
            tap.equal(done.returncode, 0, done.stdout + done.stderr)
            config = (etc / 'cordon.yaml').read_text()
            for words in ('gateway: gw1', expected, 'vlans: [20,30]', '"192.0.2.10"', 'from: ["admins", "operators"]'):
                tap.contains(config, words)
            tap.equal((etc / 'admin.keys').read_text(), f'{KEY} # a comment of the key\'s\n', 'keys')
            tap.equal((etc / 'management').read_text(), '52:54:00:00:00:01 192.0.2.10/24 192.0.2.1\n', 'management')
    return case


# What a machine has: PCI address, kernel's name, MAC.
CARDS = [('0000:00:02.0', 'eth0', '52:54:00:00:00:01'), ('0000:00:03.0', 'eth1', '52:54:00:00:00:02'), ('0000:00:04.0', 'eth2', '52:54:00:00:00:03')]

# PCI address, class, driver: a disk, and a card that the dataplane has.
OTHERS = [('0000:00:08.0', '0x010000', 'virtio-pci'), ('0000:00:05.0', '0x020000', 'vfio-pci')]


def machine(place):
    for pci, name, mac in CARDS:
        net = pathlib.Path(place, 'bus/pci/devices', pci, 'net', name)
        net.mkdir(parents=True)
        (net.parent.parent / 'class').write_text('0x020000\n')
        (net / 'address').write_text(mac + '\n')
        pathlib.Path(place, 'class/net', name).mkdir(parents=True)
    for pci, kind, driver in OTHERS:
        device = pathlib.Path(place, 'bus/pci/devices', pci)
        device.mkdir()
        (device / 'class').write_text(kind + '\n')
        drivers = pathlib.Path(place, 'bus/pci/drivers', driver)
        drivers.mkdir(parents=True)
        (device / 'driver').symlink_to(drivers)


def on_a_machine(changes, words):
    """Taken on a machine with these cards, or (words) refused; then what was there stays."""
    def case():
        with tempfile.TemporaryDirectory() as name:
            etc, file = pathlib.Path(name, 'etc'), pathlib.Path(name, 'setup')
            etc.mkdir()
            machine(name)
            text = GOOD.replace('net_af_packet,iface=eth1', '0000:00:04.0')
            for old, new in changes:
                assert old in text, old
                text = text.replace(old, new)
            file.write_text(text)
            done = run('use', file, etc=etc, sys=name)
            tap.equal(done.returncode, 1 if words else 0, done.stdout + done.stderr)
            tap.equal((etc / 'cordon.yaml').exists(), not words, 'config')
            if words:
                tap.contains(done.stdout, words)
                tap.equal('cordon.yaml' in done.stdout, False, 'no file is named that nobody sees')
    return case


def drive_at_boot(in_force, other, told):
    """A config drive is attached to a gateway that was set up. blkid, mount and systemctl are played: here is no such drive."""
    def case():
        with tempfile.TemporaryDirectory() as name:
            etc, bin, content = (pathlib.Path(name, part) for part in ('etc', 'bin', 'content'))
            for path in (etc, bin, content):
                path.mkdir()
            for tool, does in {'blkid': 'echo /dev/none', 'mount': f'cp {content}/setup.conf {etc}/run/drive/', 'umount': f'rm {etc}/run/drive/*', 'systemctl': ':',
                               'ssh-keygen': f'[ "$1" = -l ] && exec {shutil.which("ssh-keygen")} "$@"; exit 1'}.items():
                (bin / tool).write_text(f'#!/bin/sh\n{does}\n')
                (bin / tool).chmod(0o755)
            for file in ('setup.conf', 'setup.drive'):
                (etc / file).write_text(GOOD)
            (etc / 'cordon.yaml').write_text('gateway: gw1\n')
            if in_force:
                (etc / 'policy-in-force').touch()
            (content / 'setup.conf').write_text(GOOD + other)
            # nothing of this machine is touched: there are no `management` and no `admin.keys`, and no host key is made
            run('boot', etc=etc, path=f'{bin}:')
            said = ''.join(path.read_text() for path in (etc / 'notices').glob('*')) if (etc / 'notices').exists() else ''
            tap.equal('config drive' in said, bool(told), said)
            if told:
                tap.contains(said, told)
    return case


def not_taken():
    """Wrong for the set-up, and right for it but not for cordond: what was there stays."""
    for text in (GOOD.replace('access 20', 'access 20,30'), GOOD.replace('10.20.0.0/16', '10.20.0.1/16')):
        with tempfile.TemporaryDirectory() as name:
            etc = pathlib.Path(name)
            (etc / 'cordon.yaml').write_text('before\n')
            file = etc / 'setup'
            file.write_text(text)
            done = run('use', file, etc=etc)
            tap.equal(done.returncode, 1, 'exit')
            tap.contains(done.stdout, str(file))
            tap.contains(done.stdout, 'nothing was taken; what was there stays')
            tap.equal((etc / 'cordon.yaml').read_text(), 'before\n', 'config')
            tap.equal(sorted(p.name for p in etc.iterdir() if p.name != 'run'), ['cordon.yaml', 'setup'], 'files')


tap.run([
    ('a file that is right', right),
    ("the README's file", readme),
    ("the README's first policy", readme_policy),
    ('every mistake is told at once', everything_at_once),
    ('a gateway without a name', one('gateway    = gw1\n', '', LAST - 1, '`gateway` is missing')),
    ('a setting twice', one('gateway    = gw1', 'gateway = gw1\ngateway = gw2', 3, 'twice')),
    ('an unknown setting', one('# two ports', 'mangement = x', 1, 'there is no setting')),
    ('an unknown engine', one('# two ports', 'engine = xdp', 1, 'dpdk or nft')),
    ('one port', one('port       = wan  net_af_packet,iface=eth1 trunk 20,30 outside\n', '', LAST - 1, 'here is one')),
    ('a port twice', one('= wan ', '= lan1', 4, 'twice')),
    ('a device twice', one('net_af_packet,iface=eth1', '0000:00:03.0', 4, 'is a port already')),
    ('a device with a quote', one('0000:00:03.0 access', '0000:00:03.0"x access', 3, 'names no device')),
    ('a management device with a bracket', one('52:54:00:00:00:01', '[Network]', 6, 'names no device')),
    ('a PCI address in capitals', one('0000:00:03.0 access', '0000:0A:03.0 access', 3, 'lower case')),
    ('half a PCI address', one('0000:00:03.0 access', '00:03.0 access', 3, 'in full')),
    ("a kernel's name for the dataplane", one('0000:00:03.0 access', 'eth1 access', 3, 'takes a port by its PCI address')),
    ('a MAC for the dataplane', one('0000:00:03.0 access', '52:54:00:00:00:02 access', 3, 'takes a port by its PCI address')),
    ('too few words', one('access 20 inside ', 'access 20 ', 3, '5 words')),
    ('an unknown role', one('trunk 20,30', 'bridge 20,30', 4, 'access or trunk')),
    ('a VLAN beyond the last', one('trunk 20,30', 'trunk 20,4095', 4, '1 to 4094')),
    ('two VLANs of an access port', one('access 20', 'access 20,30', 3, 'one VLAN')),
    ('no side', one('outside', 'outsid', 4, 'inside or outside')),
    ('no prefix', one('10.20.0.0/16', '10.20.0.0', 5, 'no prefix')),
    ('a length beyond the address', one('10.20.0.0/16', '10.20.0.0/33', 5, 'no prefix')),
    ('a management address without a length', one('192.0.2.10/24', '192.0.2.10', 6, 'no address with a length')),
    ('a management address without a net', one('192.0.2.10/24', '192.0.2.10/0', 6, 'no address with a length')),
    ('a management address that is none', one('192.0.2.10/24', '192.0.2.256/24', 6, 'no address with a length')),
    ('a router that is no address', one('192.0.2.1\n', '192.0.2.999\n', 6, 'is no address')),
    ('a router that is none in IPv6', one('192.0.2.10/24 192.0.2.1\n', 'fd00::10/64 ::1::2\n', 6, 'router `::1::2` is no address')),
    ('an address of nine groups', one('fd00:20::/48', '1:2:3:4:5:6:7:8:9/48', 5, 'no prefix')),
    ('an address of seven groups', one('fd00:20::/48', '1:2:3:4:5:6:7/48', 5, 'no prefix')),
    ('a time server of colons', one('# two ports', 'time = :::::', 1, 'no address of a time server')),
    ('a router elsewhere', one('192.0.2.1\n', '192.0.3.1\n', 6, 'no neighbour')),
    ('a router of the other family', one('192.0.2.1\n', 'fd00::1\n', 6, 'no neighbour')),
    *((f'the management address {address}', one('192.0.2.10/24 192.0.2.1', f'{address} {router}'.strip(), 6, 'is none that a machine can have'))
      for address, router in (('0.0.0.0/24', ''), ('127.0.0.1/8', ''), ('224.0.0.1/24', ''), ('::/64', ''), ('0:0::0/64', ''), ('::1/64', ''), ('FF02::1/64', 'fe80::1'))),
    *((f'the IPv6 router {router} of {address}', one('192.0.2.10/24 192.0.2.1', f'{address} {router}', 6, 'no neighbour'))
      for address, router in (('2001:db8::10/64', '2001:db8:0:1::1'), ('2001:db8::10/64', '2001:DB8:0::10'), ('2001:db8::10/128', '2001:db8::1'), ('2001:db8::10/63', '2001:db8:0:2::1'))),
    ('a time server that is no machine', one('# two ports', 'time = ::', 1, 'no address of a time server')),
    *((f'taken, with the IPv6 router {router}', no_mistake('192.0.2.10/24 192.0.2.1', f'2001:db8::10/63 {router}'))
      for router in ('2001:db8::1', '2001:db8:0:1:ffff::1', 'fe80::1')),
    ('a management device that is a port', one('52:54:00:00:00:01', '0000:00:03.0', 6, 'needs one of its own')),
    ('the same, and the port comes later', one('# two ports', 'management = 0000:00:03.0 192.0.2.10/24', 1, 'needs one of its own', 'management = 52:54:00:00:00:01 192.0.2.10/24 192.0.2.1\n')),
    ('nobody may manage it', one('allow-from = admins operators\n', '', LAST - 1, 'which group')),
    ('a prefix manages it', one('admins operators', 'admins 192.0.2.0/24', 7, 'no name of a group')),
    ('no time server', one('# two ports', 'time = pool', 1, 'no address of a time server')),
    ('a time server that is no address', one('# two ports', 'time = 999.1.1.1', 1, 'no address of a time server')),
    ('a time server and the own clock', one('# two ports', 'time = 192.0.2.1 local', 1, 'no address of a time server')),
    ('no key', one(f'key        = {KEY} # a comment of the key\'s\n', '', LAST - 1, '`key` is missing')),
    ('no public key', one('ssh-ed25519 AAAAC3', 'ssh-ed25519 BBBBC3', 8, 'public key file')),
    ('half a public key', one(KEY, KEY[:60], 8, 'cannot be read')),
    ('taken, for the dataplane', taken('', 'device: "0000:00:03.0"')),
    ('taken, with a time server', taken('time = 192.0.2.1 fd00::1\n', 'clock: kernel')),
    ('taken, with its own clock', taken('time = local\n', 'clock: trusted')),
    ('not taken', not_taken),
    ('a machine that has it all', on_a_machine([], None)),
    ('a card that may come later', on_a_machine([('0000:00:04.0', '0000:00:09.0')], None)),
    ('which the kernel engine cannot name', on_a_machine([('0000:00:04.0', '0000:00:09.0'), ('# two', 'engine = nft\n# two')], 'port wan: this machine has no device 0000:00:09.0; it has: 0000:00:02.0 (eth0)')),
    ('a disk as a port', on_a_machine([('0000:00:04.0', '0000:00:08.0')], 'port wan: 0000:00:08.0 is no network device of this machine; it has: 0000:00:02.0 (eth0)')),
    ('a disk as the device of management', on_a_machine([('52:54:00:00:00:01', '0000:00:08.0')], 'management: 0000:00:08.0 is no network device')),
    ('a card that the dataplane has', on_a_machine([('0000:00:04.0', '0000:00:05.0')], None)),
    ('which the kernel engine cannot have', on_a_machine([('0000:00:04.0', '0000:00:05.0'), ('# two', 'engine = nft\n# two')], 'port wan: 0000:00:05.0 is given to the dataplane')),
    ("a port by the kernel's name", on_a_machine([('0000:00:04.0', 'eth2'), ('# two', 'engine = nft\n# two')], None)),
    ('the card of management by its MAC is a port', on_a_machine([('52:54:00:00:00:01', '52:54:00:00:00:02')], 'port lan1 and management: both are 0000:00:03.0')),
    ("and by the kernel's name", on_a_machine([('52:54:00:00:00:01', 'eth1')], 'port lan1 and management: both are 0000:00:03.0')),
    ('one card under two names', on_a_machine([('0000:00:04.0', 'net_af_packet,iface=eth1')], 'port lan1 and port wan: both are 0000:00:03.0')),
    ('what cordond does not take', on_a_machine([('10.20.0.0/16', '10.20.0.1/16')], 'bits set beyond its length')),
    ('a wrong drive before a policy was in force', drive_at_boot(False, 'x\n', 'config drive: setup.conf:9: ')),
    ('the same drive before a policy was in force', drive_at_boot(False, '', None)),
    ('another drive afterwards', drive_at_boot(True, '# x\n', 'is not taken, because a policy was in force')),
    ('the same drive afterwards', drive_at_boot(True, '', None)),
])
