/* SPDX-License-Identifier: MIT */
/*
 * tidings-live.js - what the plugin does in a page, whatever the theme: a bar at
 * its foot says what is new, and fetches it when the reader wants it.
 */
(function () {
	'use strict';

	const seen = new Set();
	let comments = 0;
	let bar = null;

	function tell(words, link) {
		if (!bar) {
			bar = document.createElement('p');
			bar.id = 'tidings-live';
			bar.setAttribute('role', 'status');
			bar.style.cssText = 'position: fixed; inset: auto 0 0 0;' +
				'margin: 0; z-index: 9999;' +
				'text-align: center; background: #1d1c1a;';
			bar.append(document.createElement('a'));
			bar.firstChild.style.cssText = 'color: #ffffff';
			document.body.append(bar);
		}
		bar.firstChild.href = link;
		bar.firstChild.onclick = function (event) {
			const to = new URL(link, location.href);

			// A link to a place on this very page would not load it anew.
			// Which page it is may stand in the query: /?p=12.
			if (to.pathname + to.search ===
				location.pathname + location.search) {
				event.preventDefault();
				location.hash = to.hash;
				location.reload();
			}
		};
		// Readers of screens say what is put into a status that is there.
		setTimeout(function () {
			bar.style.padding = '0.7em 1em';
			bar.firstChild.textContent = words;
		}, 100);
	}

	// What themes call a comment on the page; once is enough.
	function isHere(id) {
		const here = seen.has(id) ||
			document.getElementById('comment-' + id) ||
			document.getElementById('div-comment-' + id);

		seen.add(id);
		return Boolean(here);
	}

	new Tidings(tidingsLive.base, {
		channels: tidingsLive.post ?
			['posts', 'comments.' + tidingsLive.post] : ['posts']
	}).on('comment', function (message) {
		const comment = JSON.parse(message.data);

		if (!isHere(comment.id)) {
			comments++;
			tell(comments === 1 ? 'A new comment by ' + comment.author :
				comments + ' new comments', '#comment-' + comment.id);
		}
	}).on('post', function (message) {
		const post = JSON.parse(message.data);
		const link = new URL(post.link, location.href);

		if (link.origin === location.origin &&
			post.id !== tidingsLive.post &&
			!Array.from(document.links).some(a => a.href === link.href)) {
			tell('New: ' + post.title, link.href);
		}
	}).on('reset', function () {
		tell('This page is old: load it again', location.href);
	});
})();
