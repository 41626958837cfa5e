# SPDX-License-Identifier: BSD-3-Clause
"""
What the offline verbs print, byte for byte, and how they exit. CORDON_GOLDEN_UPDATE=1 writes the expected texts anew:
read the difference before you keep it. Both laws of counting are checked on every replay, whatever its golden text.
usage: golden_test.py CORDON
"""

import difflib
import json
import os
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '..', '..', 'support')]
import captures as c  # noqa: E402
import tap  # noqa: E402

CORDON = os.path.abspath(sys.argv[1])
COMPLETION = os.path.join(HERE, '..', '..', '..', 'firmware', 'completion.bash')
UPDATE = os.environ.get('CORDON_GOLDEN_UPDATE') == '1'
SMALL = 'small.yaml'
DIR = tempfile.TemporaryDirectory(prefix='cordon-golden-')


def pcap(name):
    return os.path.join(DIR.name, name)


def cordon(*args, stdin=None, env=None):
    """Runs in this directory, so that names of files in findings are short and the same everywhere."""
    clean = {k: v for k, v in os.environ.items() if k not in ('CORDON_SOCKET', 'NO_COLOR', 'CLICOLOR_FORCE')}
    return subprocess.run([CORDON, *args], cwd=HERE, capture_output=True, text=True, input=stdin, timeout=120,
                          env={**clean, 'COLUMNS': '80', **(env or {})}, check=False)


def expect_text(name, got):
    path = os.path.join(HERE, 'expected', name)
    if UPDATE:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(got)
    with open(path, encoding='utf-8') as file:
        want = file.read()
    if got != want:
        diff = '\n'.join(difflib.unified_diff(want.splitlines(), got.splitlines(), 'expected', 'got', lineterm=''))
        raise AssertionError(f'{name} differs:\n{diff}')


def golden(name, code, *args):
    def run():
        r = cordon(*args)
        tap.equal(r.returncode, code, f'exit code; {r.stderr}')
        expect_text(name, r.stdout)
    return name, run


def refused(name, code, words, *args):
    """Nothing on stdout, these words on stderr."""
    def run():
        r = cordon(*args)
        tap.equal(r.returncode, code, f'exit code; {r.stderr}')
        tap.equal(r.stdout, '', 'stdout')
        for word in words:
            tap.contains(r.stderr, word)
    return name, run


def replay(capture, *more, code=0):
    r = cordon('replay', '--policy', SMALL, '--pcap', capture, '-o', 'jsonl', *more)
    tap.equal(r.returncode, code, f'exit code; {r.stderr}')
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    summary = lines.pop()['summary']
    tap.equal(summary['frames'], summary['forwarded'] + summary['dropped'], 'law of frames')
    tap.equal(summary['decisions'], sum(summary[k] for k in ('written', 'aggregated', 'pending', 'lost')),
              'law of decisions')
    tap.equal(summary['written'], len(lines), 'written lines')
    tap.equal(summary['dropped'], sum(n for word, n in summary['reasons'].items() if word != 'l2'), 'reasons')
    return lines, summary, r


def frames(packets, **how):
    return [c.ether(p, **how) for p in packets]


# --- replay -------------------------------------------------------------------------------------------------------

def replay_mixed():
    c.write(pcap('mixed.pcap'), frames(c.mixed()) + [c.ether(c.arp(c.STAFF, c.WEB), kind=0x0806),
                                                     c.ether(b'\x42', kind=0x88cc)])
    replay(pcap('mixed.pcap'))
    expect_text('replay-mixed.jsonl', cordon('replay', '--policy', SMALL, '--pcap', pcap('mixed.pcap'), '-o',
                                             'jsonl').stdout)
    expect_text('replay-mixed.table', cordon('replay', '--policy', SMALL, '--pcap', pcap('mixed.pcap'), '-o',
                                             'table').stdout)
    plain = cordon('replay', '--policy', SMALL, '--pcap', pcap('mixed.pcap'))
    tap.equal({len(line.split('\t')) for line in plain.stdout.splitlines()}, {16}, 'plain columns')
    tap.contains(plain.stderr, 'frames    40 = forwarded 29 + dropped 11')
    whole = json.loads(cordon('replay', '--policy', SMALL, '--pcap', pcap('mixed.pcap'), '-o', 'json').stdout)
    tap.equal(len(whole['data']['lines']), whole['data']['summary']['written'], 'json lines')
    tap.equal(whole['complete'], True, 'complete')


def replay_keys():
    """Exactly the keys of the contract."""
    c.write(pcap('keys.pcap'), frames(c.mixed()))
    lines, summary, _ = replay(pcap('keys.pcap'))
    want = ['verdict', 'rule', 'reason', 'intended', 'intended_rule', 'proto', 'src', 'sport', 'dst', 'dport',
            'src_identity', 'dst_identity', 'packets', 'bytes', 'first', 'last']
    for line in lines:
        tap.equal(list(line), want, 'keys of a line')
    tap.equal(list(summary), ['frames', 'forwarded', 'dropped', 'reasons', 'decisions', 'written', 'aggregated',
                              'pending', 'lost'], 'keys of the summary')


def replay_link_types():
    """The same packets say the same through every link type, pcap or pcapng."""
    c.write(pcap('ether.pcap'), frames(c.mixed()))
    want = replay(pcap('ether.pcap'))[:2]
    for kind in (c.RAW, c.SLL, c.SLL2, c.NULL, c.LOOP):
        c.write(pcap('link.pcap'), [c.link(kind, p) for p in c.mixed()], kind)
        tap.equal(replay(pcap('link.pcap'))[:2], want, f'link type {kind}')
    c.write(pcap('link.pcap'), [c.link(c.NULL, p, '>') for p in c.mixed()], c.NULL)
    tap.equal(replay(pcap('link.pcap'))[:2], want, 'null of the other byte order')
    c.write_ng(pcap('link.pcapng'), frames(c.mixed()))
    tap.equal(replay(pcap('link.pcapng'))[:2], want, 'pcapng')
    for kind, version in ((c.IPV4, 4), (c.IPV6, 6)):
        c.write(pcap('link.pcap'), [p for p in c.mixed() if p[0] >> 4 == version], kind)
        lines = replay(pcap('link.pcap'))[0]
        tap.equal({(':' in line['src']) for line in lines}, {version == 6}, f'family of link type {kind}')
        tap.equal(len(lines), sum((':' in line['src']) == (version == 6) for line in want[0]), 'lines of one family')


def replay_vlans():
    """A session belongs to its VLAN: the same tuple in two VLANs is two sessions."""
    packets = c.session(c.STAFF, 40001, c.WEB, 443)
    c.write(pcap('vlan.pcap'), frames(packets, vlan=10) + frames(packets, vlan=20))
    lines, summary, _ = replay(pcap('vlan.pcap'))
    tap.equal([line['verdict'] for line in lines], ['allow', 'allow'], 'verdicts')
    tap.equal(summary['decisions'], 2, 'decisions')
    c.write(pcap('vlan.pcap'), frames(packets[:1], vlan=10) + frames(packets[1:2], vlan=20))
    lines, _, _ = replay(pcap('vlan.pcap'))
    tap.equal([line['reason'] for line in lines], ['rule', 'no-session'], 'an answer from another VLAN')


def replay_cut_bytes():
    """Captured bytes decide; what lies beyond the snap length costs a packet only if its headers are gone."""
    packets = c.session(c.STAFF, 40001, c.WEB, 443)
    c.write(pcap('snap.pcap'), frames(packets), snap=68)
    lines, summary, _ = replay(pcap('snap.pcap'))
    tap.equal(lines[0]['bytes'], [300, 320], 'IP lengths of cut packets')
    c.write(pcap('snap.pcap'), frames(packets), snap=40)
    lines, summary, _ = replay(pcap('snap.pcap'))
    tap.equal((len(lines), summary['reasons']), (0, {'truncated': 8}), 'no headers')


def replay_torn():
    c.write(pcap('torn.pcap'), frames(c.mixed()), cut=10)
    lines, summary, r = replay(pcap('torn.pcap'), code=8)
    tap.equal(summary['frames'], 37, 'frames before the tear')
    tap.contains(r.stderr, 'breaks off after 37 frames')


def replay_timeouts():
    """The capture's clock ages sessions: a UDP answer in time belongs to its session, a late one does not."""
    names = [c.udp(c.STAFF, 5000, c.NVR, 53, b'q'), c.udp(c.NVR, 53, c.STAFF, 5000, b'a')]
    c.write(pcap('time.pcap'), [(0, c.ether(names[0])), (29_000_000, c.ether(names[1]))])
    lines, _, _ = replay(pcap('time.pcap'))
    tap.equal([(line['src'], line['packets']) for line in lines], [(c.STAFF, [1, 1])], 'in time')
    c.write(pcap('time.pcap'), [(0, c.ether(names[0])), (31_000_000, c.ether(names[1]))])
    lines, _, _ = replay(pcap('time.pcap'))
    tap.equal([(line['src'], line['verdict']) for line in lines], [(c.STAFF, 'allow'), (c.NVR, 'deny')], 'too late')
    year = 366 * 86400 * 1_000_000
    c.write(pcap('time.pcap'), [(0, c.ether(names[0])), (year, c.ether(names[0])), (2 * year, c.ether(names[0]))])
    tap.equal(len(replay(pcap('time.pcap'))[0]), 3, 'sessions years apart')
    c.write(pcap('time.pcap'), [(year, c.ether(names[0])), (0, c.ether(names[1]))])
    lines, _, _ = replay(pcap('time.pcap'))
    tap.equal((len(lines), lines[0]['packets']), (1, [1, 1]), 'time goes back')
    tap.equal(lines[0]['first'] <= lines[0]['last'], True, 'first and last')


def replay_many_sessions():
    """Every session of a file has room: nothing is refused for want of it, nothing is lost at the end."""
    packets = [c.udp(c.STAFF, port, c.NVR, 9000) for port in range(1, 20001)]
    c.write(pcap('many.pcap'), [(number, c.ether(p)) for number, p in enumerate(packets)])
    lines, summary, _ = replay(pcap('many.pcap'))
    tap.equal((len(lines), summary['forwarded'], summary['lost']), (20000, 20000, 0), 'sessions')
    tap.equal([line['first'] for line in lines], sorted(line['first'] for line in lines), 'order')
    lines, summary, r = replay(pcap('many.pcap'), '--sessions', '1024')
    tap.equal(summary['reasons'].get('flow-limit', 0) > 0, True, 'a bound that was asked for')
    lines, summary, r = replay(pcap('many.pcap'), '--lines', '100')
    tap.equal(summary['written'], 20000, 'lines in parts')


def replay_stdin():
    c.write(pcap('stdin.pcap'), frames(c.mixed()))
    with open(pcap('stdin.pcap'), 'rb') as file:
        r = subprocess.run([CORDON, 'replay', '--policy', SMALL, '--pcap', '-', '-o', 'jsonl'], stdin=file, cwd=HERE,
                           capture_output=True, timeout=60, check=False)
    tap.equal(r.returncode, 0, 'exit code')
    tap.equal(json.loads(r.stdout.splitlines()[-1])['summary']['frames'], 38, 'frames')


def replay_port_condition():
    text = open(os.path.join(HERE, SMALL), encoding='utf-8').read()
    path = pcap('port.yaml')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text.replace('when: {prefix: 10.10.0.0/24}', 'when: {prefix: 10.10.0.0/24, port: lan1}'))
    c.write(pcap('port.pcap'), frames([c.tcp(c.STAFF, 40001, c.WEB, 443, c.SYN)]))
    for more, verdict in (([], 'deny'), (['--port', 'lan1'], 'allow'), (['--port', 'lan2'], 'deny')):
        r = cordon('replay', '--policy', path, '--pcap', pcap('port.pcap'), '-o', 'jsonl', *more)
        tap.equal(json.loads(r.stdout.splitlines()[0])['verdict'], verdict, f'port {more}')


# --- explain against replay ------------------------------------------------------------------------------------------

def explain_says_what_replay_does():
    c.write(pcap('same.pcap'), frames(c.mixed()))
    checked = 0
    for line in replay(pcap('same.pcap'))[0]:
        if line['reason'] == 'no-session':
            continue
        service = f"{line['proto']}/{line['dport']}"
        r = cordon('explain', '--policy', SMALL, line['src_identity'], line['dst_identity'], service, '-o', 'json')
        tap.equal(r.returncode, 0, r.stderr)
        answer, = json.loads(r.stdout)
        for key in ('verdict', 'rule', 'reason', 'intended', 'intended_rule'):
            tap.equal(answer[key], line[key], f'{service} {key}')
        checked += 1
    tap.equal(checked > 6, True, 'lines compared')


def compile_is_deterministic():
    c.write(pcap('mixed.pcap'), frames(c.mixed()))
    for name in ('1', '2'):
        r = cordon('compile', '--policy', SMALL, '--pcap', pcap('mixed.pcap'), '--image', pcap('image' + name),
                   '--bindings', pcap('bindings' + name))
        tap.equal((r.returncode, r.stdout), (0, ''), r.stderr)
        tap.contains(r.stderr, '8 endpoints')
    for what in ('image', 'bindings'):
        one, two = (open(pcap(what + name), 'rb').read() for name in ('1', '2'))
        tap.equal(one, two, what)
    tap.equal(open(pcap('image1'), 'rb').read(7), b'CRDNIMG', 'magic')
    tap.equal([name for name in os.listdir(DIR.name) if name.endswith('.part')], [], 'left over')


def compile_refuses_what_does_not_fit():
    packets = (c.ether(c.udp(f'10.10.{n >> 8 & 255}.{n & 255}', 1, f'10.2{n >> 16}.0.1', 9)) for n in range(66000))
    c.write(pcap('crowd.pcap'), packets)
    r = cordon('compile', '--policy', SMALL, '--pcap', pcap('crowd.pcap'), '--image', pcap('crowd.image'),
               '--bindings', pcap('crowd.bindings'))
    tap.equal(r.returncode, 7, r.stderr)
    tap.contains(r.stderr, 'a snapshot holds 65536')
    tap.equal([name for name in os.listdir(DIR.name) if name.startswith('crowd.') and name != 'crowd.pcap'], [],
              'files written')
    r = cordon('compile', '--policy', SMALL, '--image', '/nonexistent/image')
    tap.equal(r.returncode, 6, 'nowhere to write')
    r = cordon('compile', '--policy', 'broken.yaml', '--image', pcap('broken.image'))
    tap.equal((r.returncode, os.path.exists(pcap('broken.image'))), (3, False), 'broken policy')


def a_directory_is_one_policy():
    text = open(os.path.join(HERE, SMALL), encoding='utf-8').read()
    cut = text.index('rules:')
    split = os.path.join(DIR.name, 'split')
    os.mkdir(split)
    for name, part in (('b.yaml', text[:cut]), ('a.yml', 'cordon: 1\n' + text[cut:]), ('README', 'no policy')):
        with open(os.path.join(split, name), 'w', encoding='utf-8') as file:
            file.write(part)
    one, two = (json.loads(cordon('check', '-o', 'json', path).stdout)['data'] for path in (SMALL, split))
    tap.equal(two['digest'], one['digest'], 'digest')
    tap.equal(two['counts']['files'], 2, 'files')
    tap.contains(cordon('check', split).stderr, 'README is not a .yaml file')


def colours():
    args = ('explain', '--policy', SMALL, 'staff', 'hr-web', 'https', '-o', 'table')
    tap.equal('\033[' in cordon(*args).stdout, False, 'no terminal, no colour')
    tap.equal('\033[' in cordon(*args, '--color', 'always').stdout, True, 'always')
    tap.equal('\033[' in cordon(*args, env={'CLICOLOR_FORCE': '1'}).stdout, True, 'forced')
    tap.equal('\033[' in cordon(*args, env={'CLICOLOR_FORCE': '1', 'NO_COLOR': '1'}).stdout, False, 'NO_COLOR')


def a_full_disk_is_no_success():
    with open('/dev/full', 'w', encoding='utf-8') as full:
        for args in (('check', SMALL), ('test', SMALL), ('help',),
                     ('explain', '--policy', SMALL, 'staff', 'hr-web', 'any')):
            r = subprocess.run([CORDON, *args], cwd=HERE, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
                               check=False)
            tap.equal(r.returncode, 8, args)
            tap.contains(r.stderr, 'could not be written')


def offered(*words, **kwargs):
    """What the shell offers in place of the last word."""
    line = ' '.join(shlex.quote(word) for word in ('cordon', *words))
    r = subprocess.run(['bash', '-c', f'cordon() {{ {shlex.quote(CORDON)} "$@"; }}; . {shlex.quote(COMPLETION)}; COMP_WORDS=({line}); '
                        f'COMP_CWORD={len(words)}; _cordon; printf "%s\\n" "${{COMPREPLY[@]}}"'],
                       stdout=subprocess.PIPE, text=True, timeout=60, check=True, **kwargs)
    return r.stdout.split('\n')[:-1] if r.stdout.strip() else []


def the_shell_completes():
    verbs = [json.loads(line) for line in cordon('__commands').stdout.splitlines()]
    tap.equal(set(offered('')), {v['name'] for v in verbs if v['built'] and not v['hidden']} | {'help', 'version'}, 'verbs')
    for verb in verbs:
        options = verb['options'] + [o for o in verb['global_options'] if verb['formats'] or o['name'] not in ('output', 'json')]
        known = {'--' + o['name'] for o in options if not o['later']} if verb['built'] else set()
        tap.equal(set(offered(verb['name'], '--')), known, verb['name'])
    tap.equal(offered('commit', '--confirm'), [], 'what is not built')
    tap.equal('--message' in offered('commit', '-m', 'x', '--'), False, 'given already')
    tap.equal(offered('status', '-o', 'j'), ['json', 'jsonl'], 'formats of this verb')
    tap.equal(offered('status', '-o', 'csv'), [], 'and of no other')
    tap.equal(offered('help', 'roll'), ['rollback'], 'help')
    tap.equal(offered('--color', 'never', 'veri'), ['verify'], 'after an option')
    tap.equal(offered('check', '--engine', ''), ['dpdk', 'nft'], 'values')
    with tempfile.TemporaryDirectory() as place:
        with open(os.path.join(place, 'my policy.yaml'), 'w', encoding='utf-8'):
            pass
        tap.equal(offered('commit', 'my', cwd=place), ['my policy.yaml'], 'files')
        tap.equal(offered('commit', '-m', 'x', 'my', cwd=place), ['my policy.yaml'], 'files after an option')
        tap.equal(offered('status', 'my', cwd=place), [], 'no files where none is taken')
        tap.equal(offered('commit', 'my policy.yaml', 'my', cwd=place), [], 'one is enough')


def every_verb_has_help():
    for line in cordon('__commands').stdout.splitlines():
        command = json.loads(line)
        text = cordon('help', command['name'])
        tap.equal((text.returncode, text.stderr), (0, ''), command['name'])
        tap.equal(cordon(command['name'], '--help').stdout, text.stdout, command['name'])
        tap.equal(max(len(row) for row in text.stdout.splitlines()) <= 80, True, command['name'])
        tap.equal([row for row in text.stdout.splitlines() if row != row.rstrip()], [], 'blanks at the end of a line')
        if command['built']:
            named = [row for row in text.stdout.splitlines() if row.startswith('Formats: ')]
            tap.equal(named, [f"Formats: {', '.join(command['formats'])};"] if command['formats'] else [], command['name'])
            tap.equal('of the formats below' in text.stdout, bool(named), command['name'])
        if command['built']:
            tap.equal(text.stdout.startswith('  cordon ' + command['name']), True, 'examples come first')
            for option in command['options']:
                tap.contains(text.stdout, '--' + option['name'])
        else:
            r = cordon(command['name'])
            tap.equal(r.returncode, 2, command['name'])
            tap.contains(r.stderr, 'not supported yet')


X = ('explain', '--policy', SMALL)

tap.run([
    golden('check-good.txt', 0, 'check', SMALL),
    golden('check-good.json', 0, 'check', SMALL, '-o', 'json'),
    golden('check-broken.txt', 3, 'check', 'broken.yaml'),
    golden('check-failing.txt', 3, 'check', 'failing.yaml'),
    golden('check-failing.json', 3, 'check', 'failing.yaml', '-o', 'json'),
    refused('check-missing', 2, ['nowhere.yaml', 'No such file'], 'check', 'nowhere.yaml'),
    refused('check-no-argument', 2, ['FILE|DIR'], 'check'),
    golden('test-good.txt', 0, 'test', SMALL),
    golden('test-failing.txt', 1, 'test', 'failing.yaml'),
    golden('test-failing.json', 1, 'test', 'failing.yaml', '-o', 'json'),
    refused('test-broken', 3, ['broken.yaml:', 'does not compile'], 'test', 'broken.yaml'),
    refused('test-strength', 2, ['not supported yet'], 'test', '--strength', SMALL),
    golden('explain-allow.txt', 0, *X, 'staff', 'hr-web', 'https', '-o', 'table'),
    golden('explain-monitor.txt', 0, *X, 'staff', 'nvr', 'tcp/80', '-o', 'table'),
    golden('explain-any.table', 0, *X, 'staff', 'hr-web', 'any', '-o', 'table'),
    golden('explain-any.json', 0, *X, 'staff', 'hr-web', 'any', '-o', 'json'),
    golden('explain-address.json', 0, *X, '10.10.0.99', '8.8.8.8', 'tcp/443', '-o', 'json'),
    golden('check-config.txt', 0, 'check', '--config', 'gateway.yaml', 'managed.yaml'),
    golden('check-config-locked-out.txt', 3, 'check', '--config', 'gateway-all.yaml', 'managed.yaml'),
    golden('check-config-none.txt', 3, 'check', '--config', 'gateway.yaml', 'small.yaml'),
    golden('check-engine-nft.txt', 0, 'check', '--engine', 'nft', 'managed.yaml'),
    refused('check-bad-config', 2, ['small.yaml:1:1: error: unknown key `cordon`', 'is no config'],
            'check', '--config', 'small.yaml', 'small.yaml'),
    refused('check-bad-engine', 2, ['--engine takes dpdk or nft'], 'check', '--engine', 'ovs', 'small.yaml'),
    golden('explain-pairs.csv', 0, *X, 'any', 'nvr', 'ping', '-o', 'csv'),
    golden('explain-plain.txt', 0, *X, 'role=camera', '$world', 'udp/53'),
    golden('explain-expect-met.txt', 0, *X, 'staff', 'hr-web', 'https', '--expect', 'allow'),
    golden('explain-expect-unmet.txt', 1, *X, 'staff', 'hr-web', 'https', '--expect', 'deny'),
    golden('explain-expect-part.txt', 1, *X, 'staff', 'hr-web', 'any', '--expect', 'allow'),
    refused('explain-bad-service', 2, ['SERVICE'], *X, 'staff', 'hr-web', 'tcp/99999'),
    refused('explain-bad-from', 2, ['FROM'], *X, 'nobody', 'hr-web', 'https'),
    refused('explain-bad-to', 2, ['TO'], *X, 'staff', 'role=emperor', 'https'),
    refused('explain-bad-time', 2, ['--at'], *X, 'staff', 'hr-web', 'https', '--at', 'noon'),
    refused('explain-bad-expect', 2, ['allow or deny'], *X, 'staff', 'hr-web', 'https', '--expect', 'maybe'),
    refused('explain-with', 2, ['not supported yet'], *X, 'staff', 'hr-web', 'https', '--with', 'posture=pass'),
    refused('explain-dot', 2, ['not supported yet'], *X, 'staff', 'hr-web', 'https', '-o', 'dot'),
    refused('explain-broken', 3, ['broken.yaml:'], 'explain', '--policy', 'broken.yaml', 'a', 'b', 'any'),
    ('replay: a mixed capture', replay_mixed),
    ('replay: the keys of the contract', replay_keys),
    ('replay: link types', replay_link_types),
    ('replay: vlans', replay_vlans),
    ('replay: snap length', replay_cut_bytes),
    ('replay: a torn file', replay_torn),
    ('replay: time-outs', replay_timeouts),
    ('replay: many sessions', replay_many_sessions),
    ('replay: stdin', replay_stdin),
    ('replay: a port condition', replay_port_condition),
    refused('replay-no-pcap', 2, ['--pcap'], 'replay', '--policy', SMALL),
    refused('replay-no-file', 2, ['cannot read'], 'replay', '--policy', SMALL, '--pcap', 'nowhere.pcap'),
    refused('replay-no-capture', 2, ['cannot read'], 'replay', '--policy', SMALL, '--pcap', SMALL),
    ('explain agrees with replay', explain_says_what_replay_does),
    ('compile', compile_is_deterministic),
    ('compile refuses', compile_refuses_what_does_not_fit),
    ('a directory is one policy', a_directory_is_one_policy),
    ('colours', colours),
    ('full disk', a_full_disk_is_no_success),
    ('help', every_verb_has_help),
    ('completion', the_shell_completes),
    refused('unknown-verb', 2, ["did you mean 'check'"], 'chekc', SMALL),
    refused('unknown-option', 2, ['did you mean --policy'], 'explain', '--polcy', SMALL, 'a', 'b', 'any'),
    refused('unknown-format', 2, ['unknown format'], 'check', '-o', 'yaml', SMALL),
    refused('wrong-format', 2, ['not a format'], 'check', '-o', 'csv', SMALL),
    refused('option-twice', 2, ['given twice'], 'check', '-o', 'json', '-o', 'json', SMALL),
    refused('one-word-too-many', 2, ['too many'], 'check', SMALL, SMALL),
    refused('daemon-away', 5, ['not reachable', 'cordond'], 'status', '--socket', '/nonexistent/api.sock'),
])
