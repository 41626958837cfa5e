# SPDX-License-Identifier: BSD-3-Clause
"""kill -9 of cordond, of cordon-dp and of both under load: after the restart both equations close."""

import os
import random
import signal
import subprocess
import time

import tap
from lab import ROOT, Lab, wait_for

BUILD = os.environ['CORDON_BUILD']
POLICY = ROOT / 'policies/examples/agency-core'
ROUNDS = int(os.environ.get('CORDON_KILLS', '2'))

# Sends new UDP flows as fast as Python can: allowed ones to the name server, refused ones to the database.
LOAD = '''
import itertools, socket, time
end = time.monotonic() + 30
for n in itertools.count():
    if time.monotonic() > end: break
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.sendto(b"x" * 20, ("10.20.0.53", 53)); s.sendto(b"x" * 20, ("10.20.0.31", 1000 + n % 20000))
    except OSError: time.sleep(0.01)
    s.close()
'''


def load(lab):
    return subprocess.Popen(['ip', 'netns', 'exec', lab.ns('staff'), '/usr/bin/python3', '-c', LOAD],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def restart(lab, names):
    if 'dp' in names:
        (lab.run_dir / 'dp.sock').unlink(missing_ok=True)
        lab.start_dp()
    if 'cordond' in names:
        lab.start_cordond()


def kill_under_load(lab, names):
    def case():
        for _ in range(ROUNDS):
            before = lab.status()['laws']['decisions']
            sender = load(lab)
            try:
                wait_for('decisions under load', lambda: lab.status()['laws']['decisions'] > before + 200, 20)
                time.sleep(random.uniform(0.05, 0.4))  # the moment of death is what varies
                for name in names:
                    lab.stop(name, sig=signal.SIGKILL)
                restart(lab, names)
                base = lab.status()['laws']['decisions']
                wait_for('decisions after the restart', lambda: lab.status()['laws']['decisions'] > base, 20)
            finally:
                sender.kill()
                sender.wait()
            laws = lab.laws(20)
            if laws['decisions'] <= before:
                raise AssertionError(f'decisions went from {before} to {laws["decisions"]}')
            if laws['lost'] > 64 * ROUNDS * 3:
                raise AssertionError(f'lost more than the bursts in hand: {laws}')
    return case


def ring_files(lab):
    def case():
        wait_for('only the live ring is left', lambda: len(list(lab.run_dir.glob('dp-*.ring'))) == 1, 10)
    return case


with Lab(BUILD, driver='net_af_packet', huge=False) as lab:
    lab.up(POLICY)
    tap.run([
        ('kill -9 cordond', kill_under_load(lab, ['cordond'])),
        ('kill -9 cordon-dp', kill_under_load(lab, ['dp'])),
        ('kill -9 both', kill_under_load(lab, ['dp', 'cordond'])),
        ('rings of dead instances are drained and removed', ring_files(lab)),
    ])
