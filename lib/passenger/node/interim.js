"use strict";

// Interim answers (100, 102, 103) of an exchange. Node makes their text.
const layout = require("./layout");
const log = require("./log");

const MOST_INTERIM = 16;
const CONTINUE = 100;
const INTERIM_LINE = /^HTTP\/1\.1 (1\d\d)[^\r\n]*\r\n/;

function send(exchange, status, lines) {
    exchange.reply.send(layout.INTERIM, status, lines.length, lines);
}

// The client keeps its body back until it is asked.
exports.askForBody = function (exchange) {
    exchange.asks = false;
    send(exchange, CONTINUE, "");
};

// `text`: what the application writes to its connection, not as the body of its answer.
exports.writeInterim = function (exchange, text, callback) {
    const found = INTERIM_LINE.exec(text);
    if (found) {
        const status = Number(found[1]);
        const lines = text.slice(found[0].length, -2);
        if (status === CONTINUE) {
            exchange.asks = false;
        }
        if (!exchange.reply.started && exchange.hints++ < MOST_INTERIM && lines.length <= layout.PAYLOAD_LIMIT) {
            send(exchange, status, lines);
        }
    } else if (text !== "") {
        log.complain("answer.refused", {
            reason: "the application wrote to the connection beside its answer", ...exchange.head.subject,
        });
        exchange.socket.destroy();
    }
    if (callback) {
        process.nextTick(callback);
    }
};
