#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# js-eventsource-is-a-drop-in.t - issue 4: the same script with the browser's
# EventSource and with tidings.EventSource: the events and what is in them,
# listeners as the DOM has them, constants, addresses, readyState through a cut,
# close() in onerror, and a refusal (HTML Standard, section 9.2).  Where ours
# differs, in an outage, it stays.

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                'browser'))

from feed import stage_test  # noqa: E402


BEGIN = """
window.Kind = arguments[0] === 'ours' ? tidings.EventSource : EventSource;
window.all = {};
// Keeps what the events are, by name.
window.open = (name, address, options) => {
	const source = new Kind(address, options);
	const said = [];
	for (const type of ['open', 'error'])
		source.addEventListener(type, event => said.push([type, event.type,
			event.target === source, source.readyState]));
	for (const type of ['message', 'slide'])
		source.addEventListener(type, event => said.push([type, event.type,
			event.target === source, event.data, event.origin,
			event.lastEventId, event instanceof MessageEvent]));
	all[name] = { source, said };
	return [source.readyState, source.url, source.withCredentials];
};
"""
LISTENERS = """
const source = all.main.source, heard = window.heard = [];
const twice = () => heard.push('twice');
const gone = () => heard.push('gone');
const order = event => heard.push('function');
source.addEventListener('message', twice);
source.addEventListener('message', twice);
source.addEventListener('message', event => heard.push('once'), { once: true });
source.addEventListener('message', gone);
source.removeEventListener('message', gone);
source.removeEventListener('message', undefined);
source.removeEventListener('message', null);
source.addEventListener('message', {
	handleEvent(event) {
		heard.push(['object', this !== source, event.currentTarget === source]);
	}
});
source.onmessage = function (event) {
	heard.push(['handler', this === source, event.target.readyState]);
	throw new Error('on purpose');
};
source.addEventListener('message', event => {
	if (event.data === 'stop')
		event.stopImmediatePropagation();
});
source.addEventListener('message', order);
"""


def stand(t, kind, client, stage, name, address, want):
    """One check: which channel that address asks for."""
    client.js('open(arguments[0], arguments[1])', name, address)
    t.soon(lambda: client.js('return all[arguments[0]].source.readyState',
                             name) == 1, '%s: %s: open' % (kind, address))
    stage.site.publish_sql(want, 'to ' + name)
    t.soon(lambda: 'to ' + name in [m[3] for m in said(client, name)
                                    if m[0] == 'message'],
           '%s: %s: is %s' % (kind, address, want), 10,
           lambda: said(client, name))
    client.js('all[arguments[0]].source.close()', name)


def said(client, name):
    return client.js('return all[arguments[0]].said', name)


def state(client, name='main'):
    return client.js('return all[arguments[0]].source.readyState', name)


def events(t, kind, stage, client):
    url = client.proxy.url
    t.equal(client.js('return [Kind.CONNECTING, Kind.OPEN, Kind.CLOSED,'
                      'Kind.prototype.CLOSED, Kind.prototype instanceof '
                      'EventTarget]'), [0, 1, 2, 2, True], kind + ': constants')
    t.equal(client.js('return open("main", "push/sse?channel=feed")'),
            [0, url + '/push/sse?channel=feed', False],
            kind + ': connecting at first, and the address is whole')
    t.ok(client.js('const s = all.main.source; return s instanceof Kind && '
                   's instanceof EventTarget && s.onopen === null && '
                   's.onmessage === null && s.onerror === null && '
                   's.CLOSED === 2'), kind + ': its members')
    t.soon(lambda: state(client) == 1, kind + ': open')
    t.soon(lambda: said(client, 'main') == [['open', 'open', True, 1]],
           kind + ': the event open', 5, lambda: said(client, 'main'))
    stage.site.publish_sql('feed', 'a\nb')
    stage.site.publish_sql('feed', 'named', 'slide')
    epoch = stage.site.tidings('epoch').split('-')[0]
    n = stage.site.sql('SELECT max(id) FROM changes')[0][0]
    want = [['message', 'message', True, 'a\nb', url,
             '%s-%d' % (epoch, n - 1), True],
            ['slide', 'slide', True, 'named', url, '%s-%d' % (epoch, n), True]]
    t.soon(lambda: len(said(client, 'main')) > 2, kind + ': two messages')
    t.equal(said(client, 'main')[1:], want, kind + ': all that is in them')


def listeners(t, kind, stage, client):
    client.js(LISTENERS)
    for data in 'one', 'stop', 'two':
        stage.site.publish_sql('feed', data)
    each = ['twice', ['object', True, True]]
    want = ['twice', 'once', each[1], 'function'] + each + each + ['function']
    handler = ['handler', True, 1]
    t.soon(lambda: client.js('return heard.length') >= len(want) + 3,
           kind + ': listeners hear', 10, lambda: client.js('return heard'))
    heard = client.js('return heard')
    t.equal([one for one in heard if one != handler], want,
            kind + ': once, twice, removed, by handleEvent, in this order')
    t.equal(heard.count(handler), 3, kind + ': and the handler')
    t.soon(lambda: len(client.js('return thrown')) == 3,
           kind + ': what it throws is told, and hurts none', 5,
           lambda: client.js('return thrown'))
    t.equal(client.js(
        'heard.length = 0; all.main.source.onmessage = null;'
        'all.main.source.onslide = () => heard.push("no");'
        'const back = all.main.source.dispatchEvent('
        'new MessageEvent("message", { data: "mine", cancelable: true }));'
        'return [back, heard]'),
        [True, ['twice', ['object', True, True], 'function']],
        kind + ': dispatchEvent')


def cut(t, kind, stage, client):
    client.js('all.main.said.length = 0')
    client.proxy.cut()
    t.soon(lambda: [m[:4] for m in said(client, 'main')] ==
           [['error', 'error', True, 0], ['open', 'open', True, 1]],
           kind + ': a cut: error while connecting, and open', 15,
           lambda: said(client, 'main'))
    stage.site.publish_sql('feed', 'after it')
    t.soon(lambda: [m[3] for m in said(client, 'main')[2:]] == ['after it'],
           kind + ': and it goes on', 10, lambda: said(client, 'main'))
    client.js('all.main.source.onerror = () => all.main.source.close()')
    client.proxy.cut()
    t.soon(lambda: state(client) == 2, kind + ': closed in onerror')
    t.soon(lambda: client.proxy.open('/push/') == 0, kind + ': for good')
    t.equal(len(said(client, 'main')), 4, kind + ': with one more event')


def refused(t, kind, stage, client):
    client.proxy.refuse(403)
    client.js('open("refused", "/push/sse?channel=feed")')
    t.soon(lambda: state(client, 'refused') == 2, kind + ': refused is closed')
    t.soon(lambda: said(client, 'refused') == [['error', 'error', True, 2]],
           kind + ': and an error', 5, lambda: said(client, 'refused'))
    client.proxy.heal()
    # Theirs is closed by this; that is what ours is there for.
    client.proxy.answer(503)
    client.js('open("busy", "/push/sse?channel=feed")')
    if kind == 'ours':
        t.soon(lambda: client.proxy.requests('/push/poll') > 0,
               'ours: an outage: it tries')
        t.equal(state(client, 'busy'), 0, 'ours: connecting')
    client.proxy.heal()
    if kind == 'ours':
        t.soon(lambda: state(client, 'busy') == 1, 'ours: open after it', 20,
               lambda: said(client, 'busy'))
    client.js('all.busy.source.close()')


def addresses(t, kind, stage, client):
    for i, (address, want) in enumerate((
            ('/push/sse?channel=a%3Db', 'a=b'), ('/push/sse?channel=a=b', 'a=b'),
            ('/push/sse?channel=a%2Bb+c', 'a+b c'),
            ('/push/sse?prefix=pre.', 'pre.fix'),
            ('../push/sse?channel=x', 'x'))):
        stand(t, kind, client, stage, 'at %d' % i, address, want)


def test(t, stage):
    client = stage.clients[0]
    for kind in 'theirs', 'ours':
        client.open()
        client.js(BEGIN, kind)
        events(t, kind, stage, client)
        addresses(t, kind, stage, client)
        listeners(t, kind, stage, client)
        cut(t, kind, stage, client)
        refused(t, kind, stage, client)


stage_test(test, only='chromium')
