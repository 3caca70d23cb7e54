#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Issue 2: the document of a short poll, by GET and by POST, its order and
# its defaults; a HEAD is the same without a body.
import re, sys, os
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *


def main(t):
    with Site() as site:
        r = site.get('/push/poll?channel=a')
        t.equal(r.status, 200, 'an unknown channel is empty, not an error')
        t.equal(r.headers['Content-Type'], 'application/json', 'it is JSON')
        t.equal(sorted(r.json), ['cursor', 'messages', 'reset'], 'with three members')
        t.equal((r.json['messages'], r.json['reset']), ([], False), 'no messages')
        t.equal(r.headers['ETag'], '"%s"' % r.json['cursor'], 'the ETag is the cursor')
        t.ok(r.headers['Cache-Control'] in ('no-cache', 'no-store'), 'no cache answers for us')
        t.ok(re.fullmatch('[0-9a-z]+-0', r.json['cursor']), 'EPOCH-ID', r)
        empty = r.json['cursor']
        epoch = empty.split('-')[0]

        before = time.time() * 1000
        site.publish_sql('a', 'one')
        site.publish_sql('b', 'not for us')
        site.publish_sql('a', 'two', 'slide')
        r = site.get('/push/poll?channel=a&since=' + empty)
        messages = r.json['messages']
        t.equal([m['id'] for m in messages], [epoch + '-1', epoch + '-3'],
                'in order of commit, ids are cursors')
        t.equal([m['data'] for m in messages], ['one', 'two'], 'with their data')
        t.equal([m['event'] for m in messages], [None, 'slide'], 'and events')
        t.equal({m['channel'] for m in messages}, {'a'}, 'of this channel alone')
        t.ok(all(type(m['time']) is int and before - 2000 < m['time'] <
                 before + 60000 for m in messages), 'time in milliseconds', messages)
        t.equal(set(messages[0]), {'id', 'channel', 'event', 'data', 'time'},
                'a plain message has five members')
        cursor = r.json['cursor']
        t.equal(r.headers['ETag'], '"%s"' % cursor, 'the ETag moved along')
        r = site.get('/push/poll?channel=a&since=' + cursor)
        t.equal(r.json, {'cursor': cursor, 'reset': False, 'messages': []},
                'from there on there is nothing')
        t.equal(site.get('/push/poll?channel=a&since=' + epoch + '-1').json
                ['messages'][0]['data'], 'two', 'from the first on there is the second')
        t.equal(site.get('/push/poll?channel=a').json['messages'], [],
                'without a cursor only new ones count')

        form = 'application/x-www-form-urlencoded'
        r = site.post('/push/poll', 'channel=a&since=' + empty, form)
        t.equal(r.json['messages'], messages, 'POST fields do as well')
        r = site.post('/push/poll?channel=a', 'since=' + empty, form + '; charset=UTF-8')
        t.equal(r.json['messages'], messages, 'half in the query, half in the form')
        r = site.post('/push/poll?channel=b&since=earliest', '', form)
        t.equal([m['data'] for m in r.json['messages']], ['not for us'],
                'a POST without a body has its query')

        r = site.request('HEAD', '/push/poll?channel=a&since=' + empty)
        t.equal((r.status, r.body), (200, b''), 'HEAD has no body')
        t.equal(r.headers['ETag'], '"%s"' % cursor, 'but the ETag')
        t.equal(r.headers['Content-Type'], 'application/json', 'and the type')
        t.ok(site.lives(), 'the programs live')


run(main)
