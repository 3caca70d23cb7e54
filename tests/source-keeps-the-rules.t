#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules of the house that a program can check by reading the source: issue 1.

SQL stays in sql/, numbers of refusals are unique and listed, functions and
files stay short, every file says its licence, none names a path of the machine
it was written on.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FUNCTION_LINES, FILE_LINES = 100, 600
MADE = re.compile(r'(^|/)(build-aux|autom4te\.cache|\.deps|\.git|var[^/]*|__pycache__|check-\w+)/'
                  r'|(^|/)(configure~?|Makefile|Makefile\.in|aclocal\.m4|config\..*|stamp-h1|\.dirstamp)$'
                  r'|\.(inc|log|trs|o|a|tar\.gz|pyc)$|^apache/apache(-cgi)?\.conf$|\.service$')
NO_LICENCE = re.compile(r'(^|/)(LICENSE|NEWS|\.gitignore|\.clang-format|\.editorconfig|packages)$'
                        r'|\.(md|json|svg)$|^tests/fuzz/corpus/|^htdocs/vendor/')
n = 0
failed = 0


def report(passed, name, found=()):
    global n, failed
    n += 1
    failed += not passed
    print('%sok %d - %s' % ('' if passed else 'not ', n, name))
    for line in found:
        print('#   %s' % (line,))


def sources():
    try:
        if os.path.isdir(os.path.join(ROOT, '.git')):
            out = subprocess.run(['git', '-c', 'safe.directory=*', 'ls-files'], cwd=ROOT,
                                 capture_output=True, text=True, check=True).stdout.splitlines()
            return [p for p in sorted(set(out)) if os.path.isfile(os.path.join(ROOT, p))]
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, _, names in os.walk(ROOT):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if not MADE.search(path):
                found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), 'rb') as f:
        data = f.read()
    return None if b'\0' in data[:1000] else data.decode('utf-8', 'replace')


def functions(text):
    """(name, lines) of each function: from its name to its brace."""
    name = start = None
    for i, line in enumerate(text.splitlines()):
        m = re.match(r'(\w+)\(', line)
        if m:
            name, start = m.group(1), i
        elif line == '}' and name is not None:
            yield name, i - start + 1
            name = None


texts = {p: read(p) for p in sources() if not MADE.search(p)}
texts = {p: t for p, t in texts.items() if t is not None}
ours = {p: t for p, t in texts.items()
        if p.endswith(('.c', '.h')) and not p.startswith(('tests/', 'bench/'))}

sql = re.compile(r'"(?:[^"\\]|\\.)*?\b(SELECT|INSERT INTO|INSERT OR|UPDATE \w+ SET|DELETE FROM|CREATE TABLE'
                 r'|PRAGMA|BEGIN IMMEDIATE|ROLLBACK|COMMIT)\b(?:[^"\\]|\\.)*"')
found = ['%s:%d: %s' % (p, i + 1, line.strip()) for p, t in sorted(ours.items())
         for i, line in enumerate(t.splitlines()) if sql.search(line) and '#include' not in line]
report(not found, 'C holds no SQL', found)

listed = subprocess.run([os.path.join(ROOT, 'tools', 'list-sites')], capture_output=True,
                        text=True).stdout.splitlines()
report(len(listed) > 20, 'tools/list-sites finds the sites', ['%d' % len(listed)])
numbers = [line.split()[1] for line in listed if len(line.split()) > 1]
twice = sorted({s for s in numbers if numbers.count(s) > 1})
report(not twice, 'every site is one place', [l for l in listed if l.split()[1] in twice])
calls = sum(len(re.findall(r'\n\s[^\n;]*\breq_fail\(', t)) for p, t in ours.items() if p.endswith('.c'))
report(len(listed) >= calls, 'no call of req_fail is without its number', ['%d calls' % calls])
marker = '<!-- tools/list-sites'
hacking = texts.get('HACKING.md', '')
have = [l for l in hacking.partition(marker)[2].splitlines()[1:] if l.strip()]
report(have == listed, 'HACKING.md lists them: tools/list-sites --write',
       ['- ' + l for l in have if l not in listed] + ['+ ' + l for l in listed if l not in have])

found = ['%s: %s has %d lines' % (p, name, lines) for p, t in sorted(texts.items())
         if p.endswith('.c') for name, lines in functions(t) if lines > FUNCTION_LINES]
report(not found, 'no function has more than %d lines' % FUNCTION_LINES, found)
found = ['%s has %d lines' % (p, t.count('\n')) for p, t in sorted(texts.items())
         if p.endswith(('.c', '.h', '.js')) and not p.startswith(('tests/', 'htdocs/vendor/'))
         and t.count('\n') > FILE_LINES]
report(not found, 'no file has more than %d lines' % FILE_LINES, found)

found = [p for p, t in sorted(texts.items())
         if not NO_LICENCE.search(p) and 'SPDX-License-Identifier: ' not in '\n'.join(t.splitlines()[:6])]
report(not found, 'every file says its licence', found)

# Written so that these lines are not found themselves.
machine = re.compile(r'/(?:wor' + r'k|far' + r'm)/|/ro' + r'ot/|/home/(?!you/)\w+/')
found = ['%s:%d: %s' % (p, i + 1, line.strip()[:100]) for p, t in sorted(texts.items())
         for i, line in enumerate(t.splitlines()) if machine.search(line)]
report(not found, 'no file names a path of the machine it was written on', found)

# A comment that names a function or macro of ours which has gone misleads.
piece = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|[^/"\']+|.', re.S)
named = re.compile(r'\b([A-Za-z_]\w+)(\(\))?')
# Not ours, and not used: why not is what the comment tells.
FOREIGN = {'http_parser', 'ppoll'}
stems = {os.path.basename(p)[:-2] for p in texts if p.endswith('.h')}
known, comments = set(FOREIGN), []
for p, t in sorted(texts.items()):
    if p.endswith(('.c', '.h')):
        for part in piece.findall(t):
            if part.startswith(('/*', '//')):
                comments.append((p, part))
            else:
                known.update(re.findall(r'\w+', part))
    elif not re.search(r'\.(md|[1-9])$', p):
        known.update(re.findall(r'\w+', t))
found = sorted({'%s: %s' % (p, m.group(1)) for p, comment in comments for m in named.finditer(comment)
                if m.group(1) not in known and
                (m.group(2) or '_' in m.group(1) and
                 (m.group(1).isupper() or m.group(1).split('_')[0].lower() in stems))})
report(not found and len(comments) > 1000, 'comments in C name what exists', found)

found = [p for p, t in sorted(texts.items()) if p.endswith(('.c', '.h', '.mk', '.ac', '.sql'))
         and any(line != line.rstrip() for line in t.splitlines())]
report(not found, 'no line ends with blanks', found)

print('1..%d' % n)
sys.exit(1 if failed else 0)
