# SPDX-License-Identifier: BSD-3-Clause
"""The main job, seen from outside: real clients against real servers through the gateway.

What the policy says comes from `cordon explain`, what happened from the client and from a capture on the far host,
what decided from the gateway's records. Ends with 0 only if the three agree for every attempt and both laws close.
"""

import argparse
import concurrent.futures
import json
import pathlib
import shutil
import signal
import sys
import tempfile
import textwrap

from lab import HOSTS, HUGE, ROOT, Lab, LabError, wait_for

BY = {h.name: h for h in HOSTS}


class Attempt:
    """One client trying one service: (who, whom, service, the client's command for an address)."""

    def __init__(self, src, dst, service, what, command, expect, port=None):
        self.src, self.dst, self.service, self.what, self.command = src, dst, service, what, command
        self.expect = expect  # what this scenario is about; the policy must agree, or the scenario is not one
        self.port = port


def https(lab, address):
    return ['curl', '-sS', '--connect-timeout', 1.5 * lab.patience, '-m', 5 * lab.patience, '--cacert', lab.certificate, '--resolve',
            f'hr.agency.example:443:{address}', 'https://hr.agency.example/']


def psql(lab, address):
    return ['env', f'PGCONNECT_TIMEOUT={2 * lab.patience}', 'psql', '-XAtq', '-h', address, '-U', 'postgres', '-c', 'select 42']


def dig(lab, address):
    return ['dig', f'+time={lab.patience}', '+tries=1', '+short', f'@{address}', 'hr.agency.example']


def ping(lab, address):
    return ['ping', '-c', '1', '-W', lab.patience, address]


def nmap(lab, address):
    return ['sh', '-c', f"nmap -Pn -n {'-6 ' if ':' in address else ''}-p 22,80,443,5432 --max-retries 0 --host-timeout {5 * lab.patience} {address}"
            ' | grep -q "/tcp *open"']


ATTEMPTS = [
    Attempt('staff', 'dns', 'dns', 'dig', dig, 'allow', 53),
    Attempt('staff', 'web', 'https', 'curl', https, 'allow', 443),
    Attempt('web', 'db', 'pg', 'psql', psql, 'allow', 5432),
    Attempt('staff', 'web', 'ping', 'ping', ping, 'allow'),
    Attempt('staff', 'db', 'pg', 'psql', psql, 'deny', 5432),
    Attempt('db', 'web', 'https', 'curl', https, 'deny', 443),
    Attempt('staff', 'db', 'ping', 'ping', ping, 'deny'),
    Attempt('intruder', 'dns', 'dns', 'dig', dig, 'deny', 53),
    Attempt('intruder', 'web', 'https', 'nmap', nmap, 'deny', 443),
    Attempt('world', 'web', 'https', 'curl', https, 'deny', 443),
    Attempt('world', 'db', 'pg', 'psql', psql, 'deny', 5432),
]


def at_once(what, rows):
    """what(row) of each, in their order."""
    with concurrent.futures.ThreadPoolExecutor(len(rows)) as pool:
        yield from pool.map(what, rows)


def heading(text):
    print(f'\n\033[1m{text}\033[0m' if sys.stdout.isatty() else f'\n{text}', flush=True)


class Scenario:
    LINE = '{:4} {:8} {:4} {:6} {:2} {:6} {:6} {:23} {}'

    def __init__(self, lab):
        self.lab = lab
        self.failures = 0

    # --- evidence of arrival -------------------------------------------------------------------------------------

    def arrived(self, attempt, src, dst):
        """Packets of this attempt that reached the far host."""
        what = f'src host {src} and dst host {dst}'
        if attempt.port:
            what += f" and dst port {attempt.port}" if attempt.what != 'nmap' else ' and tcp'
        else:
            what += ' and (icmp[0] == 8)' if ':' not in src else ' and ip6[40] == 128'
        return self.lab.captured(attempt.dst, what)

    # --- evidence of the record ----------------------------------------------------------------------------------

    def recorded(self, src, dst_identity, verdict):
        """(decisions, rule of the newest) of this source towards this identity, from the gateway's records: of longer than any run, so
        that what was counted stays counted."""
        rows = [r for r in self.lab.data('flows', '--from', src, '--since', '24h', '-n', '10000')
                if r['dst_identity'] == dst_identity and r['src'] == src and r['verdict'] == verdict]
        return sum(r['count'] for r in rows), max(rows, key=lambda r: r['last'])['rule'] if rows else None

    # --- attempts ---------------------------------------------------------------------------------------------

    def says(self, attempt, family, policy):
        src, dst = (getattr(BY[n], family) for n in (attempt.src, attempt.dst))
        done = self.lab.explain(policy, src, dst, attempt.service)
        if done.returncode != 0:
            raise LabError(f'explain {attempt.src} {attempt.dst} {attempt.service}: {done.stderr.strip()}')
        answers = [a for a in json.loads(done.stdout)]
        same = {(a['verdict'], a['rule']) for a in answers}
        if attempt.service == 'ping':
            same = {(a['verdict'], a['rule']) for a in answers
                    if ('icmpv6' in a['service']) == (family == 'v6') or a['service'] == 'ping'}
        if len(same) != 1:
            raise LabError(f'{attempt.src} -> {attempt.dst} {attempt.service}: the policy gives several answers {same}')
        return answers[0], *same.pop()

    def attempt(self, *words):
        self.attempts([words])

    def attempts(self, rows):
        """Those of (attempt, family[, policy[, expect]]) at once, since a refused client waits for long; told in their order."""
        if len({(a.src, a.dst, family) for a, family, *_ in rows}) != len(rows):
            raise LabError('attempts of the same pair at once: a record could be of either')
        for ok, lines in at_once(lambda row: self.outcome(*row), rows):
            self.failures += not ok
            print(lines, flush=True)

    def outcome(self, attempt, family, policy=None, expect=None):
        """(whether it came out as it should, what to say of it)"""
        expect = expect or attempt.expect
        lab = self.lab
        policy = policy or lab.example
        src, dst = (getattr(BY[n], family) for n in (attempt.src, attempt.dst))
        answer, verdict, rule = self.says(attempt, family, policy)
        before_records, _ = self.recorded(src, answer['to'], verdict)
        before_packets = self.arrived(attempt, src, dst)
        done = lab.run(attempt.src, attempt.command(lab, dst))
        worked = done.returncode == 0
        def has_record():
            count, by = self.recorded(src, answer['to'], verdict)
            return by if count > before_records else None
        try:
            by = wait_for('record', has_record, 5 * lab.patience, 0.1)
        except LabError:
            by = None
        # what was passed on has arrived long before its record could be read; a capture only has to write it down
        if worked:
            wait_for('the capture', lambda: self.arrived(attempt, src, dst) > before_packets, 5 * lab.patience)
        came = self.arrived(attempt, src, dst) - before_packets
        ok = (verdict == expect and worked == (verdict == 'allow') and (came > 0) == (verdict == 'allow') and by == rule)
        arrived = f"{came} packet{'s' if came != 1 else ''}" if came else 'nothing arrived'
        lines = self.LINE.format('ok' if ok else 'FAIL', attempt.src, attempt.dst, attempt.service, family[1], attempt.what,
                                 verdict, f"{'worked' if worked else 'failed'}, {arrived}", by or 'NO RECORD')
        if not ok:
            lines += (f'\n     policy {verdict} by {rule}, expected here {expect}; client exit {done.returncode}: '
                      f'{(done.stderr or done.stdout).strip()[:200]}')
        return ok, lines

    def matrix(self):
        heading('Who reaches whom: what the policy says, what happened, which rule decided')
        print(self.LINE.format('', 'FROM', 'TO', 'FOR', 'IP', 'CLIENT', 'POLICY', 'HAPPENED', 'DECIDED BY'))
        for attempt in ATTEMPTS:
            self.attempts([(attempt, family) for family in ('v4', 'v6')])

    # --- the rest of the tour ------------------------------------------------------------------------------------

    def show(self, *argv):
        heading('$ cordon ' + ' '.join(str(a) for a in argv))
        done = self.lab.cordon(*[str(a) for a in argv], '-o', 'table', check=False)
        print(done.stdout, end='', flush=True)
        if done.returncode != 0:
            self.failures += 1
            print(f'FAIL exit {done.returncode}: {done.stderr.strip()}')

    def rollback(self):
        heading('A commit that opens something, and the rollback that closes it again')
        looser = pathlib.Path(tempfile.mkdtemp(dir=self.lab.dir)) / 'agency-open'
        shutil.copytree(ROOT / self.lab.example, looser)
        opening = looser / 'zz-open.yaml'
        opening.write_text(
            'cordon: 1\nrules:\n  - {id: lab-open, effect: allow, from: hr-db, to: hr-web, service: https, owner: lab, '
            'review_by: 2099-12-31, why: "shown and rolled back"}\n')
        db_https = next(a for a in ATTEMPTS if (a.src, a.dst) == ('db', 'web'))
        refused = self.lab.cordon('commit', self.lab.policy(looser), '-m', 'let the database fetch from the portal', check=False)
        self.check(refused.returncode == 3, "the policy's own test refuses the edit: "
                   + next((line.split('error: ')[1] for line in refused.stderr.splitlines() if 'error: test' in line), refused.stderr))
        tests = looser / 'tests.yaml'
        tests.write_text('\n'.join(line for line in tests.read_text().splitlines() if 'from: hr-db, to: hr-web' not in line) + '\n')
        self.lab.cordon('commit', self.lab.policy(looser), '-m', 'let the database fetch from the portal')
        print(f"     with that test removed: generation {self.lab.status()['generation']['number']}, hr-db -> hr-web https is open")
        self.attempt(db_https, 'v4', looser, 'allow')
        self.lab.cordon('rollback', '-m', 'closed again')
        print(f"     rolled back: generation {self.lab.status()['generation']['number']}")
        self.attempt(db_https, 'v4', None, 'deny')

    def check(self, ok, text):
        self.failures += not ok
        print(textwrap.fill(f"{'ok  ' if ok else 'FAIL'} {text}", 80, subsequent_indent='     '), flush=True)

    def laws(self):
        heading('The two laws of counting')
        try:
            laws = self.lab.laws()
        except LabError as err:
            laws = self.lab.status()['laws']
            self.check(False, str(err))
        print(f"frames     {laws['frames_in']} = forwarded {laws['forwarded']} + dropped {laws['dropped']}")
        print(f"decisions  {laws['decisions']} = written {laws['written']} + aggregated {laws['aggregated']}"
              f" + pending {laws['pending']} + lost {laws['lost']}")

    def run(self):
        self.lab.start_captures()
        self.matrix()
        self.show('status')
        self.show('flows', '--since', '10m', '-n', '12')
        self.show('explain', 'staff', 'hr-db', 'pg')
        self.rollback()
        self.show('assess')
        self.laws()
        kinds = {a.expect for a in ATTEMPTS}
        assert kinds == {'allow', 'deny'}
        heading('')
        total = 2 * len(ATTEMPTS) + 3
        if self.failures:
            print(f'{self.failures} of {total} attempts and checks did not come out as the policy says')
        else:
            print(f'all {total} attempts came out as the policy says; both laws of counting close')
        return 1 if self.failures else 0


def raise_huge_pages():
    """512 MiB of huge pages for the lab; gives back what was there before (None: not possible)."""
    try:
        before = int(HUGE.read_text())
        HUGE.write_text(str(before + 256))
        if int(HUGE.read_text()) >= before + 256:
            return before
        HUGE.write_text(str(before))
    except OSError:
        pass
    return None


def stop_on(signum, frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog='quickstart')
    parser.add_argument('--build', required=True)
    parser.add_argument('--keep', action='store_true')
    parser.add_argument('--no-huge', action='store_true')
    parser.add_argument('--engine', choices=['dpdk', 'nft'], default='dpdk')
    parser.add_argument('--driver', choices=['net_af_xdp', 'net_af_packet'])
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, stop_on)

    pages = None if args.no_huge or args.engine == 'nft' else raise_huge_pages()
    huge = pages is not None
    say = lambda text: print(f'==> {text}', file=sys.stderr, flush=True)
    lab = Lab(args.build, driver=args.driver, huge=huge, say=say, engine=args.engine)
    try:
        lab.up(lab.example)
        result = Scenario(lab).run()
        if args.keep:
            file = lab.keep(pages)
            pages = None
            print(f'\nThe lab is still running.\n'
                  f'Step into a host:     ip netns exec {lab.ns("staff")} bash\n'
                  f'Talk to the gateway:  {lab.build}/controlplane/cli/cordon --socket {lab.socket} status\n'
                  f'End it:               /usr/bin/python3 -B {ROOT}/scripts/lab.py down {file}')
        return result
    except LabError as err:
        print(f'quickstart: {err}', file=sys.stderr)
        for name in ('dp', 'nft', 'cordond'):
            if lab.dir and lab.log(name):
                print(f'--- {name}:\n{lab.log(name)}', file=sys.stderr)
        return 6
    except KeyboardInterrupt:
        print('\nquickstart: interrupted; undoing the lab', file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        lab.close()
        if pages is not None:
            HUGE.write_text(str(pages))


if __name__ == '__main__':
    sys.exit(main())
