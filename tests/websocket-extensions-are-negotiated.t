#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# websocket-extensions-are-negotiated.t - Sec-WebSocket-Extensions as RFC 6455,
# section 9.1, writes it and RFC 7692, section 7.1, fills it: the first offer that
# can be kept to is taken, with no context kept on either side; one that can't is
# passed over; what is not of the grammar is refused with 400.
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'lib'))
from tidings_test import *
from websocket_client import *

D = 'permessage-deflate'
NO = 'no extension'
BAD = 400


def yes(server=None, client=None):
    """The parameters of an answer."""
    answer = {'server_no_context_takeover': None, 'client_no_context_takeover': None}
    if server:
        answer['server_max_window_bits'] = str(server)
    if client:
        answer['client_max_window_bits'] = str(client)
    return answer


# (lines of the header, what may come)
ROWS = [
    ([], NO),
    ([D], yes()),
    (['  %s\t ' % D], yes()),
    ([D + '; server_no_context_takeover'], yes()),
    ([D + '; client_no_context_takeover'], yes()),
    ([D + ';client_no_context_takeover;server_no_context_takeover'], yes()),
    ([D + '; client_max_window_bits'], yes()),
    ([D + '; server_max_window_bits=10; client_max_window_bits=12'], yes(10, 12)),
    ([D + '; client_max_window_bits=9; server_max_window_bits=15; server_no_context_takeover; '
      'client_no_context_takeover'], yes(15, 9)),
    # How values may be written.
    ([D + '; server_max_window_bits="10"'], yes(10)),
    ([D + '; client_max_window_bits="9"; server_max_window_bits="15"'], yes(15, 9)),
    ([D + '; server_max_window_bits="1\\0"'], yes(10)),
    ([D + ' ;\tserver_max_window_bits = 11 ; client_max_window_bits'], yes(11)),
    ([D + ';server_max_window_bits=12;client_max_window_bits=13'], yes(12, 13)),
    # An offer that can't be kept to.
    ([D + '; server_max_window_bits'], NO),
    ([D + '; server_max_window_bits=8'], NO),
    ([D + '; server_no_context_takeover=1'], NO),
    ([D + '; client_no_context_takeover="yes"'], NO),
    ([D + '; unknown'], NO),
    ([D + '; unknown=10'], NO),
    ([D + '; max_window_bits=10'], NO),
    ([D + '; server_max_window_bits=10; server_max_window_bits=10'], NO),
    ([D + '; server_max_window_bits=10; server_max_window_bits=11'], NO),
    ([D + '; client_max_window_bits; client_max_window_bits=11'], NO),
    ([D + '; server_no_context_takeover; server_no_context_takeover'], NO),
    ([D + '; client_no_context_takeover; client_no_context_takeover'], NO),
    *[([D + '; %s_max_window_bits=%s' % (side, value)], NO)
      for side in ('server', 'client')
      for value in ('0', '1', '7', '16', '20', '100', '08', '09', '010', '-9', '+9', '9.0', '0x9',
                    'nine', '99999999999999999999', '4294967305', '"7"', '"16"')],
    *[([D + '; server_max_window_bits=%d' % n], yes(n)) for n in range(9, 16)],
    *[([D + '; client_max_window_bits=%d' % n], yes(None, n)) for n in range(8, 16)],
    # Other extensions are none of ours.
    (['permessage-bzip2'], NO),
    (['x-webkit-deflate-frame'], NO),
    (['permessage-deflate2'], NO),
    (['permessage'], NO),
    (['foo; permessage-deflate'], NO),
    (['foo; bar=permessage-deflate'], NO),
    (['foo, ' + D], yes()),
    ([D + ', foo'], yes()),
    (['foo; a; b=c; d="e", %s; server_max_window_bits=9' % D], yes(9)),
    (['foo; a; a; a=1, ' + D], yes()),
    # Of several offers the first that will do.
    ([D + ', ' + D], yes()),
    ([D + '; server_max_window_bits=12, ' + D + '; server_max_window_bits=9'], yes(12)),
    ([D + '; server_max_window_bits=8, ' + D + '; server_max_window_bits=12'], yes(12)),
    ([D + '; server_max_window_bits=8, ' + D], yes()),
    ([D + '; client_max_window_bits=7, ' + D + '; client_max_window_bits=8'], yes(None, 8)),
    ([D + '; unknown, %s; unknown=1, %s; client_max_window_bits' % (D, D)], yes()),
    ([D + '; server_max_window_bits=8, ' + D + '; server_max_window_bits=16'], NO),
    ([', '.join([D + '; server_max_window_bits=8'] * 50 + [D + '; server_max_window_bits=14'])],
     yes(14)),
    # Several lines are one list.
    (['foo', D], yes()),
    ([D, 'foo'], yes()),
    ([D + '; server_max_window_bits=8', D + '; server_max_window_bits=13'], yes(13)),
    ([D + '; server_max_window_bits=11', D + '; server_max_window_bits=13'], yes(11)),
    (['foo; a=b', 'bar; c', 'baz', D + '; client_max_window_bits=10'], yes(None, 10)),
    # Empty elements of a list count for nothing.
    ([',' + D], yes()),
    ([D + ','], yes()),
    ([' , ,foo,,%s, ,' % D], yes()),
    (['', D], yes()),
    ([D, ''], yes()),
    # What is not of the grammar.
    ([D + ';'], BAD),
    ([D + '; ;server_max_window_bits=10'], BAD),
    ([';'], BAD),
    (['; ' + D], BAD),
    ([D + '; =10'], BAD),
    ([D + '; ='], BAD),
    ([D + '; server_max_window_bits='], BAD),
    ([D + '; server_max_window_bits==10'], BAD),
    ([D + '; server_max_window_bits=10=11'], BAD),
    ([D + '; server_max_window_bits=1 0'], BAD),
    ([D + '; server_max_window_bits="10'], BAD),
    ([D + '; server_max_window_bits=10"'], BAD),
    ([D + '; server_max_window_bits="10\\'], BAD),
    ([D + '; server_max_window_bits="10"1'], BAD),
    ([D + "; server_max_window_bits={10}"], BAD),
    ([D + '; "server_max_window_bits"=10'], BAD),
    ([D + '; server max window bits=10'], BAD),
    ([D + ' server_max_window_bits=10'], BAD),
    ([D + '=10'], BAD),
    (['"%s"' % D], BAD),
    (['permessage deflate'], BAD),
    (['permessage/deflate'], BAD),
    (['(comment)'], BAD),
    ([D + '; a@b'], BAD),
    ([D + '; a=\xff'], BAD),
    ([D + ', ;'], BAD),
    ([D + ', foo bar'], BAD),
    (['foo bar, ' + D], BAD),
    ([D, 'foo;'], BAD),
    (['foo;', D], BAD),
    ([D + '; server_max_window_bits=8; ="'], BAD),
    # The RFC says that a value is a token inside of quotes as well; whether one
    # that is not makes the header wrong or the offer is left open.
    ([D + '; server_max_window_bits=""'], (BAD, NO)),
    ([D + '; server_max_window_bits=" 10"'], (BAD, NO)),
    ([D + '; server_max_window_bits="10,11"'], (BAD, NO)),
    (['foo; a="b, c; d", ' + D], (BAD, yes())),
    # And a list needs an element.
    ([','], (BAD, NO)),
    ([''], (BAD, NO)),
]
LONG = '0123456789abcdef' * 200


def answer(peer):
    if peer.status != 101:
        return peer.status
    return NO if peer.params is None else peer.params


def use(peer):
    """What was agreed on is what is spoken, and nothing else."""
    if peer.params is None:
        peer.send(frame(TEXT, LONG))
        peer.expect(text(LONG, False))
        peer.send(deflate_message(TEXT, LONG))
        peer.expect(closed(1002))
    else:
        peer.send(deflate_message(TEXT, LONG, bits=9))
        peer.expect(text(LONG, True))
    peer.finish()


def try_offer(lines, port, **kw):
    """What an offer came to, and an error or None."""
    try:
        with Peer(port, offers=lines, **kw) as peer:
            if peer.status == 101:
                use(peer)
            elif peer.answers:
                return answer(peer), 'a refusal with extensions'
            return answer(peer), None
    except (Broken, OSError) as e:
        return None, str(e) or type(e).__name__


def main(tap):
    with Site() as site:
        for port, way in ((site.ws_port, 'directly'), (site.port, 'through httpd')):
            for lines, want in ROWS:
                got, error = try_offer(lines, port)
                may = want if isinstance(want, tuple) else (want,)
                tap.ok(got in may and error is None,
                       '%s: %s' % (way, ascii(lines)[:150].replace('#', '')),
                       error, 'got  %r' % (got,), 'want %r' % (want,))

        # The other kinds of connection agree on the same.
        with site.connect() as db:
            db.execute('INSERT INTO changes(channel, data) VALUES (?, ?)', ('long', LONG))
        db.close()
        for headers, what in (((), 'data frames'),
                              (('Sec-WebSocket-Protocol: tidings.json',), 'JSON frames')):
            for offer, want in ((D + '; server_max_window_bits=9', yes(9)), (D + ';;', BAD),
                                (D + '; server_max_window_bits=8', NO)):
                with Peer(site.ws_port, '/push/ws?channel=long&since=earliest', [offer],
                          headers) as peer:
                    tap.equal(answer(peer), want, '%s: "%s"' % (what, offer))
                    if peer.status == 101:
                        got = peer.next_event()
                        tap.ok(LONG.encode() in got.payload and
                               got.deflated == (want != NO),
                               '%s are %s' % (what, 'plain' if want == NO else 'compressed'),
                               describe(got))
                        peer.finish()
        tap.ok(site.lives(), 'the programs live')

    with Site({'wsd': {'deflate': 'no'}}) as site:
        for port, way in ((site.ws_port, 'directly'), (site.port, 'through httpd')):
            for lines in ([D], [D + '; client_max_window_bits'], ['foo', D + ', ' + D], []):
                got, error = try_offer(lines, port)
                tap.ok(got == NO and error is None,
                       'with deflate = no, %s: %s is not taken, RSV1 ends by 1002' % (way, lines),
                       error, got)
            got, error = try_offer([D + ';'], port)
            tap.ok(got in (BAD, NO) and error is None,
                   'with deflate = no, %s: bad grammar harms nobody' % way, error, got)


run(main)
