# SPDX-License-Identifier: BSD-3-Clause
"""The quickstart's scenario, on both port drivers, and that it leaves nothing behind."""

import os
import pathlib
import signal
import subprocess

import tap
from traces import traces

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ['CORDON_BUILD']


def start(*args):
    return [ROOT / 'scripts/quickstart', '--build', BUILD, '--no-huge', *args]


def succeeded(*args):
    done = subprocess.run(start(*args), capture_output=True, text=True, timeout=240)
    if done.returncode != 0:
        raise AssertionError(f'exit {done.returncode}\n{done.stdout}\n{done.stderr}')
    tap.contains(done.stdout, 'attempts came out as the policy says; both laws of counting close')
    return done.stdout


def leaves_nothing():
    before = traces()
    succeeded('--driver', 'net_af_xdp')
    tap.equal(traces(), before, 'left behind')


def kept_until_it_is_ended():
    """The three commands that --keep prints work as printed."""
    before = traces()
    lines = succeeded('--driver', 'net_af_packet', '--keep').splitlines()
    step, talk, end = (next(line.split(':', 1)[1].strip() for line in lines if line.startswith(start))
                       for start in ('Step into', 'Talk to', 'End it'))
    try:
        inside = subprocess.run(step.split()[:-1] + ['ping', '-c1', '-W2', '10.20.0.11'], capture_output=True)
        tap.equal(inside.returncode, 0, 'ping from the host stepped into')
        tap.equal(subprocess.run(talk.split(), capture_output=True).returncode, 0, talk)
    finally:
        ended = subprocess.run(end.split(), capture_output=True, text=True)
    tap.equal((ended.returncode, ended.stderr), (0, ''), end)
    tap.equal(traces(), before, 'left behind')


def interrupted():
    """Ctrl-C in the middle: exit 130, all undone."""
    before = traces()
    run = subprocess.Popen(start('--driver', 'net_af_packet'), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        if 'committing' in line:
            run.send_signal(signal.SIGINT)
    tap.equal(run.wait(60), 130, 'exit')
    tap.equal(traces(), before, 'left behind')


def refuses_without_root():
    """Given on standard input, because the tree may be where only root can look."""
    with open(ROOT / 'scripts/quickstart', encoding='utf-8') as script:
        done = subprocess.run(['setpriv', '--reuid=nobody', '--clear-groups', 'sh', '-s'], stdin=script, cwd='/', capture_output=True,
                              text=True)
    tap.equal(done.returncode, 2, 'exit')
    tap.contains(done.stderr, 'as root')


tap.run([
    ('a kept lab can be used and ended as it says', kept_until_it_is_ended),
    ('run again, on af_xdp, it leaves nothing behind', leaves_nothing),
    ('interrupted, it undoes everything', interrupted),
    ('it says that it needs root', refuses_without_root),
])
