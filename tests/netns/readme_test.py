# SPDX-License-Identifier: BSD-3-Clause
"""Every command in the README works as printed there."""

import json
import os
import pathlib
import re
import subprocess

import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
# These are long. The scenario test runs the first, the second is running now, and of the third one turn will do.
ELSEWHERE = {'scripts/quickstart': 'scripts/quickstart --help', 'scripts/test': 'scripts/test --help',
             'scripts/bench vhost -o json': 'scripts/bench vhost --flows 64 --seconds 1 --pairs 1 -o json'}


def commands():
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    blocks = re.findall(r'^```sh\n(.*?)^```', text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def works(command):
    def case():
        path = f"{BUILD}/controlplane/cli:{os.environ['PATH']}"
        done = subprocess.run(ELSEWHERE.get(command, command), shell=True, cwd=ROOT, text=True, capture_output=True, timeout=280,
                              env=dict(os.environ, PATH=path))
        if done.returncode != 0:
            raise AssertionError(f'exit {done.returncode}\n{done.stdout}\n{done.stderr}')
        if 'bench forward' in command or 'bench vhost' in command:
            result = json.loads(done.stdout)
            tap.equal((result['flows'], result['records_lost']), (64, 0), f'flows and lost records of {result}')
        if 'cordon replay' in command:
            summary = json.loads(done.stdout.splitlines()[-1])['summary']
            tap.equal((summary['forwarded'], summary['dropped']), (summary['frames'], 0), f'frames of {summary}')
    return case


def folders():
    """Every path that the page names is there."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    for path in re.findall(r'`((?:tests|controlplane|dataplane|policies|scripts)/[\w/.-]+)`', text):
        if not (ROOT / path).exists():
            raise AssertionError(f'README names {path}, which is not there')


tap.run([(c, works(c)) for c in commands()] + [('folders named exist', folders)])
