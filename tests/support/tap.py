# SPDX-License-Identifier: BSD-3-Clause
"""Test Anything Protocol for the tests that drive whole processes."""

import sys
import traceback


class Skip(Exception):
    """Raised by a case that cannot run here; tests/skips.txt must know it."""


def run(cases):
    """Run (name, function) pairs in order; a case fails by raising. Exits 1 if any did."""
    cases = list(cases)
    print(f'1..{len(cases)}', flush=True)
    bad = 0
    for number, (name, case) in enumerate(cases, 1):
        try:
            case()
            print(f'ok {number} - {name}', flush=True)
        except Skip as why:
            print(f'ok {number} - {name} # SKIP {why}', flush=True)
        except Exception as err:  # a test harness reports whatever went wrong
            bad += 1
            print(f'not ok {number} - {name}', flush=True)
            text = ''.join(traceback.format_exception(err))
            print('\n'.join('# ' + line for line in text.splitlines()), flush=True)
    sys.exit(1 if bad else 0)


def equal(got, want, what=''):
    if got != want:
        raise AssertionError(f'{what}: got {got!r}, want {want!r}')


def contains(text, part):
    if part not in text:
        raise AssertionError(f'{part!r} is not in {text!r}')
