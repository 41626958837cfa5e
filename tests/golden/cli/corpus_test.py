# SPDX-License-Identifier: BSD-3-Clause
"""
Every capture of a directory through `cordon replay`: no crash, both laws close, link types that are not read are refused
by name. usage: corpus_test.py CORDON [DIR]; without DIR, CORDON_CORPUS names it.
"""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', '..', 'support')]
import tap  # noqa: E402

CORDON = os.path.abspath(sys.argv[1])
WHERE = sys.argv[2] if len(sys.argv) > 2 else os.environ.get('CORDON_CORPUS')


def replay(path):
    r = subprocess.run([CORDON, 'replay', '--policy', os.path.join(HERE, 'small.yaml'), '--pcap', path, '-o', 'jsonl'],
                       capture_output=True, text=True, timeout=120, check=False)
    if r.returncode == 2:
        if 'cannot read the capture' not in r.stderr and 'link type' not in r.stderr:
            raise AssertionError(r.stderr)
        return
    tap.equal(r.returncode in (0, 8), True, f'exit {r.returncode}: {r.stderr[-2000:]}')
    lines = r.stdout.splitlines()
    s = json.loads(lines[-1])['summary']
    tap.equal(s['frames'], s['forwarded'] + s['dropped'], 'law of frames')
    tap.equal(s['decisions'], s['written'] + s['aggregated'] + s['pending'] + s['lost'], 'law of decisions')
    tap.equal((s['written'], s['pending'], s['lost']), (len(lines) - 1, 0, 0), 'lines')
    tap.equal(s['dropped'], sum(n for word, n in s['reasons'].items() if word != 'l2'), 'reasons')
    tap.equal('breaks off' in r.stderr, r.returncode == 8, 'words for exit 8')


if not WHERE:
    print('1..0 # SKIP CORDON_CORPUS names no directory of captures')
    sys.exit(0)
tap.run((name, lambda name=name: replay(os.path.join(WHERE, name))) for name in sorted(os.listdir(WHERE))
        if os.path.isfile(os.path.join(WHERE, name)))
