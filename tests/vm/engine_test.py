# SPDX-License-Identifier: BSD-3-Clause
"""The kernel engine where the kernel tracks connections in bridges: Debian's own, in a guest, with a tagged trunk."""

import json
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
    '/lab/port-common': ROOT / 'scripts/port-common',
    '/lab/policy': ROOT / 'policies/examples/agency-core',
    '/usr/share/cordon/ztmm': ROOT / 'policies/ztmm',
    '/usr/share/zoneinfo/Europe': pathlib.Path('/usr/share/zoneinfo/Europe'),
}
try:
    number, output = guest.run(['sh', '/lab/engine.sh', BUILD], files=FILES, programs=PROGRAMS, memory=2048, timeout=240)
except guest.GuestError as err:
    number, output = None, f'{err.output}{err}\n'
HEADINGS = ('before a policy', 'committed', 'recorded', 'restarted under traffic', 'adopted alone', 'killed while it loads',
            'asked with packets', 'the end')
parts = {}
part = 'begin'
for line in output.splitlines():
    if line in HEADINGS:
        part = line
        parts[part] = []
    else:
        parts.setdefault(part, []).append(line)


def found(name, lines):
    def case():
        tap.equal([line for line in parts.get(name, []) if not line.startswith('#')], lines, f'{name}\n{output}\n')
    return case


# --- records ------------------------------------------------------------------------------------------------------

STAFF, WEB, DB = ('app=office,crit=medium,role=workstation,state=normal', 'app=hr,crit=high,role=web,state=normal',
                  'app=hr,crit=high,role=db,state=normal')
WHO = {'10.20.0.21': STAFF, '10.20.0.11': WEB, '10.20.0.31': DB}
WHO.update({address.replace('10.20.0.', 'fd00:20::'): who for address, who in WHO.items()})
# who, whom, protocol (over IPv6), port (ICMP: type and code), verdict, rule, reason
DECISIONS = [
    ('21', '11', (1, 58), (8 << 8, 128 << 8), 'allow', 'staff-ping', 'rule'),
    ('21', '31', (1, 58), (8 << 8, 128 << 8), 'deny', 'g-staff-db', 'rule'),
    ('21', '11', (6, 6), (443, 443), 'allow', 'hr-use', 'rule'),
    ('11', '31', (6, 6), (5432, 5432), 'allow', 'hr-data', 'rule'),
    ('21', '31', (6, 6), (5432, 5432), 'deny', 'g-staff-db', 'rule'),
    ('11', '21', (6, 6), (22, 22), 'deny', 'default-deny', 'no-rule'),
]


def is_about(row, src, dst, proto, port):
    return (row['src'], row['dst'], row['proto'], row['dport']) == (src, dst, proto, port)


def recorded():
    """Both address families. A session is open (live) until its end is recorded, with the counters of both ways."""
    rows = [json.loads(line) for line in parts.get('recorded', []) if line.startswith('{')]
    decided = set()
    for row in rows:
        tap.equal((row['src_identity'], row['dst_identity'], row['domain'], row['generation'], row['live']),
                  (WHO[row['src']], WHO[row['dst']], 20, 1, False), f'{row}\n')
        if row['verdict'] == 'allow':
            tap.equal((row['kind'], min(row['packets']) > 0, min(row['bytes']) > 0), ('session', True, True), f'{row}\n')
        decided.add((row['src'], row['dst'], row['proto'], row['dport'], row['verdict'], row['rule'], row['reason']))
    # the repeats of a refusal are counted together, with one of them as a sample
    wanted = {(f'{net}{src}', f'{net}{dst}', proto[v6], port[v6], *what)
              for src, dst, proto, port, *what in DECISIONS for v6, net in enumerate(('10.20.0.', 'fd00:20::'))}
    tap.equal(sorted(decided), sorted(wanted), f'decisions\n{output}\n')
    tap.contains('\n'.join(parts['recorded']), 'lost 0')


def ended():
    text = '\n'.join(parts.get('the end', []))
    tap.equal(number, 0, output)
    for part in ('"layout":"bridge-conntrack"', 'laws        closed', 'as committed'):
        tap.contains(text, part)
    for part in ('refused a request', 'of other ports', 'cannot be read', 'everything is denied', 'ERROR: AddressSanitizer',
                 'runtime error'):
        if part in text:
            raise AssertionError(text)


def asked():
    text = '\n'.join(parts.get('asked with packets', []))
    for part in ('live.nft.decision', 'live.nft.fragment', ' 0 failed,', '4094 PVID Egress Untagged'):
        tap.contains(text, part)
    if 'time was up' not in text:  # an emulated machine may be slow
        tap.contains(text, 'verify ended with 0')


PASSES = ['h1 reaches 10.20.0.11', 'h1 reaches fd00:20::11', 'h1 does not reach 10.20.0.31', 'h1 does not reach fd00:20::31']
tap.run([
    ('nothing passes before a policy is there', found('before a policy', ['h1 does not reach 10.20.0.11'])),
    ('what the policy says, over IPv4 and IPv6, to and from a trunk', found('committed', [
        *PASSES, 'h1 talks to 10.20.0.11:443', 'h1 talks to fd00:20::11:443',
        'h2 talks to 10.20.0.31:5432', 'h1 gets nothing of 10.20.0.31:5432',
        'h2 talks to fd00:20::31:5432', 'h1 gets nothing of fd00:20::31:5432',
        'h2 gets nothing of 10.20.0.21:22', 'h2 gets nothing of fd00:20::21:22'])),
    ('each decision and each end has its record: who, whom, by which rule', recorded),
    ('cordon-nft killed, started, stopped, started: it adopts what is there, and traffic does not notice',
     found('restarted under traffic', ['adopted 2 times', 'the connection: before after ', 'what is allowed: yes ',
                                       'SYNs sent again: 0', 'what is denied: no '])),
    ('without cordond: the same tables; then cordond takes over, and addresses are learnt', found('adopted alone', [
        'the tables are the same', *PASSES, 'h1 talks to 10.20.0.11:443', 'h1 reaches 10.20.0.11', 'h1 does not reach 10.20.0.31'])),
    ('killed while it loads: one policy or the other', found('killed while it loads', [
        'committed the other', 'h1 does not reach 10.20.0.11', 'h1 does not reach fd00:20::11', 'refused', 'refused',
        'h1 reaches 10.20.0.11'])),
    ('every decision and case asked with packets, in a VLAN of their own', asked),
    ('as committed, both laws closed, nothing refused by the kernel', ended),
])
