#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a manual says is what the program does: SYNOPSIS is usage(), settings
have the defaults and bounds of the table in the source, the examples run, the
lines for httpd are those that it includes, and mandoc has nothing to say.
"""
import glob
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import BUILD, SRC, run  # noqa: E402

PROGRAMS = ['cgi-bin/' + name for name in
            ('iframe', 'longpoll', 'poll', 'publish', 'sse', 'status')] + ['daemon/wsd']
MANUALS = [p + '.8' for p in PROGRAMS] + [
    'apache/mod_tidings.8', 'cgi-bin/tidings.conf.5', 'sql/tidings-sql.7', 'tools/tidings.1']
PNG = b'\x89PNG\r\n\x1a\n not really'


def read(path):
    with open(os.path.join(SRC, path), encoding='utf-8') as f:
        return f.read()


def unescape(text):
    """Plain text of a line of mdoc."""
    for escape, plain in (('\\(aq', "'"), ('\\(dq', '"'), ('\\(ha', '^'), ('\\(ti', '~'),
                          ('\\(ga', '`'), ('\\-', '-'), ('\\&', ''), ('\\e', '\\')):
        text = text.replace(escape, plain)
    return text


def manual_section(path, title):
    """The lines of a section, up to the next one."""
    found = re.search(r'^\.Sh %s\n(.*?)(?=^\.Sh |\Z)' % title, read(path), re.M | re.S)
    return found.group(1).split('\n') if found else []


def words_of(lines):
    """The words that an .Op, .Fl, .Ar, .Cm, .Ic and .Nm of mdoc stand for."""
    out = []
    for line in lines:
        words = line.split()
        if not words:
            continue
        optional = '.Op' in words[0]
        words = [w for w in words if w not in ('.Op', '.Ar', '.Ic', '.Nm', 'Ar', '.It', 'Ic')]
        text = re.sub(r'\bFl (\w)', r'-\1', ' '.join(words))
        out.append('[%s]' % text if optional else text)
    return ' '.join(w for w in out if w)


def literals(path):
    """Every literal display, with the last title before it."""
    title, display, out = '', None, []
    for line in read(path).split('\n'):
        if line.startswith(('.Sh ', '.Ss ')):
            title = line[4:]
        elif line.startswith('.Bd -literal'):
            display = []
        elif line == '.Ed':
            out.append((title, '\n'.join(display)))
            display = None
        elif display is not None:
            display.append(unescape(line))
    return out


def usage_of(program):
    r = subprocess.run([os.path.join(BUILD, program), '-x'], capture_output=True, text=True,
                       stdin=subprocess.DEVNULL)
    text = r.stderr[max(r.stderr.find('usage: '), 0):]
    return r.returncode, text.split('\n')


def check_synopsis(tap):
    for program in PROGRAMS + ['tools/tidings']:
        name = os.path.basename(program)
        path = program + ('.1' if name == 'tidings' else '.8')
        status, usage = usage_of(program)
        tap.equal(status, 2, '%s -x exits with 2' % name)
        tap.equal('usage: %s %s' % (name, words_of(manual_section(path, 'SYNOPSIS'))), usage[0],
                  'SYNOPSIS of %s is its usage' % path)
    # "  publish [-e event] … channel [data]" or "  init      make the database"
    listed = {line.strip().split('  ')[0] for line in usage[2:] if re.match(r'  \w', line)}
    described = set()
    text = '\n'.join(manual_section('tools/tidings.1', 'DESCRIPTION'))
    for found in re.finditer(r'^\.It Xo\n(.*?)^\.Xc$|^\.It Ic (\w+)$', text, re.M | re.S):
        described.add(found.group(2) or words_of(found.group(1).split('\n')))
    tap.equal(described, listed, 'tidings.1 describes the commands of its usage')


# -- settings

UNITS = {'KIND_TIME': {'ms': 1, 's': 1000, 'm': 60000, 'h': 3600000, 'd': 86400000, '': 1000},
         'KIND_SIZE': {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}}


def number(kind, text):
    digits, unit = re.fullmatch(r'(\d+)(\w*)', text).groups()
    return int(digits) * UNITS[kind][unit]


def constant(text):
    text = re.sub(r'INT64_C\((\d+)\)', r'\1', text).replace('DAY_MS', '86400000')
    if not re.fullmatch(r'[\d <*]+', text):
        raise ValueError(text)
    return eval(text)


def table():
    """(section, name) -> kind, default or None, least, most, words of a choice."""
    source = read('shared/base/config_file.c')
    rows = {}
    for found in re.finditer(
            r'\{ "(\w+)", "(\w+)", (KIND_\w+),\s*(?:AT\(\w+\)|0),\s*(NULL|"[^"]*"),'
            r'\s*([^,]+),\s*([^,]+),\s*(NULL|"\w+"),\s*(NULL|"\w+") \}', source):
        section, name, kind, default, least, most, yes, no = found.groups()
        rows[section, name] = (kind, None if default == 'NULL' else default.strip('"'),
                               constant(least), constant(most),
                               {w.strip('"') for w in (yes, no)} - {'NULL'})
    # These two are per pattern, and their defaults are set by hand.
    for name, member in (('age', 'age_ms'), ('count', 'count')):
        default = re.search(r'retention\[0\]\.%s = (\d+);' % member, source).group(1)
        row = rows['retention', name]
        rows['retention', name] = (row[0], default + ('ms' if name == 'age' else ''), *row[2:])
    return rows, len(re.findall(r'\{ "\w+", "\w+", KIND_', source))


def described_settings():
    """The same of the manual: how it is written, default, bounds."""
    out = {}
    for section, body in re.findall(r'^\.Ss Section \[(\w+)\]\n(.*?)(?=^\.S[sh] )',
                                    read('cgi-bin/tidings.conf.5'), re.M | re.S):
        names = []
        for item in re.split(r'^\.It Ic ', body, flags=re.M)[1:]:
            head, text = item.split('\n', 1)
            name, how = re.fullmatch(r'(\w+) No = (.*)', head).groups()
            default = re.search(r'he default is (.*)\.$', text, re.M)
            bounds = re.search(r'^From (\S+) to (\S+);', text, re.M)
            out[section, name] = (how, default and default.group(1),
                                  bounds and bounds.groups())
            names.append(name)
        out[section] = names
    return out


def same_value(kind, a, b):
    if kind in UNITS and a is not None and b is not None:
        return number(kind, a) == number(kind, b)
    return a == b


def check_settings(tap):
    rows, written = table()
    tap.equal(len(rows), written, 'every row of the table in the source is understood')
    manual = described_settings()
    example = {}
    section = None
    for line in read('tools/tidings.conf.example').split('\n'):
        head = re.fullmatch(r'#?\[(.*)\]', line)
        setting = re.fullmatch(r'#(\w+) = (.*)', line)
        if head:
            section = head.group(1)
        elif setting:
            example[section, setting.group(1)] = setting.group(2)
    for key, (kind, default, least, most, choices) in sorted(rows.items()):
        name = '%s in [%s]' % (key[1], key[0])
        how, said, bounds = manual.get(key, ('', None, None))
        tap.ok(key in manual and same_value(kind, said, default),
               '%s is in tidings.conf.5 with its default' % name,
               'source %r, manual %r' % (default, said))
        if kind in UNITS:
            tap.equal(bounds and tuple(number(kind, b) for b in bounds), (least, most),
                      '%s has its bounds there' % name)
        if choices:
            tap.equal(set(re.findall(r'\w+', how)) - {'Cm'}, choices,
                      '%s has its words there' % name)
        got = example.get(key)
        tap.ok(got is not None and (default is None or same_value(kind, got, default)),
               '%s is in tidings.conf.example with its default' % name,
               'source %r, example %r' % (default, got))
    for key, value in manual.items():
        if isinstance(value, list):
            tap.equal(value, sorted(value), 'the settings of [%s] are sorted' % key)
        else:
            tap.ok(key in rows, '%s in [%s] of the manual exists' % (key[1], key[0]))


def config_check(tap, path, name):
    r = subprocess.run([os.path.join(BUILD, 'tools/tidings'), '-c', path, 'check'],
                       capture_output=True, text=True)
    tap.ok(r.returncode == 0, name, r.stdout, r.stderr)


def check_example_files(tap, folder):
    example = read('tools/tidings.conf.example')
    config_check(tap, os.path.join(SRC, 'tools/tidings.conf.example'),
                 'tidings.conf.example loads')
    path = os.path.join(folder, 'all.conf')
    with open(path, 'w') as f:
        f.write(re.sub(r'^#(?=[a-z\[])', '', example, flags=re.M))
    config_check(tap, path, 'it loads with every setting taken in')
    with open(path, 'w') as f:
        f.write([text for title, text in literals('cgi-bin/tidings.conf.5')
                 if title == 'EXAMPLES'][0])
    config_check(tap, path, 'the example in tidings.conf.5 loads')


# -- examples

def commands_in(text):
    """The lines behind a prompt, each with those that it goes on on."""
    out = []
    for line in text.split('\n'):
        if line.startswith(('$ ', '# ')):
            out.append(line[2:])
        elif out and (out[-1].endswith('\\') or out[-1].count('"') % 2 == 1):
            out[-1] += '\n' + line
    return out


class Sandbox:
    """A database of its own, with the paths of the manuals bent to it."""

    def __init__(self, folder):
        self.dir = folder
        self.db = os.path.join(folder, 'tidings.db')
        self.conf = os.path.join(folder, 'tidings.conf')
        with open(self.conf, 'w') as f:
            f.write('[tidings]\ndatabase = %s\nrun_dir = %s\n' % (self.db, folder))
        with open(os.path.join(folder, 'logo.png'), 'wb') as f:
            f.write(PNG)
        self.env = dict(os.environ, TIDINGS_CONFIG=self.conf, LC_ALL='C.UTF-8',
                        PATH=os.path.join(BUILD, 'tools') + ':' + os.environ['PATH'])

    def here(self, text):
        return text.replace('/var/lib/tidings', self.dir).replace('/var/backups', self.dir)

    def run(self, argv, text=None):
        return subprocess.run(argv, input=text, capture_output=True, text=True, cwd=self.dir,
                              env=self.env, timeout=60)

    def rows(self, sql):
        db = sqlite3.connect(self.db)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


def check_tidings_examples(tap, box):
    for title, text in literals('tools/tidings.1'):
        for command in commands_in(text):
            if title != 'EXAMPLES' or command.startswith('systemctl'):
                continue
            r = box.run(['sh', '-c', box.here(command)])
            tap.ok(r.returncode == 0, 'tidings.1: ' + command, r.stdout, r.stderr)
    tap.equal(box.rows('SELECT channel, event, content_type FROM changes ORDER BY id'),
              [('news', None, None), ('clock', 'tick', None), ('pictures', None, 'image/png'),
               ('orders', None, None)], 'they published what they say')


def check_columns(tap, box):
    listed = re.findall(r'^\.It Va (\w+)$', read('sql/tidings-sql.7').split('.Ss The table meta')[0],
                        re.M)
    tap.equal(listed, [r[1] for r in box.rows('PRAGMA table_info(changes)')],
              'tidings-sql.7 lists the columns of the table')


def check_sql_examples(tap, box):
    epoch = box.rows("SELECT value FROM meta WHERE name = 'epoch'")
    for title, text in literals('sql/tidings-sql.7'):
        if title == 'A trigger':
            r = box.run(['sqlite3', '-bail', box.db],
                        text + "\nINSERT INTO orders (article) VALUES ('x');")
            tap.ok(r.returncode == 0, 'tidings-sql.7: the trigger', r.stderr)
        for command in commands_in(text):
            if 'systemctl' in text:
                break
            r = box.run(['sh', '-c', box.here(command)])
            tap.ok(r.returncode == 0 and not r.stderr, 'tidings-sql.7: ' + command.split('\n')[-1],
                   r.stdout, r.stderr)
    tap.ok(box.rows("SELECT value FROM meta WHERE name = 'epoch'") != epoch,
           'restoring made a new epoch')
    tap.equal(box.rows("SELECT data FROM changes WHERE channel = 'pictures' "
                       "ORDER BY id DESC LIMIT 1"), [(PNG,)], 'a file went in as bytes')
    tap.equal(box.rows("SELECT data FROM changes WHERE channel = 'orders' "
                       "ORDER BY id DESC LIMIT 1"), [('{"id":1,"article":"x"}',)],
              'the trigger published')


LANGUAGES = {
    'PHP': (['php'], ['php', '-r', 'new PDO("sqlite::memory:");']),
    'Python': (['/usr/bin/python3', '-'], None),
    'Perl': (['perl', '-Mstrict', '-w', '-'], ['perl', '-MDBD::SQLite', '-e', '1']),
}


def check_languages(tap, box):
    for title, text in literals('sql/tidings-sql.7'):
        if title not in LANGUAGES:
            continue
        command, probe = LANGUAGES[title]
        name = 'tidings-sql.7: ' + title
        if shutil.which(command[0]) is None or \
                (probe and box.run(probe).returncode != 0):
            tap.skip_rest('%s needs %s with SQLite' % (name, command[0]))
            continue
        r = box.run(command, box.here(text))
        tap.ok(r.returncode == 0 and r.stderr == '' and
               box.rows('SELECT data FROM changes ORDER BY id DESC LIMIT 1') ==
               [('hello from ' + title,)], name, r.stdout, r.stderr)


# -- httpd, lint

def squeeze(text):
    return re.sub(r'\s+', ' ', text.replace('\\\n', ' ')).strip()


def check_httpd_lines(tap):
    included = read('apache/tidings.conf.in')
    for name, value in re.findall(r'^ *Define (TIDINGS_\w+) (\S+)$', included, re.M):
        included = included.replace('${%s}' % name, value)
    included = {squeeze(line) for line in included.split('\n')}
    for path in MANUALS:
        if not path.endswith('.8') or path.startswith('apache/'):
            continue
        lines = re.findall(r'^ProxyPass (?:[^\n]*\\\n)*[^\n]*', '\n'.join(
            text for _, text in literals(path)), re.M)
        tap.ok(lines and all(squeeze(line) in included for line in lines),
               'the lines for httpd in %s are those that it includes' % path,
               *map(squeeze, lines))


def check_directives(tap):
    """Those of the module, with the defaults that its help tells."""
    table = dict(re.findall(r'AP_INIT_\w+\("(\w+)".*?"([^"]*)"\)',
                            read('apache/mod_tidings.c'), re.S))
    items = re.split(r'^\.It Ic ', '\n'.join(
        manual_section('apache/mod_tidings.8', 'DESCRIPTION')), flags=re.M)[1:]
    manual = {item.split()[0]: item for item in items}
    tap.equal(sorted(manual), sorted(table), 'mod_tidings.8 describes its directives')
    for name, help in table.items():
        for default in re.findall(r'\((\w+)\)', help):
            if default != 'default':
                tap.ok(re.search(r'default is\n\.Cm %s \.' % default, manual.get(name, '')),
                       'mod_tidings.8: the default of %s' % name, default)


def check_lint(tap):
    paths = sorted(os.path.relpath(p, SRC) for d in ('apache', 'cgi-bin', 'daemon', 'sql', 'tools')
                   for p in glob.glob(os.path.join(SRC, d, '*.[1-9]')))
    tap.equal(paths, sorted(MANUALS), 'these manuals are all there are')
    if shutil.which('mandoc') is None:
        tap.skip_rest('lint of the manuals needs mandoc')
        return
    for path in paths:
        r = subprocess.run(['mandoc', '-Tlint', '-W', 'warning', os.path.join(SRC, path)],
                           capture_output=True, text=True)
        tap.ok(r.returncode == 0 and r.stdout == '', 'mandoc has nothing to say about ' + path,
               r.stdout, r.stderr)


def main(tap):
    check_synopsis(tap)
    check_settings(tap)
    check_httpd_lines(tap)
    check_directives(tap)
    check_lint(tap)
    with tempfile.TemporaryDirectory(prefix='tidings-test-') as folder:
        check_example_files(tap, folder)
        box = Sandbox(folder)
        check_tidings_examples(tap, box)
        check_columns(tap, box)
        if shutil.which('sqlite3') is None:
            tap.skip_rest('the examples of tidings-sql.7 need sqlite3')
        else:
            check_sql_examples(tap, box)
        check_languages(tap, box)


run(main)
