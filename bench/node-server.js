// SPDX-License-Identifier: MIT
// A push server in Node as one would write it: the http module for SSE, the
// ws package for WebSocket, a list of clients each, and a loop over the list.
//
//	node node-server.js PORT
//
// GET /sse subscribes by SSE, GET /ws by WebSocket, GET /packed likewise with
// permessage-deflate as the package has it by default, GET /echo is a WebSocket
// that returns what it gets, POST /pub publishes its body to all subscribers.

"use strict";

const http = require("http");
const { WebSocketServer, WebSocket } = require("ws");

const streams = new Set();
let lastId = 0;

function subscribe(request, response) {
	response.writeHead(200, {
		"Content-Type": "text/event-stream",
		"Cache-Control": "no-cache",
	});
	response.write(": hello\n\n");
	streams.add(response);
	response.on("close", () => streams.delete(response));
}

function broadcast(text) {
	const event = `id: ${++lastId}\ndata: ${text}\n\n`;

	for (const response of streams)
		response.write(event);
	for (const { clients } of [sockets, packed]) {
		for (const client of clients) {
			if (client.readyState === WebSocket.OPEN)
				client.send(text);
		}
	}
}

function publish(request, response) {
	let text = "";

	request.setEncoding("utf8");
	request.on("data", (part) => (text += part));
	request.on("end", () => {
		broadcast(text);
		response.writeHead(201).end();
	});
}

const server = http.createServer((request, response) => {
	const path = request.url.split("?")[0];

	if (request.method === "GET" && path === "/sse")
		subscribe(request, response);
	else if (request.method === "POST" && path === "/pub")
		publish(request, response);
	else
		response.writeHead(404).end();
});

const settings = { noServer: true, perMessageDeflate: false };
const sockets = new WebSocketServer(settings);
const packed = new WebSocketServer({ noServer: true,
	perMessageDeflate: true });
const echoes = new WebSocketServer(settings);

echoes.on("connection", (client) => {
	client.on("message", (data, binary) => client.send(data, { binary }));
});

server.on("upgrade", (request, socket, head) => {
	const to = request.url.startsWith("/echo") ? echoes :
		request.url.startsWith("/packed") ? packed : sockets;

	to.handleUpgrade(request, socket, head, (client) =>
		to.emit("connection", client, request));
});

server.keepAliveTimeout = 120000;
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1",
	backlog: 4096 });
