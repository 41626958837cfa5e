# SPDX-License-Identifier: BSD-3-Clause
"""What holds when a process is not there: last good policy, deny-all without one, enforcement without cordond."""

import os
import pathlib
import signal

import tap
from lab import ROOT, Lab, wait_for

BUILD = os.environ['CORDON_BUILD']
POLICY = ROOT / 'policies/examples/agency-core'


def reach(lab, src='staff', dst='web'):
    return lab.run(src, ['ping', '-c1', '-W1', lab.hosts[dst].v4]).returncode == 0


def await_reach(lab, what, src='staff', dst='web'):
    wait_for(what, lambda: reach(lab, src, dst), 20)


def denied(lab, src='intruder', dst='web'):
    if reach(lab, src, dst):
        raise AssertionError(f'{src} reached {dst}')


def nothing_without_policy(lab):
    def case():
        for src in ('staff', 'intruder', 'world'):
            denied(lab, src, 'web')
        tap.equal(lab.status()['generation']['number'], 0, 'generation')
        reasons = lab.status()['laws']['reasons']
        if not reasons.get('deny-all'):
            raise AssertionError(f'no deny-all among {reasons}')
    return case


def commit_opens(lab):
    def case():
        lab.cordon('commit', str(POLICY), '-m', 'first')
        await_reach(lab, 'staff reaches web')
        denied(lab)
    return case


def forwards_without_cordond(lab):
    def case():
        lab.stop('cordond', sig=signal.SIGKILL)
        await_reach(lab, 'staff reaches web without cordond')
        denied(lab)
    return case


def dp_restarts_from_last_good(lab):
    def case():
        lab.stop('dp', sig=signal.SIGKILL)
        denied(lab, 'staff', 'web')
        (lab.run_dir / 'dp.sock').unlink(missing_ok=True)
        lab.start_dp()
        await_reach(lab, 'staff reaches web from the last good policy, with no control plane')
        denied(lab)
    return case


def corrupt_last_good_denies(lab):
    def case():
        lab.stop('dp', sig=signal.SIGKILL)
        (lab.run_dir / 'dp.sock').unlink(missing_ok=True)
        image = lab.dir / 'state/last-good.image'
        good = image.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        image.write_bytes(bad)
        lab.start_dp()
        for _ in range(3):
            denied(lab, 'staff', 'web')
        tap.contains(lab.log('dp', 200), 'last-good')
        image.write_bytes(good)
    return case


def control_plane_repairs(lab):
    def case():
        lab.start_cordond()
        await_reach(lab, 'cordond published the active generation again')
        denied(lab)
        lab.laws()
    return case


def caps_are_dropped(lab):
    def case():
        for name in ('dp', 'cordond'):
            status = pathlib.Path(f'/proc/{lab.procs[name].pid}/status').read_text()
            caps = {line.split()[0]: int(line.split()[1], 16) for line in status.splitlines() if line.startswith('Cap')}
            tap.equal({c: caps[c] for c in ('CapEff:', 'CapPrm:', 'CapAmb:')},
                      {'CapEff:': 0, 'CapPrm:': 0, 'CapAmb:': 0}, name)
            uid = next(line for line in status.splitlines() if line.startswith('Uid:')).split()[1]
            if uid == '0':
                raise AssertionError(f'{name} runs as root')
    return case


with Lab(BUILD, driver='net_af_packet', huge=False) as lab:
    lab.up()
    tap.run([
        ('no policy, nothing passes', nothing_without_policy(lab)),
        ('a commit opens what it names', commit_opens(lab)),
        ('no process keeps a capability or runs as root', caps_are_dropped(lab)),
        ('forwarding and enforcement without cordond', forwards_without_cordond(lab)),
        ('cordon-dp restarts from the last good policy', dp_restarts_from_last_good(lab)),
        ('a corrupt last good image denies everything', corrupt_last_good_denies(lab)),
        ('cordond comes back and repairs it', control_plane_repairs(lab)),
    ])
