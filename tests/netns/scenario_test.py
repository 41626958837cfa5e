# SPDX-License-Identifier: BSD-3-Clause
"""The quickstart's scenario, on both port drivers, and that it leaves nothing behind."""

import os
import pwd
import pathlib
import subprocess

import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = os.environ['CORDON_BUILD']


def traces():
    spaces = {line.split()[0] for line in subprocess.run(['ip', 'netns'], capture_output=True, text=True).stdout.splitlines()}
    dirs = {str(p) for p in pathlib.Path('/run').glob('cordon-*')}
    users = {u.pw_name for u in pwd.getpwall() if u.pw_name.startswith('cordon')}
    return spaces, dirs, users


def quickstart(*args):
    def case():
        before = traces()
        done = subprocess.run([ROOT / 'scripts/quickstart', '--build', BUILD, '--no-huge', *args], capture_output=True,
                              text=True, timeout=240)
        if done.returncode != 0:
            raise AssertionError(f'exit {done.returncode}\n{done.stdout}\n{done.stderr}')
        tap.contains(done.stdout, 'attempts came out as the policy says; both laws of counting close')
        tap.equal(traces(), before, 'left behind')
    return case


def refuses_without_root():
    done = subprocess.run(['setpriv', '--reuid=nobody', '--clear-groups', str(ROOT / 'scripts/quickstart')], capture_output=True,
                          text=True)
    tap.equal(done.returncode, 2, 'exit')
    tap.contains(done.stderr, 'as root')


tap.run([
    ('quickstart on af_packet', quickstart('--driver', 'net_af_packet')),
    ('quickstart on af_xdp, second run', quickstart('--driver', 'net_af_xdp')),
    ('quickstart says that it needs root', refuses_without_root),
])
