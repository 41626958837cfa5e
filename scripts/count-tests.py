# SPDX-License-Identifier: BSD-3-Clause
"""Count the cases of a meson test run from its testlog.json: prints `passed failed skipped` and a line with the name of each
bad one; what the bad ones said goes to standard error.

Each TAP line is a case. A program that died, timed out, exited badly or ran fewer cases than it planned counts as a
failure even if all its lines say ok. A skip counts as one only if tests/skips.txt gives its reason.
"""

import json
import re
import sys

LINE = re.compile(r'^\s*(not )?ok\b\s*\d*\s*-?\s*(.*?)(\s*#\s*(SKIP|TODO)\b.*)?$', re.I)
SAID = 100  # lines of a bad case
PLAN = re.compile(r'^\s*1\.\.(\d+)')


def known_skips(path):
    """Lines `<part of the test's name> | <date> | <reason>`."""
    skips = {}
    with open(path, encoding='utf-8') as lines:
        for line in lines:
            line = line.split('#')[0].strip()
            if line:
                name, date, reason = (part.strip() for part in line.split('|', 2))
                skips[name] = f'{reason} ({date})'
    return skips


def cases(program):
    """(name, 'ok' | 'bad' | 'skip') of one test program, with a case for what its lines cannot say."""
    planned, seen, left_out = 0, [], []
    for line in program.get('stdout', '').splitlines():
        if plan := PLAN.match(line):
            planned += int(plan[1])
        elif line.startswith('# SKIP '):  # a case that the program left out of its plan
            left_out.append((line[7:].strip(), 'skip'))
        elif found := LINE.match(line):
            state = 'skip' if found[3] else 'bad' if found[1] else 'ok'
            seen.append((found[2].strip() or str(len(seen) + 1), state))
    if not seen and program['result'] == 'SKIP':
        seen.append(('whole program', 'skip'))
    bad = program['result'] not in ('OK', 'SKIP') or program.get('returncode', 0) not in (0, 77)
    if bad and not any(state == 'bad' for _, state in seen):
        seen.append((f"ended badly ({program['result']}, {program.get('returncode')})", 'bad'))
    elif planned > len(seen):
        seen.append((f'planned {planned} cases, ran {len(seen)}', 'bad'))
    elif not seen:
        seen.append(('no case ran', 'bad'))
    return seen + left_out


def comments(program):
    """Case -> the comments around its line: some programs give their reasons before it, some behind."""
    names, blocks = [], [[]]
    for line in program.get('stdout', '').splitlines():
        if found := LINE.match(line):
            names.append(found[2].strip())
            blocks.append([])
        elif line.startswith('#'):
            blocks[-1].append(line)
    return {name: blocks[n] + blocks[n + 1] for n, name in enumerate(names)}


def main(log, skip_list):
    skips = known_skips(skip_list)
    total = {'ok': 0, 'bad': 0, 'skip': 0}
    bad = []
    with open(log, encoding='utf-8') as programs:
        for program in map(json.loads, programs):
            said = comments(program)
            for case, state in cases(program):
                name = f"{program['name']}: {case}"
                if state == 'skip':
                    reason = next((text for part, text in skips.items() if part in name), None)
                    if reason is None:
                        state = 'bad'
                        print(f'skipped without a reason in {skip_list}: {name}', file=sys.stderr)
                    else:
                        print(f'skipped: {name}: {reason}', file=sys.stderr)
                elif state == 'bad':
                    print(f'failed: {name}', *said.get(case, [])[-SAID:], sep='\n    ', file=sys.stderr)
                total[state] += 1
                if state == 'bad':
                    bad.append(name)
    print(total['ok'], total['bad'], total['skip'])
    print(*bad, sep='\n')


main(*sys.argv[1:])
