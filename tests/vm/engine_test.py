# SPDX-License-Identifier: BSD-3-Clause
"""The kernel engine where the kernel tracks connections in bridges: Debian's own, in a guest, with a tagged trunk."""

import os
import pathlib

import guest
import tap

BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = [BUILD / 'controlplane' / name for name in ('nft/cordon-nft', 'daemon/cordond', 'cli/cordon')]
FILES = {
    '/lab/engine.sh': HERE / 'engine.sh',
    '/lab/engine.yaml': HERE / 'engine.yaml',
    '/lab/bridge-prepare': ROOT / 'scripts/bridge-prepare',
    '/lab/policy': ROOT / 'policies/examples/agency-core',
    '/usr/share/cordon/ztmm': ROOT / 'policies/ztmm',
    '/usr/share/zoneinfo/Europe': pathlib.Path('/usr/share/zoneinfo/Europe'),
}
try:
    number, output = guest.run(['sh', '/lab/engine.sh', BUILD], files=FILES, programs=PROGRAMS, memory=2048, timeout=120)
except guest.GuestError as err:
    number, output = None, f'{err.output}{err}\n'
parts = {}
part = 'begin'
for line in output.splitlines():
    if line in ('before a policy', 'committed', 'killed and started again', 'asked with packets', 'the end'):
        part = line
    parts.setdefault(part, []).append(line)


def found(name, lines):
    def case():
        tap.equal(parts.get(name, [None])[1:], lines, f'{name}\n{output}\n')
    return case


def ended():
    text = '\n'.join(parts.get('the end', []))
    tap.equal(number, 0, output)
    for part in ('"layout":"bridge-conntrack"', 'laws        closed', 'as committed'):
        tap.contains(text, part)
    for part in ('refused a request', 'ERROR: AddressSanitizer', 'runtime error'):
        if part in text:
            raise AssertionError(text)


def asked():
    text = '\n'.join(parts.get('asked with packets', []))
    for part in ('live.nft.decision', 'live.nft.fragment', ' 0 failed,', '4094 PVID Egress Untagged'):
        tap.contains(text, part)
    if 'time was up' not in text:  # an emulated machine may be slow
        tap.contains(text, 'verify ended with 0')


tap.run([
    ('nothing passes before a policy is there', found('before a policy', ['h1 does not reach 10.20.0.11'])),
    ('what the policy says, over IPv4 and IPv6, to and from a trunk', found('committed', [
        'h1 reaches 10.20.0.11', 'h1 reaches fd00:20::11', 'h1 does not reach 10.20.0.31', 'h1 talks to 10.20.0.11:443',
        'h2 talks to 10.20.0.31:5432', 'h1 gets nothing of 10.20.0.31:5432', 'h2 gets nothing of 10.20.0.21:22'])),
    ('cordon-nft killed: the kernel goes on; started again, it learns addresses', found('killed and started again', [
        'h1 reaches fd00:20::11', 'h1 reaches 10.20.0.11', 'h1 does not reach 10.20.0.31'])),
    ('every decision and case asked with packets, in a VLAN of their own', asked),
    ('as committed, both laws closed, nothing refused by the kernel', ended),
])
