/* SPDX-License-Identifier: MIT */
// ---- <tidings-feed>, for pages without script

function field(m, path) {
	var value = m;

	path.split('.').forEach(function (step, i) {
		if (i === 1 && typeof value === 'string')
			value = parse(value);
		value = value === null || value === undefined ? '' : value[step];
	});
	return path === 'time' ? new Date(value).toLocaleString() :
		value === null || value === undefined ? '' : String(value);
}

function define() {
	function Element() {
		return Reflect.construct(global.HTMLElement, [], Element);
	}

	Element.prototype = Object.create(global.HTMLElement.prototype);
	Element.prototype.connectedCallback = function () {
		var at = this, items = at.items = at.items || [], template;

		function names(attribute) {
			var text = at.getAttribute(attribute);

			return text ? text.split(/[\s,]+/) : [];
		}

		function show(m) {
			var item, max = +at.getAttribute('max');
			var first = at.hasAttribute('newest-first');

			template = template || at.querySelector('template');
			if (template) {
				item = template.content.cloneNode(true);
				item.querySelectorAll('[data-tidings]').forEach(
					function (spot) {
						spot.textContent = field(m,
							spot.getAttribute('data-tidings'));
					});
				item = item.firstElementChild;
			}
			if (!item) {
				item = doc.createElement('p');
				item.textContent = m.data;
			}
			item.setAttribute('data-id', m.id);
			at.insertBefore(item, first && items[0] || null);
			items[first ? 'unshift' : 'push'](item);
			while (max && items.length > max)
				at.removeChild(first ? items.pop() : items.shift());
		}

		if (!at.getAttribute('channels') && !at.getAttribute('prefixes'))
			wrong('<tidings-feed> must have channels or prefixes');
		if (!at.hasAttribute('role'))
			at.setAttribute('role', 'log');
		at.feed = new Tidings(at.getAttribute('src') || '/push', {
			channels: names('channels'),
			prefixes: names('prefixes'),
			since: at.feed && at.feed.lastEventId ||
				at.getAttribute('since') || undefined
		}).on('message', show).on('status', function (status) {
			at.setAttribute('state', status.state);
		});
	};
	Element.prototype.disconnectedCallback = function () {
		if (this.feed)
			this.feed.close();
	};
	global.customElements.define('tidings-feed', Element);
}

if (global.customElements && global.HTMLElement &&
	!global.customElements.get('tidings-feed'))
	define();
