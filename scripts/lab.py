# SPDX-License-Identifier: BSD-3-Clause
"""The lab: hosts in network namespaces, wired through the ports of a gateway that runs as it would on a box.

Used by scripts/quickstart and by tests/netns. Everything is named after the lab's id, so labs run beside each other
and beside other people's namespaces; close() undoes all of it. Hosts get real servers (nginx, PostgreSQL, dnsmasq).

    with Lab(build) as lab:
        lab.up()
        lab.run('staff', ['curl', ...])
"""

import contextlib
import fcntl
import grp
import json
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
VLAN = 20
HUGE = pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')


class LabError(Exception):
    """Something the user can read: what failed and what it said."""


class Host:
    def __init__(self, name, port, v4, v6, side='inside', title='', role=f'access, vlan: {VLAN}'):
        self.name, self.port, self.v4, self.v6 = name, port, v4, v6
        self.side, self.title, self.role = side, title, role


HOSTS = [
    Host('staff', 'lan1', '10.20.0.21', 'fd00:20::21', title='staff laptop'),
    Host('web', 'lan2', '10.20.0.11', 'fd00:20::11', title='HR web server'),
    Host('db', 'lan3', '10.20.0.31', 'fd00:20::31', title='HR database'),
    Host('dns', 'lan4', '10.20.0.53', 'fd00:20::53', title='name server'),
    Host('intruder', 'lan5', '10.20.0.66', 'fd00:20::66', title='device nobody knows'),
    Host('world', 'wan', '203.0.113.9', '2001:db8:113::9', side='outside', title='host of the outside world'),
]
INSIDE = ('10.20.0.0/24', 'fd00:20::/64')
OUTSIDE = ('203.0.113.0/24', '2001:db8:113::/64')
SERVICE_USERS = {'cordond': ['cordon'], 'cordon-dp': [], 'cordon-nft': []}
SERVICE_GROUP = 'cordon-run'
API_GROUP = 'cordon'
GUEST_GROUP = 'cordon-vhost'
BRIDGE = 'cordon0'
PORT_CAPS = {'net_af_packet': 'net_raw,net_admin', 'net_af_xdp': 'net_raw,net_admin,sys_admin,ipc_lock'}


def call(argv, **kwargs):
    """Run a command that has to work."""
    done = subprocess.run(argv, capture_output=True, text=True, **kwargs)
    if done.returncode != 0:
        raise LabError(f"{' '.join(map(str, argv))}: {done.stderr.strip() or done.stdout.strip() or done.returncode}")
    return done.stdout


def wait_for(what, condition, seconds, step=0.05):
    """Poll until condition() is true; LabError names what did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f'{what}: not within {seconds} s')
        time.sleep(step)


def in_group(name):
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None


class Users:
    """The daemons' users and groups, shared by all labs of the machine and removed by the last one.

    DIR holds a file for each lab that runs or is kept, and `made`: how to undo what labs have made. What was there
    before is left alone.
    """

    DIR = pathlib.Path('/run/cordon-labs')

    def __init__(self, lab):
        self.lab = lab
        with self.alone():
            (self.DIR / lab).touch()
            for group in (API_GROUP, SERVICE_GROUP, GUEST_GROUP):
                if not in_group(group):
                    call(['groupadd', '--system', group])
                    self.made('groupdel', group)
            for user, groups in SERVICE_USERS.items():
                self.user(user, [SERVICE_GROUP] + groups)

    @contextlib.contextmanager
    def alone(self):
        self.DIR.mkdir(mode=0o755, exist_ok=True)
        with open('/run/lock/cordon-labs', 'a', encoding='ascii') as mutex:
            fcntl.flock(mutex, fcntl.LOCK_EX)
            yield

    def user(self, user, groups):
        try:
            pwd.getpwnam(user)
        except KeyError:
            call(['useradd', '--system', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin',
                  '--user-group', user])
            self.made('userdel', user)
        for group in groups:
            if user not in in_group(group).gr_mem:
                call(['gpasswd', '--add', user, group])
                self.made('gpasswd', '--delete', user, group)

    def made(self, *undo):
        with open(self.DIR / 'made', 'a', encoding='ascii') as made:
            made.write(' '.join(undo) + '\n')

    def leave(self):
        made = self.DIR / 'made'
        with self.alone():
            (self.DIR / self.lab).unlink(missing_ok=True)
            if set(self.DIR.iterdir()) - {made}:
                return
            undo = made.read_text(encoding='ascii').splitlines() if made.exists() else []
            for line in reversed(undo):
                subprocess.run(line.split(), capture_output=True)
            shutil.rmtree(self.DIR)


# --- servers of the hosts, wherever these are: in namespaces here, or in guests --------------------------------------------

def web_files(home, at=None):
    """Certificate, page and config of the web server in `home`; `at`: where the server finds them."""
    at = at or home
    home.mkdir(parents=True)
    call(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days',
          '2', '-subj', '/CN=hr.agency.example', '-addext', 'subjectAltName=DNS:hr.agency.example',
          '-keyout', home / 'key.pem', '-out', home / 'cert.pem'])
    (home / 'index.html').write_text('hr portal\n')
    (home / 'nginx.conf').write_text(
        f'daemon off; user nobody nogroup; pid {at}/pid; error_log {at}/error.log; worker_processes 1;\n'
        'events {}\n'
        f'http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p;'
        f' fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n'
        ' server { listen 443 ssl; listen [::]:443 ssl; listen 80; listen [::]:80; server_name hr.agency.example;\n'
        f'  ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem; root {at}; }} }}\n')


def nginx(at):
    return ['nginx', '-c', f'{at}/nginx.conf']


def postgres_programs():
    return sorted(pathlib.Path('/usr/lib/postgresql').glob('*/bin'))[-1]


def database(home, *more):
    """A new database in home/data, of the user postgres."""
    home.mkdir(parents=True)
    shutil.chown(home, 'postgres', 'postgres')
    call([*under('postgres', 'postgres'), postgres_programs() / 'initdb', '-D', home / 'data', '-A', 'trust', '--no-sync', '-E', 'UTF8',
          '--locale=C', *more], cwd='/')
    with open(home / 'data/pg_hba.conf', 'a', encoding='ascii') as hba:
        hba.write('host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n')


def postgres(at, user, group):
    return [*under(user, group), postgres_programs() / 'postgres', '-D', f'{at}/data', '-c', 'listen_addresses=*', '-c',
            f'unix_socket_directories={at}', '-c', 'fsync=off', '-c', 'max_connections=20', '-c', 'shared_buffers=16MB']


def dnsmasq(web):
    return ['dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--pid-file=', '--user=nobody',
            '--bind-interfaces', '--interface=eth0', '--except-interface=lo', f'--address=/hr.agency.example/{web.v4}',
            f'--address=/hr.agency.example/{web.v6}']


def under(user, group):
    return ['setpriv', f'--reuid={user}', f'--regid={group}', '--clear-groups']


class Wired:
    """Hosts around a gateway, as a scenario sees them; what they are made of is told by run() and cordon()."""

    patience = 1  # how much longer than on real hardware an answer may take
    hosts = {}
    example = pathlib.Path('policies/examples/agency-core')  # its policy, as a user in the tree would name it

    def cordon(self, *argv, check=True, timeout=60):
        raise NotImplementedError

    def run(self, host, argv, timeout=20):
        """Run a command on a host."""
        raise NotImplementedError

    def policy(self, path):
        """A policy of this tree as a word for cordon()."""
        return str(path)

    def explain(self, path, *words):
        return self.cordon('explain', '--policy', self.policy(path), *words, '-o', 'json', check=False)

    def start_captures(self):
        """From now on, what arrives at each host is kept."""
        raise NotImplementedError

    def captured(self, host, what):
        """How many frames that tcpdump calls `what` have arrived at a host."""
        raise NotImplementedError

    def data(self, *argv):
        return json.loads(self.cordon(*argv, '-o', 'json').stdout)['data']

    def status(self):
        return self.data('status')

    def learn_hosts(self):
        """Let each host say who it is (ARP and ND only), and wait until the control plane has classified it."""
        for host in self.hosts.values():
            self.run(host.name, ['ping', '-c1', '-W1', '-q', '203.0.113.254' if host.side == 'outside' else '10.20.0.254'])
            self.run(host.name, ['ping', '-6', '-c1', '-W1', '-q', '2001:db8:113::fe' if host.side == 'outside' else 'fd00:20::fe'])
        want = 2 * len(self.hosts)

        def bound():
            who = self.status()['identities']
            return who['bound'] + who['unknown'] >= want
        wait_for(f'{want} addresses are bound', bound, 15 * self.patience)

    def laws(self, seconds=10):
        """The laws of counting at rest: both close exactly and nothing is pending."""
        def closed():
            laws = self.status()['laws']
            ok = (laws['frames_in'] == laws['forwarded'] + laws['dropped'] and laws['pending'] == 0 and
                  laws['decisions'] == laws['written'] + laws['aggregated'] + laws['pending'] + laws['lost'])
            return laws if ok else None
        return wait_for('both laws of counting close', closed, seconds * self.patience)


class Lab(Wired):
    """engine: 'dpdk' or 'nft', the data path. standby: beside dpdk the kernel engine on the same devices, guarded.
    management: of the config, as YAML; the kernel engine guards these addresses, which somebody else has to give out."""

    def __init__(self, build, driver=None, huge=None, say=None, ident=None, hosts=None, sanitized=False, mtu=1500, engine='dpdk',
                 standby=False, management=None):
        self.build = pathlib.Path(build).resolve()
        self.id = ident or secrets.token_hex(2)
        self.hosts = {h.name: h for h in (hosts or HOSTS)}
        self.engine, self.standby, self.management = engine, standby, management
        self.driver = driver
        self.huge = huge
        self.sanitized = sanitized
        self.mtu = mtu
        self.say = say or (lambda text: None)
        self.undo = contextlib.ExitStack()
        self.procs = {}
        self.dir = None
        self.notes = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
        return False

    # --- names ---------------------------------------------------------------------------------------------------

    def ns(self, host):
        return f'cordon-{self.id}-{host}'

    def inside(self, host):
        return ['ip', 'netns', 'exec', self.ns(host)]

    @property
    def bridged(self):
        return self.engine == 'nft' or self.standby

    @property
    def uses_nft(self):
        return self.bridged or self.management is not None

    def veth(self, host):
        """Gateway end of the host's link, in the gateway's namespace."""
        return f'c{self.id}{self.hosts[host].port}'[:15]

    @property
    def run_dir(self):
        return self.dir / 'run'

    @property
    def catalogue(self):
        return self.dir / 'ztmm'

    @property
    def socket(self):
        return self.run_dir / 'api.sock'

    # --- up and down -----------------------------------------------------------------------------------------------

    def up(self, policy=None):
        self.make_dirs()
        self.say('making namespaces and links')
        self.make_network()
        self.say('starting servers on the hosts')
        self.start_servers()
        self.start_gateway()
        if policy:
            self.say(f'committing {policy}')
            self.cordon('commit', str(policy), '-m', 'first policy')
        self.learn_hosts()

    def close(self):
        self.undo.close()
        self.undo = contextlib.ExitStack()

    def keep(self, pages=None):
        """Leave the lab as it is. The file says how to end it; `pages`: huge pages there were before."""
        state = {'id': self.id, 'pages': pages, 'pids': {n: p.pid for n, p in self.procs.items()}, 'dir': str(self.dir),
                 'bridge': [self.ns('gw'), BRIDGE] if self.bridged else None,
                 'namespaces': [self.ns(h) for h in self.hosts] + [self.ns('gw')]}
        (self.dir / 'lab.json').write_text(json.dumps(state, indent=1))
        self.undo.pop_all()
        return self.dir / 'lab.json'

    def make_dirs(self):
        self.make_users()
        base = pathlib.Path(tempfile.mkdtemp(prefix=f'cordon-{self.id}-', dir='/run'))
        base.chmod(0o755)
        self.undo.callback(shutil.rmtree, base, ignore_errors=True)
        self.dir = base
        run_gid = grp.getgrnam(SERVICE_GROUP).gr_gid
        for name, user, mode in (('run', 'cordond', 0o3771), ('state', 'cordond', 0o2770), ('xdp', 'cordon-dp', 0o2770)):
            path = base / name
            path.mkdir()
            os.chown(path, pwd.getpwnam(user).pw_uid, run_gid)
            path.chmod(mode)
        # the daemons' users may not be able to look into the tree
        shutil.copytree(ROOT / 'policies/ztmm', self.catalogue)

    def make_users(self):
        """The daemons' own users and groups. Labs share them; the last lab to end removes those that labs made."""
        self.users = Users(self.id)
        self.undo.callback(self.users.leave)

    def make_network(self):
        gw = self.ns('gw')
        self.make_ns(gw)
        for host in self.hosts.values():
            ns = self.ns(host.name)
            self.make_ns(ns)
            port = self.veth(host.name)
            call(['ip', '-n', gw, 'link', 'add', port, 'mtu', str(self.mtu), 'type', 'veth',
                  'peer', 'name', 'eth0', 'netns', ns, 'mtu', str(self.mtu)])
            call(['ip', 'netns', 'exec', ns, 'ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off'])
            if not self.bridged:
                call([str(ROOT / 'scripts/port-prepare'), '--netns', gw, port])
            self.address(host)
        if self.bridged:
            self.undo.callback(self.bridge, '--down')
            self.bridge(*(self.veth(h.name) + self.vlans(h) for h in self.hosts.values()))

    def bridge(self, *words):
        call([str(ROOT / 'scripts/bridge-prepare'), '--netns', self.ns('gw'), '--bridge', BRIDGE, *words])

    @staticmethod
    def vlans(host):
        """A role of the config in the words of bridge-prepare."""
        numbers = re.search(r'vlans?: *\[?([\d, ]+)', host.role)[1].replace(' ', '')
        return (':vids=' if 'trunk' in host.role else ':pvid=') + numbers

    def make_ns(self, ns):
        call(['ip', 'netns', 'add', ns])
        self.undo.callback(self.drop_ns, ns)
        call(['ip', '-n', ns, 'link', 'set', 'lo', 'up'])

    @staticmethod
    def drop_ns(ns):
        pids = subprocess.run(['ip', 'netns', 'pids', ns], capture_output=True, text=True).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(['ip', 'netns', 'del', ns], capture_output=True)

    def address(self, host):
        ns = self.ns(host.name)
        outside = host.side == 'outside'
        for key in ('accept_dad', 'accept_ra', 'router_solicitations'):
            call(['ip', 'netns', 'exec', ns, 'sh', '-c', f'echo 0 > /proc/sys/net/ipv6/conf/eth0/{key}'])
        call(['ip', '-n', ns, 'addr', 'add', f'{host.v4}/24', 'dev', 'eth0'])
        call(['ip', '-n', ns, 'addr', 'add', f'{host.v6}/64', 'dev', 'eth0', 'nodad'])
        call(['ip', '-n', ns, 'link', 'set', 'eth0', 'up'])
        for far in INSIDE if outside else OUTSIDE:
            call(['ip', '-n', ns, 'route', 'add', far, 'dev', 'eth0'])

    # --- servers ----------------------------------------------------------------------------------------------------

    def start_servers(self):
        for name in self.hosts:
            start = getattr(self, f'serve_{name}', None)
            if start:
                start(self.hosts[name])

    def serve_web(self, host):
        home = self.dir / 'web'
        web_files(home)
        self.spawn('nginx', [*self.inside('web'), *nginx(home)])
        self.await_listener('web', 443)

    def serve_db(self, host):
        home = self.dir / 'db'
        database(home)
        self.spawn('postgres', [*self.inside('db'), *postgres(home, 'postgres', 'postgres')])
        self.await_listener('db', 5432)

    def serve_dns(self, host):
        self.spawn('dnsmasq', [*self.inside('dns'), *dnsmasq(self.hosts['web'])])
        self.await_listener('dns', 53)

    def await_listener(self, host, port):
        def listens():
            out = subprocess.run(['ip', 'netns', 'exec', self.ns(host), 'ss', '-Hltn', f'sport = :{port}'],
                                 capture_output=True, text=True)
            return out.stdout.strip()
        wait_for(f'{host} listens on port {port}', listens, 20)

    # --- gateway ----------------------------------------------------------------------------------------------------

    def start_gateway(self):
        if self.uses_nft:
            self.say('starting cordon-nft' + (' as the standby' if self.standby else ''))
            self.write_config(self.driver or 'net_af_packet')
            self.start_nft()
        if self.engine == 'dpdk':
            self.start_dataplane()
        if self.bridged:
            # not before something guards it
            self.bridge('--up')
        self.say('starting cordond')
        self.start_cordond()

    def start_dataplane(self):
        drivers = [self.driver] if self.driver else ['net_af_xdp', 'net_af_packet']
        for i, driver in enumerate(drivers):
            self.say(f'starting cordon-dp on {driver}')
            self.write_config(driver)
            try:
                self.start_dp()
                self.driver = driver
                break
            except LabError as err:
                if i + 1 == len(drivers):
                    raise
                self.notes.append(f'{driver} does not work here, using {drivers[i + 1]}: {str(err).splitlines()[-1]}')
                self.say(self.notes[-1])

    def device(self, host, driver):
        return ('' if self.engine == 'nft' else f'{driver},iface=') + self.veth(host.name)

    def write_config(self, driver):
        ports = '\n'.join(
            f'  - {{name: {h.port}, device: "{self.device(h, driver)}", role: {h.role}, side: {h.side}, mtu: {self.mtu}}}'
            for h in self.hosts.values())
        self.config = self.dir / 'cordon.yaml'
        self.config.write_text(
            f'gateway: gw-{self.id}\nengine: {self.engine}\n' + (f'bridge: {BRIDGE}\n' if self.bridged else '') + f'ports:\n{ports}\nprotected: ["10.20.0.0/16", "fd00:20::/48"]\n'
            f'clock: trusted\nfail: {"nft" if self.standby else "closed"}\naccess: {{viewer: [group cordon], operator: [root], approver: [root]}}\n'
            f'records: {{dir: {self.dir}/state, max: 1GB, rate: 100000}}\n'
            + (f'management: {self.management}\n' if self.management is not None else ''))
        self.conf_driver = driver

    def start_dp(self):
        # what a lab does to it is no series of failures
        (self.run_dir / 'dp.starts').unlink(missing_ok=True)
        args = call([self.build / 'controlplane/daemon/cordond', '--config', self.config, '--dp-args'])
        file = self.dir / 'dp.args'
        extra = ['--clock', 'trusted'] if '--clock' not in args else []
        huge = self.huge if self.huge is not None else self.have_huge_pages()
        if not huge:
            extra.append('--no-huge')
        extra += ['--run-dir', str(self.run_dir), '--state', str(self.dir / 'state')]
        file.write_text('\n'.join(extra) + '\n' + args)
        caps = PORT_CAPS.get(self.conf_driver, '')
        self.as_user('dp', 'cordon-dp', [self.build / 'dataplane/io/cordon-dp', f'@{file}'], caps, netns=self.ns('gw'))
        self.await_process('dp', (self.run_dir / 'dp.sock').is_socket, 30)

    def start_nft(self):
        args = call([self.build / 'controlplane/daemon/cordond', '--config', self.config, '--run-dir', self.run_dir, '--nft-args'])
        self.as_user('nft', 'cordon-nft', [self.build / 'controlplane/nft/cordon-nft', *args.splitlines()], 'net_admin',
                     netns=self.ns('gw'))
        self.await_process('nft', (self.run_dir / 'nft.sock').is_socket, 30)

    def start_cordond(self, alone=False):
        """alone: do not wait for the engines."""
        self.as_user('cordond', 'cordond', [self.build / 'controlplane/daemon/cordond', '--config', self.config,
                                            '--run-dir', self.run_dir], '')
        self.await_process('cordond', lambda: self.cordon('status', check=False).returncode == 0, 30)
        if alone:
            return
        self.await_process('cordond', lambda: all(e['state'] != 'disconnected' for e in self.status()['engines']), 15)

    def as_user(self, name, user, argv, caps, netns=None):
        """Start as the service's own user with exactly these capabilities."""
        plus = ','.join('+' + c for c in caps.split(',')) if caps else ''
        # inheritable and ambient carry them over exec; the bounding set forbids all others
        lower = '-all' + (',' + plus if plus else '')
        cmd = ['setpriv', f'--reuid={user}', f'--regid={user}', '--init-groups', f'--bounding-set={lower}',
               f'--inh-caps={lower}', f'--ambient-caps={lower}', '--no-new-privs']
        if netns:
            cmd = ['ip', 'netns', 'exec', netns] + cmd
        env = dict(os.environ, RUNTIME_DIRECTORY=str(self.run_dir), CORDON_CATALOGUE=str(self.catalogue))
        self.spawn(name, cmd + [str(a) for a in argv], env=env)

    def spawn(self, name, argv, env=None):
        log = open(self.dir / f'{name}.log', 'ab')
        proc = subprocess.Popen([str(a) for a in argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env,
                                start_new_session=True, cwd='/')
        log.close()
        self.procs[name] = proc
        self.undo.callback(self.stop, name, proc)
        return proc

    def stop(self, name, proc=None, sig=signal.SIGTERM, seconds=10):
        proc = proc or self.procs[name]
        if proc.poll() is None:
            proc.send_signal(sig)
            try:
                proc.wait(seconds)
            except subprocess.TimeoutExpired:
                self.notes.append(f'{name} did not stop on signal {sig} within {seconds} s')
                proc.kill()
                proc.wait()
        return proc.returncode

    def log(self, name, lines=15):
        path = self.dir / f'{name}.log'
        return '\n'.join(path.read_text(errors='replace').splitlines()[-lines:]) if path.exists() else ''

    def await_process(self, name, ready, seconds):
        def check():
            if self.procs[name].poll() is not None:
                raise LabError(f'{name} ended with {self.procs[name].returncode}:\n{self.log(name)}')
            return ready()
        wait_for(f'{name} is ready\n{self.log(name)}', check, seconds)

    @staticmethod
    def have_huge_pages():
        try:
            return int(pathlib.Path('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages').read_text()) >= 256
        except OSError:
            return False

    # --- using it -----------------------------------------------------------------------------------------------------

    def cordon(self, *argv, check=True, timeout=60):
        done = subprocess.run([self.build / 'controlplane/cli/cordon', '--socket', self.socket, *argv], text=True,
                              capture_output=True, timeout=timeout, cwd=ROOT,
                              env=dict(os.environ, CORDON_CATALOGUE=str(self.catalogue)))
        if check and done.returncode != 0:
            raise LabError(f"cordon {' '.join(argv)}: exit {done.returncode}\n{done.stderr.strip()}")
        return done

    def run(self, host, argv, timeout=20, **kwargs):
        return subprocess.run(['ip', 'netns', 'exec', self.ns(host)] + [str(a) for a in argv], capture_output=True,
                              text=True, timeout=timeout, **kwargs)

    @property
    def certificate(self):
        return self.dir / 'web/cert.pem'

    def start_captures(self):
        for name in self.hosts:
            self.spawn(f'tcpdump-{name}', [*self.inside(name), 'tcpdump', '-i', 'eth0', '-Q', 'in', '-U', '--immediate-mode', '-w',
                                           self.capture(name), '-Z', 'root', 'ip or ip6'])
        files = [self.capture(name) for name in self.hosts]
        wait_for('captures run', lambda: all(f.exists() and f.stat().st_size >= 24 for f in files), 10)

    def capture(self, host):
        return self.dir / f'{host}.pcap'

    def captured(self, host, what):
        return len(subprocess.run(['tcpdump', '-nr', self.capture(host), what], capture_output=True, text=True).stdout.splitlines())


def command_line(pid):
    """Empty for a process that is over."""
    try:
        return pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode(errors='replace')
    except OSError:
        return ''


def end_kept(path):
    """Undo a lab that was kept."""
    state = json.loads(pathlib.Path(path).read_text())
    # a number may mean another process by now: only those that still speak of this lab
    pids = [pid for pid in state['pids'].values() if state['dir'] in command_line(pid)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    wait_for('the processes end', lambda: not any(command_line(pid) for pid in pids), 10)
    if state['bridge']:
        netns, bridge = state['bridge']
        subprocess.run([ROOT / 'scripts/bridge-prepare', '--netns', netns, '--bridge', bridge, '--down'], capture_output=True)
    for ns in state['namespaces']:
        Lab.drop_ns(ns)
    shutil.rmtree(state['dir'], ignore_errors=True)
    if state['pages'] is not None:
        HUGE.write_text(str(state['pages']))
    Users(state['id']).leave()


if __name__ == '__main__':
    if len(sys.argv) == 3 and sys.argv[1] == 'down':
        end_kept(sys.argv[2])
    else:
        sys.exit('usage: lab.py down /run/cordon-<id>-…/lab.json')
