# SPDX-License-Identifier: BSD-3-Clause
"""What cordon-nft relies on in any kernel (tests/nft) in Debian's own, in a guest: transactions, read-backs, events, logs, and
a load that is killed."""

import os
import pathlib
import re

import guest
import tap

BUILD = pathlib.Path(os.environ['CORDON_BUILD'])
TESTS = [BUILD / 'tests/nft' / name for name in ('table_test', 'live_test')]
# What these tests themselves put beside our tables; and the way of kernels without conntrack in bridges.
MODULES = ['br_netfilter', 'nft_quota', 'nft_chain_nat', 'nft_fib_inet']
# The guest has no ptrace for LeakSanitizer. On this kernel loading grows with the square of a map's size.
RUN = 'export ASAN_OPTIONS=detect_leaks=0 CMOCKA_MESSAGE_OUTPUT=TAP ELEMENTS=2000 KILLS=4\n' + '\n'.join(f'{test} 2>&1' for test in TESTS)

try:
    _, output = guest.run(RUN, programs=[*TESTS, 'sysctl'], modules=MODULES, memory=1024, timeout=240)
except guest.GuestError as err:
    output = f'{err.output}{err}\n'
results = re.findall(r'^(not )?ok \d+ - (\w+)$', output, re.M)


def result(failed):
    def case():
        if failed:
            raise AssertionError(output)
    return case


def whole():
    """Each program says first how many there will be."""
    plans = re.findall(r'^1\.\.(\d+)$', output, re.M)
    tap.equal((len(plans), sum(map(int, plans))), (len(TESTS), len(results)), output)


tap.run([(name.replace('_', ' '), result(failed)) for failed, name in results] + [('no test was left out', whole)])
