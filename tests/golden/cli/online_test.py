# SPDX-License-Identifier: BSD-3-Clause
"""
The verbs that ask the daemon, against a stand-in that answers with canned envelopes and keeps what it was asked. What
the real daemon says is tested elsewhere; here it is how answers look, and how failures become words and exit codes.
usage: online_test.py CORDON
"""

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', '..', 'support')]
import tap  # noqa: E402

CORDON = os.path.abspath(sys.argv[1])
DIR = tempfile.TemporaryDirectory(prefix='cordon-online-')
SOCKET = os.path.join(DIR.name, 'api.sock')
UPDATE = os.environ.get('CORDON_GOLDEN_UPDATE') == '1'


class Handler(http.server.BaseHTTPRequestHandler):
    answer, asked = (200, {}), None
    others = {}  # path -> answer, for verbs that ask twice
    first = []  # answers to what is asked next, before those
    hold, arrived = None, threading.Event()

    def do_GET(self):
        length = int(self.headers.get('Content-Length') or 0)
        url = urllib.parse.urlsplit(self.path)
        body = json.loads(self.rfile.read(length)) if length else None
        Handler.asked = (self.command, url.path, dict(urllib.parse.parse_qsl(url.query)), body)
        status, answer = Handler.first.pop(0) if Handler.first else Handler.others.get(url.path, Handler.answer)
        Handler.arrived.set()
        if Handler.hold is not None:
            Handler.hold.wait(60)
        data = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except BrokenPipeError:
            pass  # the client was interrupted

    do_POST = do_GET

    def address_string(self):
        return 'local'

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def envelope(verb, data, **more):
    return {'schema': f'cordon.{verb}/1', 'node': 'gw1', 'generation': 3, 'time': '2026-11-22T00:00:00Z',
            'complete': True, 'lost': 0, **more, 'data': data}


def cordon(answer, *args, status=200, columns=80):
    Handler.answer, Handler.asked = (status, answer), None
    env = {**os.environ, 'CORDON_SOCKET': SOCKET, 'COLUMNS': str(columns), 'TZ': 'UTC'}
    return subprocess.run([CORDON, *args], cwd=HERE, capture_output=True, text=True, env=env, timeout=60, check=False)


def expect_text(name, got):
    path = os.path.join(HERE, 'expected', name)
    if UPDATE:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(got)
    with open(path, encoding='utf-8') as file:
        tap.equal(got, file.read(), name)


STATUS = {
    'engines': [{'name': 'dpdk', 'state': 'active', 'generation': 3, 'digest': '7c1e' * 16, 'instance': '01',
                 'workers': 1, 'tap': False, 'test_mode': False, 'equal': True, 'ports': [
                     {'name': 'lan1', 'driver': 'net_af_xdp', 'up': True, 'state': 'up', 'side': 'inside', 'role': 'access'},
                     {'name': 'wan', 'driver': 'net_af_packet', 'up': False, 'state': 'down', 'side': 'outside',
                      'role': 'access'}]}],
    'identities': {'bound': 12, 'unknown': 1, 'conflict': 0},
    'scopes': [{'id': 's-all', 'mode': 'enforce'}, {'id': 's-cctv', 'mode': 'monitor'}],
    'laws': {'frames_in': 5000, 'forwarded': 4900, 'dropped': 100,
             'reasons': {'no-rule': 60, 'rule': 20, 'spoof': 10, 'ethertype': 6, 'multicast': 3, 'arp': 1},
             'decisions': 300, 'written': 250, 'aggregated': 45, 'pending': 5, 'lost': 0, 'updates': {},
             'closed': True, 'text': ''},
    'records': {'dir': '/var/lib/cordon', 'bytes': 6100000, 'max': 20000000000, 'days': 2, 'storing': True},
    'attention': ['17 flows would be denied in s-cctv', 'rule vendor-hr is due for review'],
    'started': '2020-01-01T00:00:00Z',
    'generation': {'number': 3, 'digest': '7c1e' * 16, 'author': 'anna', 'message': 'first',
                   'active_since': '2020-08-24T16:02:00Z'},
}


REMOVED = {'name': 'lan2', 'driver': 'net_virtio', 'up': False, 'state': 'removed', 'side': 'inside', 'role': 'access'}
NFT = {'name': 'nft', 'state': 'standby', 'generation': 3, 'digest': '7c1e' * 16, 'instance': '02', 'workers': 1,
       'tap': False, 'test_mode': False, 'equal': True, 'adopted': False, 'closed': False, 'ports': [],
       'proof': {'time': '2020-08-25T10:00:00Z', 'equal_time': '2020-08-25T10:00:00Z', 'cells': 1204, 'elements': 96},
       'kernel': {'layout': 'br_netfilter', 'missing': ['bridge-conntrack', 'bridge-reject'], 'standby': 'guarding',
                  'takeovers': 2, 'last_takeover': '2020-08-24T22:10:00Z', 'last_gap_ms': 412}}
VERIFY = {'engines': [{'name': 'dpdk', 'connected': True, 'equal': True}, {'name': 'nft', 'connected': True, 'equal': True}],
          'checks': [
              {'class': 'proof', 'name': 'policy', 'passed': True, 'detail': '1204 cells of the image are as evaluated'},
              {'class': 'proof', 'name': 'dpdk', 'passed': True, 'detail': '1204 cells are the policy\'s'},
              {'class': 'proof', 'name': 'nft', 'passed': True, 'detail': '1204 cells and 96 elements'}]}
DIFFERENCE = '10.20.0.21 -> 10.20.0.31 tcp/5432: nft holds allow, the policy says deny by <g-staff-db>'


def flow(n, verdict='deny', **more):
    return {'time': f'2020-08-25T09:14:{n:02}.000000Z', 'last': None, 'kind': 'refused', 'verdict': verdict,
            'rule': 'default-deny', 'intended_rule': 'default-deny', 'reason': 'no-rule', 'intended': 'deny',
            'src': '10.20.0.21', 'dst': '10.20.0.31', 'proto': 6, 'sport': 40000 + n, 'dport': 5432, 'domain': 20,
            'src_identity': 'app=office,role=workstation', 'dst_identity': 'app=hr,role=db', 'generation': 3,
            'count': 1, 'packets': [1, 0], 'bytes': [60, 0], 'live': False, **more}


FLOWS = [flow(4, count=212, src='fd00:20::7', dst='fd00:20::53', proto=17, dport=53, src_identity='$unknown'),
         flow(3, 'allow', rule='hr-use', bytes=[4100, 99000], dport=443),
         flow(2, 'would-deny', rule='scope:s-cctv', proto=1, dport=8 << 8), flow(1)]


def status_screen():
    r = cordon(envelope('status', STATUS), 'status', '-o', 'table')
    tap.equal((r.returncode, r.stderr), (0, ''), 'status')
    lines = r.stdout.splitlines()
    tap.equal([line for line in lines if len(line) > 80], [], '80 columns')
    # how long it is up depends on today
    expect_text('status.txt', '\n'.join([lines[0].rsplit('  up ', 1)[0], *lines[1:]]) + '\n')
    tap.equal(Handler.asked[:2], ('GET', '/v1/status'), 'asked')
    tap.equal(json.loads(cordon(envelope('status', STATUS), 'status', '-o', 'json').stdout)['data'], STATUS, 'json')


def status_in_trouble():
    for change, word in (({'engines': []}, 'NO ENGINE'),
                         ({'generation': {'number': 0}}, 'DENY ALL'),
                         ({'engines': [{**STATUS['engines'][0], 'equal': False}]}, 'NOT AS COMMITTED'),
                         ({'engines': [{**STATUS['engines'][0], 'ports': [REMOVED]}]}, 'lan2 REMOVED'),
                         ({'laws': {**STATUS['laws'], 'closed': False}}, 'OPEN'),
                         ({'records': {**STATUS['records'], 'storing': False}}, 'NOT STORING')):
        tap.contains(cordon(envelope('status', {**STATUS, **change}), 'status').stdout, word)
        if word in cordon(envelope('status', STATUS), 'status').stdout.replace('NOT A', ''):
            raise AssertionError(f'{word} without trouble')


def status_of_two_engines():
    proved = {**STATUS['engines'][0], 'proof': NFT['proof']}
    r = cordon(envelope('status', {**STATUS, 'engines': [proved, NFT], 'needs_dpdk': 3}), 'status', '-o', 'table')
    tap.equal((r.returncode, r.stderr), (0, ''), 'status')
    lines = r.stdout.splitlines()
    tap.equal([line for line in lines if len(line) > 80], [], '80 columns')
    expect_text('status-two.txt', '\n'.join(lines[1:]) + '\n')
    adopted = {**NFT, 'equal': False, 'adopted': True}
    tap.contains(cordon(envelope('status', {**STATUS, 'engines': [proved, adopted]}), 'status').stdout,
                 'NO (adopted), last proved')


def live(engine, about, name, passed=True, skipped=False, detail='as it must'):
    return {'class': 'live', 'engine': engine, 'about': about, 'name': name, 'passed': passed, 'skipped': skipped,
            'detail': detail}


HOST = 'no packet is sent to them'
LIVE = [live('dpdk', 'decision', 'web -> db tcp/5432 over IPv4'), live('dpdk', 'state', 'handshake, tcp over IPv4, allowed'),
        live('dpdk', 'decision', 'db -> web tcp/5432 over IPv4'), live('nft', 'fragment', 'first fragment, tcp over IPv4, allowed'),
        live('nft', 'host', "the gateway's own addresses", None, True, HOST)]


def verify():
    answer = envelope('verify', {**VERIFY, 'checks': [*VERIFY['checks'], *LIVE]})
    r = cordon(answer, 'verify', '-o', 'table')
    tap.equal((r.returncode, r.stderr), (0, '7 passed, 0 failed, 0 not asked, 1 skipped\n'), 'all equal')
    expect_text('verify.txt', r.stdout)
    tap.equal(Handler.asked[:2], ('POST', '/v1/verify'), 'asked')
    wide = cordon(answer, 'verify', '-o', 'wide').stdout
    for check in LIVE:
        tap.contains(wide, f"live.{check['engine']}.{check['about']}")
        tap.contains(wide, check['name'])
    tap.equal(json.loads(cordon(answer, 'verify', '-o', 'json').stdout), answer, 'json')


def verify_answers_no():
    bad = {**VERIFY, 'checks': [*VERIFY['checks'][:2], {**VERIFY['checks'][2], 'passed': False, 'detail': DIFFERENCE}]}
    r = cordon(envelope('verify', bad), 'verify')
    tap.equal(r.returncode, 1, 'a difference')
    tap.contains(r.stdout, f'proof\tnft\tFAILED\t{DIFFERENCE}')
    r = cordon(envelope('verify', bad), 'verify', '-o', 'junit')
    tap.equal((r.returncode, r.stderr), (1, ''), 'junit')
    suite = xml.etree.ElementTree.fromstring(r.stdout)[0]
    tap.equal((suite.get('tests'), suite.get('failures'), suite.get('errors')), ('3', '1', '0'), 'counts')
    tap.equal([case.get('name') for case in suite], ['policy', 'dpdk', 'nft'], 'cases')
    tap.equal(suite[2].find('failure').get('message'), DIFFERENCE, 'what differs')
    tap.equal(suite[1].find('failure'), None, 'no failure')


def verify_as_junit():
    """A case for each check, under its engine's name; a packet that met the wrong fate is a failure."""
    wrong = '<198.18.0.0 -> 198.18.0.1> "tcp/5432": passed & must be dropped'
    checks = [*VERIFY['checks'], *LIVE, live('nft', 'decision', 'web -> db tcp/5432 over IPv4', False, detail=wrong),
              live('nft', 'decision', 'all others', None, detail='time was up')]
    r = cordon(envelope('verify', {**VERIFY, 'checks': checks}), 'verify', '-o', 'junit')
    tap.equal((r.returncode, r.stderr), (1, ''), 'junit')
    root = xml.etree.ElementTree.fromstring(r.stdout)
    tap.equal((root.tag, [e.tag for e in root], {e.tag for e in root[0]}), ('testsuites', ['testsuite'], {'testcase'}), 'form')
    suite = root[0]
    tap.equal({k: suite.get(k) for k in ('tests', 'failures', 'errors', 'skipped')},
              {'tests': '10', 'failures': '1', 'errors': '1', 'skipped': '1'}, 'counts')
    cases = {(c.get('classname'), c.get('name')): c[0] for c in suite}
    tap.equal(len(cases), len(suite), 'no two cases of one name')
    for engine, about, name, result in (('dpdk', 'decision', 'db -> web tcp/5432 over IPv4', 'system-out'),
                                        ('nft', 'fragment', 'first fragment, tcp over IPv4, allowed', 'system-out'),
                                        ('nft', 'host', "the gateway's own addresses", 'skipped'),
                                        ('nft', 'decision', 'web -> db tcp/5432 over IPv4', 'failure'),
                                        ('nft', 'decision', 'all others', 'error')):
        tap.equal(cases[f'live.{engine}.{about}', name].tag, result, name)
    tap.equal(cases['live.nft.decision', 'web -> db tcp/5432 over IPv4'].get('message'), wrong, 'what differs')
    tap.equal(cases['live.nft.host', "the gateway's own addresses"].get('message'), HOST, 'why not')


def verify_cannot_ask():
    away = {'name': 'nft', 'connected': False, 'equal': None, 'text': 'nft.sock: Connection refused'}
    answer = envelope('verify', {'engines': [VERIFY['engines'][0], away], 'checks': VERIFY['checks'][:2]}, complete=False)
    r = cordon(answer, 'verify', '-o', 'junit')
    tap.equal(r.returncode, 8, 'not connected')
    suite = xml.etree.ElementTree.fromstring(r.stdout)[0]
    tap.equal(suite[2].find('error').get('message'), 'nft.sock: Connection refused', 'why')
    tap.equal(cordon(answer, 'verify', '-o', 'csv').returncode, 2, 'no such format here')
    tap.equal(cordon(envelope('flows', FLOWS), 'flows', '-o', 'junit').returncode, 2, 'only of checks')
    unasked = {**VERIFY, 'checks': [*VERIFY['checks'], live('nft', 'decision', 'all others', None, detail='time was up')]}
    r = cordon(envelope('verify', unasked), 'verify')
    tap.equal((r.returncode, r.stderr), (8, '3 passed, 0 failed, 1 not asked, 0 skipped\n'), 'not asked to the end')
    tap.contains(r.stdout, 'live.nft.decision\tall others\tnot asked\ttime was up')


def flows_screen():
    r = cordon(envelope('flows', FLOWS), 'flows', '-o', 'table', '-n', '3', '--since', '2h', '--verdict',
               'deny,would-deny', '--from', 'role=workstation', '--service', 'tcp/5432')
    tap.equal((r.returncode, r.stderr), (0, ''), 'flows')
    expect_text('flows.txt', r.stdout)
    tap.equal([line for line in r.stdout.splitlines() if len(line) > 80], [], '80 columns')
    method, path, query, _ = Handler.asked
    roomy = cordon(envelope('flows', FLOWS), 'flows', '-o', 'table', columns=130).stdout
    tap.contains(roomy, ' hr/db 10.20.0.31 ')
    tap.contains(roomy, 'BYTES')
    tap.equal(max(len(line) for line in roomy.splitlines()) <= 130, True, '130 columns')
    tap.equal((method, path), ('GET', '/v1/flows'), 'asked')
    tap.equal({k: v for k, v in query.items() if k not in ('since', 'limit')},
              {'verdict': 'deny,would-deny', 'from': 'role=workstation', 'service': 'tcp/5432'}, 'query')
    tap.equal(query['since'].endswith('Z'), True, 'an age becomes a time')


def flows_formats():
    plain = cordon(envelope('flows', FLOWS), 'flows')
    tap.equal([row.split('\t')[0] for row in plain.stdout.splitlines()],
              [f['time'] for f in reversed(FLOWS)], 'oldest first, times as they are')
    tap.contains(plain.stderr, '4 of 4 shown   complete: yes, lost 0')
    tap.equal(Handler.asked[2]['limit'], '100', 'limit')
    jsonl = cordon(envelope('flows', FLOWS), 'flows', '-o', 'jsonl')
    tap.equal([json.loads(row) for row in jsonl.stdout.splitlines()], FLOWS[::-1], 'jsonl')
    whole = json.loads(cordon(envelope('flows', FLOWS), 'flows', '-o', 'json').stdout)
    tap.equal(whole, envelope('flows', FLOWS[::-1]), 'the whole envelope')


def flows_incomplete():
    answer = envelope('flows', FLOWS, complete=False, lost=7)
    r = cordon(answer, 'flows')
    tap.equal(r.returncode, 0, 'nobody asked')
    tap.contains(r.stderr, 'complete: no, lost 7')
    tap.equal(cordon(answer, 'flows', '--complete').returncode, 8, 'incomplete')
    tap.equal(cordon(envelope('flows', FLOWS), 'flows', '--complete').returncode, 0, 'complete')
    tap.equal(cordon(envelope('flows', []), 'flows', '-o', 'table').stdout, '0 of 0 shown   complete: yes, lost 0\n',
              'nothing')


def commit():
    done = envelope('commit', {'generation': 4, 'digest': 'ab' * 32, 'tests_passed': 3,
                               'changed': {'opens': 2, 'closes': 5}, 'revoked': None,
                               'findings': [{'severity': 'warning', 'file': 'small.yaml', 'line': 33, 'column': 10,
                                             'end_column': 16, 'text': 'review is due'}]})
    r = cordon(done, 'commit', 'small.yaml', '-m', 'why', '--ticket', 'CHG-1')
    tap.equal(r.returncode, 0, r.stderr)
    expect_text('commit.txt', r.stdout)
    tap.contains(r.stderr, 'small.yaml:33:10: warning: review is due\n')
    tap.contains(r.stderr, '^~~~~~')
    method, path, _, body = Handler.asked
    tap.equal((method, path, body['message'], body['ticket']), ('POST', '/v1/commit', 'why', 'CHG-1'), 'asked')
    with open(os.path.join(HERE, 'small.yaml'), encoding='utf-8') as file:
        tap.equal(body['files'], [{'name': 'small.yaml', 'text': file.read()}], 'files')
    tap.equal(json.loads(cordon(done, 'commit', 'small.yaml', '-m', 'x', '-o', 'json').stdout), done, 'json')


def commit_refused():
    refusal = {'schema': 'cordon.error/1', 'error': {'exit': 3, 'text': 'the policy does not compile',
                                                     'unchanged': 'generation 3 stays active', 'next': 'mend it'},
               'findings': [{'severity': 'error', 'file': 'small.yaml', 'line': 7, 'column': 10, 'end_column': 15,
                             'text': 'no such word'}]}
    r = cordon(refusal, 'commit', 'small.yaml', '-m', 'why', status=422)
    tap.equal((r.returncode, r.stdout), (3, ''), r.stderr)
    expect_text('commit-refused.txt', r.stderr)
    for code in (2, 4, 6, 7, 8, 9):
        refusal['error']['exit'] = code
        tap.equal(cordon(refusal, 'commit', 'small.yaml', '-m', 'why', status=500).returncode, code, 'exit')


def commit_waits():
    """For an engine that is not connected yet (503: nothing was tried), and for nothing else."""
    def away(status):
        return status, {'error': {'exit': 6, 'text': 'the dataplane is not connected: dp.sock: No such file'}, 'findings': []}

    done = envelope('commit', {'generation': 1, 'digest': 'ab' * 32, 'tests_passed': 3})
    for verb in (('commit', 'small.yaml', '-m', 'first'), ('rollback',)):
        Handler.first = [away(503)] * 3
        r = cordon(done, *verb)
        tap.equal((r.returncode, Handler.first), (0, []), 'asked until it was there')
        tap.equal(r.stderr, f'cordon {verb[0]}: waiting, for 30 s at most: the dataplane is not connected: dp.sock: No such file\n', 'said once')
        tap.equal(json.loads(cordon(done, *verb, '-o', 'json').stdout), done, 'json')
    for status, wait in ((502, ()), (422, ()), (503, ('--wait', '0'))):
        Handler.first = [away(status)]
        r = cordon(done, 'commit', 'small.yaml', '-m', 'x', *wait)
        tap.equal((r.returncode, Handler.first), (6, []), f'{status} {wait}')
        tap.equal('waiting' in r.stderr, False, f'{status} {wait}')
    began = time.monotonic()
    r = cordon(away(503)[1], 'commit', 'small.yaml', '-m', 'x', '--wait', '1', status=503)
    tap.equal((r.returncode, 1 <= time.monotonic() - began < 30), (6, True), 'and no longer')
    tap.contains(r.stderr, 'error: the dataplane is not connected')
    tap.equal(cordon(done, 'commit', 'small.yaml', '-m', 'x', '--wait', 'x').returncode, 2, 'no number')


def commit_sends_only_what_can_be_sent():
    r = cordon({}, 'commit', 'small.yaml')
    tap.equal((r.returncode, Handler.asked), (2, None), '-m is needed')
    tap.contains(r.stderr, '--message')
    path = os.path.join(DIR.name, 'latin.yaml')
    with open(path, 'wb') as file:
        file.write(b'cordon: 1 # \xff\n')
    r = cordon({}, 'commit', path, '-m', 'x')
    tap.equal((r.returncode, Handler.asked), (3, None), 'not UTF-8')
    r = cordon({}, 'commit', 'nowhere.yaml', '-m', 'x')
    tap.equal((r.returncode, Handler.asked), (2, None), 'no file')


def rollback():
    done = envelope('rollback', {'generation': 5, 'digest': 'ab' * 32, 'tests_passed': 3,
                                 'changed': {'opens': 0, 'closes': 1}, 'revoked': None})
    tap.equal(cordon(done, 'rollback').returncode, 0, 'rollback')
    tap.equal(Handler.asked, ('POST', '/v1/rollback', {}, {'to': None, 'message': None}), 'the one before')
    tap.equal(cordon(done, 'rollback', '2', '-m', 'x').returncode, 0, 'rollback 2')
    tap.equal(Handler.asked[3], {'to': 2, 'message': 'x'}, 'asked')
    for bad in ('0', '2x', 'last', '99999999999999999999'):
        r = cordon(done, 'rollback', bad)
        tap.equal((r.returncode, Handler.asked), (2, None), bad)


def generations():
    rows = [{'number': n, 'state': 'active' if n == 2 else 'retired', 'digest': 'ab' * 32, 'author': 'anna',
             'message': 'a rather long message that says why this was done and what it opens', 'ticket': None,
             'prepared': '2020-01-01T00:00:00Z', 'active': '2020-01-01T00:00:00Z', 'needs_dpdk': 3 if n == 2 else None}
            for n in (2, 1)]
    r = cordon(envelope('generations', rows), 'generations', '-o', 'table')
    expect_text('generations.txt', r.stdout)
    tap.equal(json.loads(cordon(envelope('generations', rows), 'generations', '-o', 'json').stdout)['data'], rows, 'json')
    tap.equal(max(len(line) for line in r.stdout.splitlines()) <= 80, True, '80 columns')


def explain():
    answer = {'from': 'role=web', 'to': 'role=db', 'service': 'pg', 'verdict': 'allow', 'rule': 'hr-data',
              'reason': 'rule', 'intended': 'allow', 'intended_rule': 'hr-data'}
    args = ('explain', '10.20.0.11', '10.20.0.31', 'pg')
    r = cordon(envelope('explain', [answer]), *args, '-o', 'json')
    tap.equal((r.returncode, json.loads(r.stdout)), (0, [answer]), 'the array of the contract')
    tap.equal(Handler.asked[2], {'from': '10.20.0.11', 'to': '10.20.0.31', 'service': 'pg'}, 'asked')
    tap.equal(cordon(envelope('explain', [answer]), *args, '--expect', 'allow').returncode, 0, 'met')
    tap.equal(cordon(envelope('explain', [answer]), *args, '--expect', 'deny').returncode, 1, 'not met')
    tap.contains(cordon(envelope('explain', [answer]), *args, '-o', 'table').stdout, 'ALLOW by hr-data')


def explain_walks():
    """The tiers are shown from the text of the generation that answered."""
    answer = {'from': 'app=hr,role=web', 'to': 'app=hr,role=db', 'service': 'pg', 'verdict': 'allow',
              'rule': 'hr-data', 'reason': 'rule', 'intended': 'allow', 'intended_rule': 'hr-data'}
    with open(os.path.join(HERE, 'small.yaml'), encoding='utf-8') as file:
        text = file.read()
    args = ('explain', 'hr-web', 'hr-db', 'pg', '-o', 'table')
    for files, walk in (([{'name': 'small.yaml', 'text': text}], True), ([{'name': 'x', 'text': 'cordon: 2'}], False),
                        ([], False)):
        Handler.others = {'/v1/generations/3': (200, envelope('generation', {'files': files}))}
        r = cordon(envelope('explain', [answer]), *args)
        Handler.others = {}
        tap.equal((r.returncode, r.stderr), (0, ''), 'explain')
        tap.contains(r.stdout, 'ALLOW by hr-data')
        tap.equal('team      allow hr-data' in r.stdout, walk, 'walk')


def failures():
    no = {'error': {'exit': 4, 'text': 'you are no operator', 'unchanged': '', 'next': ''}}
    r = cordon(no, 'rollback', status=403)
    tap.equal(r.returncode, 4, 'role')
    tap.contains(r.stderr, 'you are no operator')
    tap.equal(cordon({'error': {}}, 'status', status=403).returncode, 4, '403 without a code')
    tap.equal(cordon([], 'status').returncode, 5, 'no object')
    tap.equal(cordon(envelope('explain', {}), 'explain', 'a', 'b', 'any').returncode, 5, 'no list')
    r = cordon({}, '--socket', os.path.join(DIR.name, 'none.sock'), 'status')
    tap.equal(r.returncode, 5, 'no daemon')
    tap.contains(r.stderr, 'No such file')


def notices():
    """Without a daemon, `status` tells what the start of the box left beside its socket; with one that is the daemon's matter."""
    run_dir = os.path.join(DIR.name, 'run')
    os.makedirs(os.path.join(run_dir, 'notices'))

    def told(verb='status', socket=os.path.join(run_dir, 'api.sock')):
        r = cordon(envelope('status', STATUS), '--socket', socket, verb)
        tap.equal((r.returncode, r.stdout), (5, ''), 'no daemon')
        tap.contains(r.stderr, 'No such file')
        return [line for line in r.stderr.splitlines() if not line.startswith(f'cordon {verb}: ')]

    tap.equal(told(), [], 'an empty directory')
    for name, text in (('data', 'disk too small: 1 GiB\n'), ('config', 'g.yaml:4:45: error: \033[2Jexcess\nrepair it\n'),
                       ('many', 'x' * 4000 + '\n')):
        with open(os.path.join(run_dir, 'notices', name), 'w', encoding='utf-8') as file:
            file.write(text)
    tap.equal(told(), ['  ! g.yaml:4:45: error:  [2Jexcess', '  ! repair it', '  ! disk too small: 1 GiB', '  ! ' + 'x' * 400], 'told')
    tap.equal((told('generations'), told(socket=os.path.join(DIR.name, 'none.sock'))), ([], []), 'another verb, another directory')
    os.symlink(SOCKET, os.path.join(run_dir, 'api.sock'))
    r = cordon(envelope('status', STATUS), '--socket', os.path.join(run_dir, 'api.sock'), 'status')
    tap.equal((r.returncode, r.stderr), (0, ''), 'a daemon')


def assess():
    tap.equal(cordon(envelope('assess', {'functions': []}), 'assess', '-o', 'json', '--since', '1d').returncode, 0,
              'assess')
    method, path, _, body = Handler.asked
    tap.equal((method, path), ('POST', '/v1/assess'), 'asked')
    tap.equal(body['since'] < body['until'], True, 'a window')
    tap.equal(cordon({}, 'assess', '--since', '1d', '--until', '2d').returncode, 2, 'a window that ends before')


def interrupted():
    Handler.hold = threading.Event()
    Handler.arrived.clear()
    process = subprocess.Popen([CORDON, '--socket', SOCKET, 'rollback'], stderr=subprocess.PIPE, text=True)
    try:
        tap.equal(Handler.arrived.wait(30), True, 'request under way')
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=30)
    finally:
        Handler.hold.set()
        Handler.hold = None
    tap.equal(process.returncode, 130, 'exit code')
    tap.contains(text, 'the daemon may still finish')


def hostile_texts():
    """What comes from the wire and from others must not drive the terminal."""
    rows = [flow(1, rule='\033[2Jevil', src_identity='role=\033]0;x\a')]
    for form in ('table', 'wide', 'plain', 'json', 'csv', 'jsonl'):
        out = cordon(envelope('flows', rows), 'flows', '-o', form, '--color', 'never').stdout
        if form != 'csv':
            tap.equal('\033' in out, False, form)


with Server(SOCKET, Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tap.run([
        ('status', status_screen),
        ('status in trouble', status_in_trouble),
        ('status of two engines', status_of_two_engines),
        ('verify', verify),
        ('verify answers no', verify_answers_no),
        ('verify as JUnit', verify_as_junit),
        ('verify cannot ask', verify_cannot_ask),
        ('flows', flows_screen),
        ('flows: formats', flows_formats),
        ('flows: incomplete', flows_incomplete),
        ('commit', commit),
        ('commit refused', commit_refused),
        ('commit waits for an engine', commit_waits),
        ('commit sends only what can be sent', commit_sends_only_what_can_be_sent),
        ('rollback', rollback),
        ('generations', generations),
        ('explain', explain),
        ('explain walks', explain_walks),
        ('failures', failures),
        ('notices without a daemon', notices),
        ('assess', assess),
        ('interrupted', interrupted),
        ('hostile texts', hostile_texts),
    ])
