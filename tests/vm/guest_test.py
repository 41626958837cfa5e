# SPDX-License-Identifier: BSD-3-Clause
"""The guest runner: what comes out of a guest, also when it goes wrong; and what the kernel engine relies on in Debian's
kernel that this machine's may lack: connection tracking, zones, tags and reject in a bridge."""

import concurrent.futures
import pathlib
import re
import tempfile

import guest
import tap

LAB = {f'/lab/{name}': pathlib.Path(__file__).with_name(name) for name in ('bridge.sh', 'bridge.nft')}


def answers():
    """Words as given, the number it fails with; the bridge's cases are the twin that ends with 0."""
    line = 'uname -r; cat /lab/note; nproc; echo "it\'s $1" >&2; exit 7'
    number, output = guest.run(['sh', '-c', line, 'sh', 'so'], files={'/lab/note': 'as given\n'}, cpus=2)
    tap.equal(number, 7, f'exit: {output}')
    release, *others = output.splitlines()
    tap.equal((release[:4], others), ('6.1.', ['as given', '2', "it's so"]), output)


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


PREPARE = """
for n in 1 2; do ip link add p$n type veth peer name q$n; done
prepare() { sh /lab/bridge-prepare --bridge cordon0 "$@"; }
prepare p1:pvid=20 p2:vids=20,30 && bridge vlan show | tr -s '\\t \\n' ' '
ls /proc/sys/net/bridge
prepare --up
ip -br link show cordon0
prepare --down && ip -br link show cordon0
"""


def prepared():
    """Where bridges keep VLANs apart and track connections themselves."""
    _, output = guest.run(PREPARE, files={f'/lab/{name}': guest.SCRIPTS / name for name in ('bridge-prepare', 'port-common')})
    tap.contains(output, 'p1 20 PVID Egress Untagged p2 20 30 ')
    tap.contains(output, '/proc/sys/net/bridge: No such file')  # br_netfilter stays out
    tap.contains(output, "nothing guards 'cordon0'")
    tap.contains(output, 'cordon0          DOWN')
    tap.contains(output, 'Device "cordon0" does not exist')


def at_once():
    """Each of many commands that run in a guest at the same time gets its own answer, whole."""
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = pathlib.Path(name)
        with guest.Guest(work / 'guest', guest.make(work / 'image', guest.AGENT)) as kept:
            for turn in range(3):
                done = list(pool.map(lambda n: kept.run(f'for i in $(seq 2000); do echo {n} $i; done; exit {n}', 60), range(8)))
                tap.equal([d.exit for d in done], list(range(8)), f'turn {turn}')
                for n, d in enumerate(done):
                    tap.equal(d.output, ''.join(f'{n} {i}\n' for i in range(1, 2001)), f'answer {n} of turn {turn}')


tap.run([
    ("a command's files, output and number, on the kernel of Debian 12", answers),
    ('a hanging command ends in time, with what it had printed', hangs),
    ('a panic is a failure, its console log is kept', panics),
    ('commands of a guest at once', at_once),
    ('bridge-prepare with VLANs', prepared),
    ('a bridge in the guest: zones, tags, tracking by original direction, reject', bridge),
])
