# SPDX-License-Identifier: BSD-3-Clause
"""What a reader expects of every file, and what the build alone cannot hold: the direction of dependencies."""

import pathlib
import re
import subprocess

import tap

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = sorted(p for top in ('dataplane', 'controlplane', 'tests') for p in (ROOT / top).rglob('*.[ch]'))

# What a folder's files may include, beside the C library: their own folder's headers and these folders'.
MAY_USE = {
    'dataplane/abi': [],
    'dataplane/core': ['dataplane/abi'],
    'dataplane/io': ['dataplane/abi', 'dataplane/core'],
    'controlplane/base': [],
    'controlplane/policy': ['controlplane/base', 'dataplane/abi'],
    'controlplane/identity': ['controlplane/policy', 'controlplane/base', 'dataplane/abi'],
    'controlplane/nftmodel': ['dataplane/abi'],
    'controlplane/compile': ['controlplane/policy', 'controlplane/base', 'controlplane/identity', 'controlplane/nftmodel', 'dataplane/abi'],
    'controlplane/nft': ['controlplane/nftmodel', 'controlplane/base', 'dataplane/abi', 'dataplane/core'],
    'controlplane/observe': ['controlplane/base', 'dataplane/abi'],
    'controlplane/enforce': ['controlplane/base', 'controlplane/nftmodel', 'dataplane/abi'],
    'controlplane/assess': ['controlplane/policy', 'controlplane/observe', 'controlplane/base', 'dataplane/abi'],
    'controlplane/api': ['controlplane/base'],
    'controlplane/config': ['controlplane/policy', 'controlplane/nftmodel', 'controlplane/base', 'controlplane/api', 'dataplane/abi'],
}
# Libraries whose headers belong to one folder or file only.
ONLY_IN = {
    r'<rte_': ['dataplane/io/', 'tests/unit/io/removal_test', 'tests/unit/io/options_test'],
    r'<microhttpd\.h>': ['controlplane/api/', 'tests/'],
    r'<curl/': ['controlplane/api/'],
    r'<(libmnl|libnftnl)/': ['controlplane/nft/netlink', 'tests/nft/'],
    r'<sqlite3\.h>': ['controlplane/observe/', 'controlplane/assess/', 'controlplane/daemon/', 'tests/'],
    r'<(x86|imm|emm|xmm|smm|arm_neon)\w*\.h>': ['dataplane/core/simd_'],
}


def relative(path):
    return str(path.relative_to(ROOT))


def nothing(findings):
    if findings:
        raise AssertionError('\n' + '\n'.join(findings))


def licence_of(file):
    """cordon-nft links libnftnl, which is GPL."""
    return 'GPL-2.0-or-later' if re.match(r'controlplane/nft/.*\.[ch]$', file) else 'BSD-3-Clause'


def licences():
    tracked = subprocess.run(['git', '-c', f'safe.directory={ROOT}', '-C', ROOT, 'ls-files'], capture_output=True, text=True,
                             check=True).stdout.split()
    wanted = [f for f in tracked if re.search(r'(\.[ch]|\.py|\.sql|meson\.build|\.service|\.conf|\.yaml)$', f)
              and not f.startswith(('tests/fuzz/corpus', 'tests/golden', 'policies/examples'))]
    wanted += [f for f in tracked if f.startswith('scripts/') and '.' not in f]
    assert len(wanted) > 300, 'git lists too few files'
    nothing([f for f in wanted if (ROOT / f).exists()
             and f'SPDX-License-Identifier: {licence_of(f)}' not in (ROOT / f).read_text(errors='replace')[:400]])


def formatting():
    done = subprocess.run(['clang-format', '--dry-run', '-Werror', *map(str, CODE)], capture_output=True, text=True)
    nothing(sorted({line.split(':')[0].replace(f'{ROOT}/', '') for line in done.stderr.splitlines() if 'error:' in line}))


def directions():
    owners = {}
    for path in CODE:
        if path.suffix == '.h' and not relative(path).startswith('tests/'):
            owners.setdefault(path.name, []).append(relative(path.parent))
    findings = []
    for path in CODE:
        folder = relative(path.parent)
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M) if folder in MAY_USE else []:
            homes = owners.get(name.split('/')[-1], [folder])
            if folder not in homes and not any(home in MAY_USE[folder] for home in homes):
                findings.append(f'{relative(path)} includes {name} of {homes}')
    nothing(findings)


def libraries():
    findings = []
    for path in CODE:
        text = path.read_text()
        for pattern, homes in ONLY_IN.items():
            if re.search(r'^#include ' + pattern, text, re.M) and not relative(path).startswith(tuple(homes)):
                findings.append(f'{relative(path)}: {pattern}')
    nothing(findings)


def intrinsics():
    nothing([relative(p) for p in CODE if not p.name.startswith('simd_') and re.search(r'\b(_mm\d*_|__m\d{3}|_pext_|vld1q_)', p.read_text())])


def libraries_do_not_exit():
    """Libraries neither print to the terminal nor end the process: only daemons and the CLI do."""
    pure = ('dataplane/abi', 'dataplane/core', 'controlplane/policy', 'controlplane/compile', 'controlplane/identity',
            'controlplane/enforce', 'controlplane/observe', 'controlplane/nftmodel')
    findings = []
    for path in CODE:
        if relative(path).startswith(pure) and re.search(r'(?<![\w.>])(printf|puts|exit|_exit)\(|\bstderr\b', path.read_text()):
            findings.append(relative(path))
    nothing(findings)


def one_allocator():
    """The engine's only calls of an allocator are the two that stand in for a caller who brings none."""
    calls = re.compile(r'(?<![\w>.])(malloc|calloc|realloc|aligned_alloc|posix_memalign|mmap|strdup|free)\(')
    found = [f'{relative(p)}: {name}' for p in CODE if relative(p).startswith('dataplane/core/') for name in calls.findall(p.read_text())]
    tap.equal(found, ['dataplane/core/engine.c: aligned_alloc'], 'allocator calls in the engine')


def unfinished():
    words = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b|#if 0')
    nothing([relative(p) for p in CODE if words.search(p.read_text(errors='replace'))])


tap.run([
    ('each file names its licence', licences),
    ('clang-format has nothing to say', formatting),
    ('dependencies have one direction', directions),
    ('each library has one home', libraries),
    ('no intrinsics outside simd_*', intrinsics),
    ('libraries do not print or exit', libraries_do_not_exit),
    ('the engine has no allocator of its own', one_allocator),
    ('nothing is left unfinished', unfinished),
])
