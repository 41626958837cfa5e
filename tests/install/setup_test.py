# SPDX-License-Identifier: BSD-3-Clause
"""The appliance's set-up file: every mistake is told with its line, nothing is taken until it is right, and what is taken is a
config that cordond accepts."""

import os
import pathlib
import re
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


def run(*words, etc='/nonexistent'):
    env = dict(os.environ, CORDON_ETC=str(etc), CORDON_SETUP_RUN=f'{etc}/run', CORDON_NOTICES=f'{etc}/notices',
               PATH=f'{BUILD}/tests:{BUILD}/controlplane/daemon:{os.environ["PATH"]}')
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


def one(old, new, line, words):
    """GOOD with one thing changed has one mistake."""
    def case():
        text = GOOD.replace(old, new)
        assert text != GOOD, old
        found = mistakes(text)
        tap.equal(len(found), 1, f'mistakes {found}')
        tap.contains(found[0], f'F:{line}: ')
        tap.contains(found[0], words)
    return case


def right():
    tap.equal(mistakes(GOOD), ['F: right'], 'as it is')
    tap.equal(mistakes(GOOD.replace('\n', '\r\n')), ['F: right'], 'from another system')


def readme():
    text = (ROOT / 'README.md').read_text()
    block = re.search(r'```\n(gateway.*?)```', text, re.S)[1]
    tap.equal(mistakes(block.replace('AAAA...', 'AAAAC3Nz')), ['F: right'], 'the one in the README')


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
    ('every mistake is told at once', everything_at_once),
    ('a gateway without a name', one('gateway    = gw1\n', '', LAST - 1, '`gateway` is missing')),
    ('a setting twice', one('gateway    = gw1', 'gateway = gw1\ngateway = gw2', 3, 'twice')),
    ('an unknown setting', one('# two ports', 'mangement = x', 1, 'there is no setting')),
    ('an unknown engine', one('# two ports', 'engine = xdp', 1, 'dpdk or nft')),
    ('one port', one('port       = wan  net_af_packet,iface=eth1 trunk 20,30 outside\n', '', LAST - 1, 'here is one')),
    ('a port twice', one('= wan ', '= lan1', 4, 'twice')),
    ('a device twice', one('net_af_packet,iface=eth1', '0000:00:03.0', 4, 'is a port already')),
    ('too few words', one('access 20 inside ', 'access 20 ', 3, '5 words')),
    ('an unknown role', one('trunk 20,30', 'bridge 20,30', 4, 'access or trunk')),
    ('a VLAN beyond the last', one('trunk 20,30', 'trunk 20,4095', 4, '1 to 4094')),
    ('two VLANs of an access port', one('access 20', 'access 20,30', 3, 'one VLAN')),
    ('no side', one('outside', 'outsid', 4, 'inside or outside')),
    ('no prefix', one('10.20.0.0/16', '10.20.0.0', 5, 'no prefix')),
    ('a length beyond the address', one('10.20.0.0/16', '10.20.0.0/33', 5, 'no prefix')),
    ('a management address without a length', one('192.0.2.10/24', '192.0.2.10', 6, 'no address with a length')),
    ('a management device that is a port', one('52:54:00:00:00:01', '0000:00:03.0', 6, 'needs one of its own')),
    ('nobody may manage it', one('allow-from = admins operators\n', '', LAST - 1, 'which group')),
    ('a prefix manages it', one('admins operators', 'admins 192.0.2.0/24', 7, 'no name of a group')),
    ('no key', one(f'key        = {KEY} # a comment of the key\'s\n', '', LAST - 1, '`key` is missing')),
    ('no public key', one('ssh-ed25519 AAAAC3', 'ssh-ed25519 BBBBC3', 8, 'public key file')),
    ('taken, for the dataplane', taken('', 'device: "0000:00:03.0"')),
    ('not taken', not_taken),
])
