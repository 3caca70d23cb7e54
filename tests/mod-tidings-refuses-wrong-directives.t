#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# mod-tidings-refuses-wrong-directives.t - httpd -t tells with a sentence what is
# wrong with a directive of mod_tidings and where, and takes all right ones.
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

PATH = 'TidingsHandover must be "off" or unix: and the absolute path'
TIME = '%s must be a time such as 5 or 500ms'
LONG = 'unix:/' + 'x' * 120
# directive, sentence or None; outside of a <Location>
ROWS = [
    ('TidingsHandover http://127.0.0.1/', PATH),
    ('TidingsHandover /run/tidings/sse.sock', PATH),
    ('TidingsHandover unix:run/sse.sock', PATH),
    ('TidingsHandover unix:', PATH),
    ('TidingsHandover ""', 'TidingsHandover takes one argument'),
    ('TidingsHandover on', PATH),
    ('TidingsHandover', 'TidingsHandover takes one argument'),
    ('TidingsHandover unix:/a unix:/b', 'TidingsHandover takes one argument'),
    ('TidingsHandover unix:/a', None),
    ('TidingsHandover UNIX:/a', None),
    ('TidingsHandover "unix:/with a space"', None),
    ('TidingsHandover off', None),
    ('TidingsHandover Off', None),
    ('TidingsPark maybe', 'TidingsPark must be On or Off'),
    ('TidingsPark', 'TidingsPark must be On or Off'),
    ('TidingsPark On', None),
    ('TidingsPark off', None),
    ('TidingsHandoverTimeout 0', None),
    ('TidingsSendTimeout 0', 'TidingsSendTimeout must be more than 0'),
] + [(name + ' ' + value, want and want % name if want == TIME else want)
     for name in ('TidingsHandoverTimeout', 'TidingsSendTimeout') for value, want in (
         ('-1', TIME), ('soon', TIME), ('5 parsecs', 'takes one argument'), ('5parsecs', TIME),
         ('99999999999999999999', TIME), ('86401', TIME), ('25h', TIME), ('""', 'takes one'), ('', 'takes one'),
         ('5', None), ('500ms', None), ('2s', None), ('1min', None), ('86400', None))]
GLOBAL = [('TidingsHandover unix:/a', 'TidingsHandover not allowed'), ('TidingsHandover off', 'TidingsHandover not allowed'),
          ('TidingsPark Off', None), ('TidingsSendTimeout 5', None),
          ('TidingsHandoverTimeout 50ms', None)]


def check(folder, text):
    path = os.path.join(folder, 'httpd.conf')
    with open(path, 'w') as f:
        f.write('ServerRoot "%s"\nServerName localhost\nErrorLog error.log\nListen 127.0.0.1:1\n'
                'LoadModule mpm_event_module %s/mod_mpm_event.so\n'
                'LoadModule authz_core_module %s/mod_authz_core.so\n'
                'LoadModule tidings_module "%s"\n%s\n' % (folder, MODULES, MODULES, MOD_TIDINGS, text))
    r = subprocess.run([HTTPD, '-t', '-f', path], capture_output=True, text=True)
    return r.returncode, r.stdout + r.stderr


def row(tap, folder, line, wrapped, want):
    code, said = check(folder, wrapped % line)
    name = line if len(line) < 60 else line[:57] + '...'
    if want is None:
        tap.ok(code == 0 and 'Syntax OK' in said, 'taken: ' + name, said)
    else:
        tap.ok(code == 1 and want in said and 'on line' in said, 'refused: ' + name, said)


def main(tap):
    with tempfile.TemporaryDirectory(prefix='tidings-test-') as folder:
        for line, want in ROWS:
            row(tap, folder, line, '<Location "/push/sse">\n%s\n</Location>', want)
        for line, want in GLOBAL:
            row(tap, folder, line, '%s', want)
            row(tap, folder, line, '<VirtualHost *>\n%s\n</VirtualHost>', want)
        row(tap, folder, 'TidingsHandover ' + LONG, '<Location "/">\n%s\n</Location>',
            'TidingsHandover')
        for where in ('<Directory "/tmp">', '<LocationMatch "^/p">', '<If "true">'):
            row(tap, folder, 'TidingsHandover off', where + '\n%%s\n</%s>' % where[1:].split()[0],
                None)
        code, said = check(folder, '')
        tap.ok(code == 0, 'and the module without a directive', said)


need(MOD_TIDINGS)
run(main)
