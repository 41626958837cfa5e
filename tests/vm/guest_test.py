# SPDX-License-Identifier: BSD-3-Clause
"""The guest runner: what comes out of a guest, also when it goes wrong; and what the kernel engine relies on in Debian's
kernel that this machine's may lack: connection tracking, zones, tags and reject in a bridge."""

import pathlib
import re

import guest
import tap

LAB = {f'/lab/{name}': pathlib.Path(__file__).with_name(name) for name in ('bridge.sh', 'bridge.nft')}


def answers():
    number, output = guest.run('uname -r; cat /lab/note; nproc', files={'/lab/note': 'as given\n'}, cpus=2)
    tap.equal(number, 0, 'exit')
    release, note, cpus = output.splitlines()
    tap.equal((release[:4], note, cpus), ('6.1.', 'as given', '2'), output)


def fails():
    number, output = guest.run(['sh', '-c', 'echo "it\'s $1" >&2; exit 7', 'sh', 'so'])
    tap.equal((number, output), (7, "it's so\n"), 'a failing command')


def no_answer(command, text, late, **kwargs):
    """Gives what the guest had printed by then."""
    try:
        answer = guest.run(command, **kwargs)
    except guest.GuestError as err:
        tap.contains(str(err), text)
        tap.equal(err.late, late, 'late')
        console = pathlib.Path(err.console)
        kept = console.read_text()
        console.unlink()
        return err.output, kept
    raise AssertionError(f'{command}: {answer}')


def hangs():
    output, _ = no_answer('echo before; sleep 1000', 'no answer within 1 s', True, timeout=1)
    tap.equal(output, 'before\n', 'output until then')


def panics():
    _, console = no_answer('echo c >/proc/sysrq-trigger', 'panicked', False)
    tap.contains(console, 'sysrq triggered crash')


def bridge():
    number, output = guest.run(['sh', '/lab/bridge.sh'], files=LAB)
    tap.equal(number, 0, output)
    counters = {name: int(value) for name, value in re.findall(r'^counter (\w+) = (\d+)$', output, re.M)}
    for line in ('rules accepted', 'h1 answered', 'h3 answered', 'tracked in 20 with mark 512', 'tracked in 30 with mark 768',
                 "h1 81 nc: can't connect to remote host (10.0.0.2): Connection refused",
                 "h1 82 nc: can't connect to remote host (10.0.0.2): No route to host",
                 "h2 81 nc: can't connect to remote host (10.0.0.1): Connection refused"):
        if line not in output.splitlines():
            raise AssertionError(f'{line!r} is not in\n{output}')
    tap.equal(counters['answers'], 2, 'answers seen by their original direction')
    # in a tagged frame the payload has the tag, `meta protocol` what is behind it
    tap.equal(counters['arp_payload'], 0, 'tagged ARP by payload')
    tap.equal(counters['arp_protocol'] > 0 and counters['tagged_frames'] > 0, True, f'tagged frames {counters}')
    # the twin: the same trunk without VLAN 20
    _, cut = output.split('VLAN 20 cut\n')
    tap.equal(re.findall('h. answered', cut), ['h3 answered'], cut)


tap.run([
    ('a command, its files, its output, the kernel of Debian 12', answers),
    ('a failing command fails with its own number', fails),
    ('a hanging command ends in time, with what it had printed', hangs),
    ('a panic is a failure, its console log is kept', panics),
    ('a bridge in the guest: zones, tags, tracking by original direction, reject', bridge),
])
