#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: every refusal is application/problem+json (RFC 9457) with a plain
# sentence and the number of its site; methods, HEAD and OPTIONS of every
# program.
import sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *

METHODS = {'poll': 'GET, HEAD, POST', 'longpoll': 'GET, HEAD, POST', 'sse': 'GET, HEAD',
           'iframe': 'GET, HEAD', 'publish': 'GET, HEAD, POST, DELETE', 'status': 'GET, HEAD',
           'metrics': 'GET, HEAD'}


def problem(t, name, r, status):
    t.ok(r.status == status and r.headers['Content-Type'] == 'application/problem+json',
         '%s: %d, as a problem' % (name, status), r, r.headers)
    try:
        p = r.json
    except ValueError:
        p = {}
    t.ok(p.get('status') == status and p.get('type') == 'about:blank' and p.get('title')
         and type(p.get('site')) is int and type(p.get('detail')) is str and
         len(p['detail']) > 10 and '\n' not in p['detail'],
         '%s: with title, status, a sentence and its site' % name, r)
    return p


def main(t):
    with Site(settings={'tidings': {'max_body': '2M'}}) as site:
        for program in ('poll', 'longpoll', 'sse', 'iframe', 'publish'):
            problem(t, program + ' without a channel', site.get('/push/' + program), 400)
            problem(t, program + ' with a bad escape',
                    site.get('/push/%s?channel=%%zz' % program), 400)
            p = problem(t, program + ' with markup',
                        site.get('/push/%s?channel=a%%00%%3Cb%%3E' % program), 400)
            t.ok('<' not in p.get('detail', ''), 'which is not handed back', p)
        sites = set()
        for path, status in (('/push/poll?channel=a&since=x', 400),
                             ('/push/poll', 400),
                             ('/push/poll?channel=%01', 400),
                             ('/push/longpoll?channel=a&wait=x', 400),
                             ('/push/iframe?channel=a&callback=1', 400)):
            sites.add(problem(t, path, site.get(path), status).get('site'))
        t.equal(len(sites), 5, 'each refusal has a site of its own')
        p = problem(t, 'a long cursor', site.get('/push/poll?channel=a&since=' + 'x' * 5000), 400)
        t.ok(len(p['detail']) < 300, 'is not handed back whole', p)
        p = problem(t, 'a cursor with quotes', site.get('/push/poll?channel=a&since=%22%3C%ff'), 400)
        t.ok('"' in p['detail'], 'is quoted as JSON', p)
        r = site.request('HEAD', '/push/poll')
        t.equal((r.status, r.body), (400, b''), 'a HEAD is refused without a body')

        for program, methods in METHODS.items():
            path = '/push/%s?channel=a' % program
            for method in ('PUT', 'PATCH', 'DELETE', 'POST', 'BREW'):
                if method in methods.split(', '):
                    continue
                r = site.request(method, path, b'' if method != 'DELETE' else None)
                problem(t, '%s %s' % (method, program), r, 405)
                t.equal(r.headers['Allow'], methods + ', OPTIONS', 'tells what is allowed')
            r = site.request('OPTIONS', path)
            t.equal((r.status, r.headers['Allow'], r.body), (204, methods + ', OPTIONS', b''),
                    'OPTIONS ' + program)
            r = site.request('HEAD', path)
            t.equal((r.status, r.body), (200, b''), 'HEAD ' + program)
            t.ok(r.headers['Content-Type'] and r.headers['Cache-Control'].startswith('no-'),
                 'has the headers of a GET', r.headers)
        problem(t, 'a body that is too long', site.post('/push/publish?channel=a',
                                                        b'x' * (2 * 2**20 + 1)), 413)
        t.ok(site.get('/push/poll?channel=a').status == 200, 'after which all goes on')
        t.ok(site.lives(), 'the programs live')


run(main)
