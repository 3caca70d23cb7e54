#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-start-is-kept-when-the-lead-changes.t - issue 4: the leading tab goes, or
# the lock is taken from it, or the page comes back from the cache, while what
# the page began with is still being fetched: it comes nevertheless, each message
# once.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


OLD = ['old %d' % n for n in range(10)]
STEAL = """
navigator.locks.query().then(all => all.held.concat(all.pending)
	.filter(lock => lock.name.indexOf('tidings') === 0).slice(0, 1)
	.forEach(lock => navigator.locks.request(lock.name, { steal: true },
		() => new Promise(resolve => setTimeout(resolve, 300)))));
"""
CACHED = ('for (const type of ["pagehide", "pageshow"])'
          'dispatchEvent(new PageTransitionEvent(type, { persisted: true }));')


def asked(t, client, path, what):
    """Requests of that path are held back by now; returns how many came."""
    t.soon(lambda: client.proxy.requests(path), what + ': it asks for the start')
    return client.proxy.requests(path)


def came(t, stage, name, what, want):
    client = stage.clients[0]
    t.soon(lambda: client.live_by(name), what + ': open', 20,
           lambda: client.story(name))
    stage.site.publish_sql('feed', 'new ' + what)
    want = want + ['new ' + what]
    t.soon(lambda: len(client.got(name)) >= len(want), what + ': all comes', 10,
           lambda: client.story(name))
    t.equal([m[3] for m in client.got(name)], want,
            what + ': each once, in order, from the start on')
    t.equal(client.told(name, 'reset'), [], what + ': no reset')
    t.equal(client.thrown(), [], what + ': nothing is thrown')


def clean(stage):
    client = stage.clients[0]
    client.forget()
    for tab in client.browser.tabs()[1:]:
        client.browser.look(tab)
        client.browser.close_tab()
    client.proxy.heal()
    client.proxy.seen.clear()
    stage.site.sql("DELETE FROM changes WHERE data LIKE 'new %'")
    client.open()


def before_the_first_answer(t, stage, what, script):
    """Of the tab that leads."""
    client = stage.clients[0]
    client.proxy.slow(60, '/push/sse')
    client.tab('feed', transports=['sse'], since='-5', timeout=20000)
    asked(t, client, '/push/sse', what)
    client.js(script)
    t.soon(lambda: client.proxy.requests('/push/sse') > 1, what + ': anew', 20,
           lambda: client.proxy.seen)
    client.proxy.heal()
    came(t, stage, 'feed', what, OLD[-5:])
    clean(stage)


def in_a_catch_up(t, stage, what, end, since, want):
    """Of a tab that joined another."""
    client = stage.clients[0]
    options = {'transports': ['sse'], 'timeout': 20000, 'since': since}
    client.tab('first', **options)
    t.soon(lambda: client.live_by('first'), what + ': the first is open')
    client.proxy.slow(60, '/push/poll')
    client.tab('second', **options)
    n = asked(t, client, '/push/poll', what)
    end(client)
    t.soon(lambda: client.live_by('second') and
           client.status('second')['leader'], what + ': it leads', 20,
           lambda: client.story('second'))
    client.proxy.heal()
    t.soon(lambda: [entry[3] for entry in client.proxy.seen
                    if entry[2].startswith('/push/poll')][:n] == [200] * n or
           not client.proxy.open('/push/poll'),
           what + ': what was asked for before is answered')
    came(t, stage, 'second', what, want)
    clean(stage)


def test(t, stage):
    for data in OLD:
        stage.site.publish_sql('feed', data)
    before_the_first_answer(t, stage, 'stolen', STEAL)
    before_the_first_answer(t, stage, 'cached', CACHED)
    in_a_catch_up(t, stage, 'closed', lambda client: client.forget('first'),
                  'earliest', OLD)
    in_a_catch_up(t, stage, 'stolen twice', lambda client: client.at(
        'first', STEAL + 'feeds[arguments[0]].close()'), '-3', OLD[-3:])


stage_test(test, only='chromium')
