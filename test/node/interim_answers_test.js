"use strict";

// The interim answers of an exchange.
const assert = require("assert");
const { join } = require("path");

const LIBRARY = join(process.env.PASSENGER_LIB || join(__dirname, "../../lib/passenger"), "node");
const { InterimAnswers } = require(join(LIBRARY, "interim_answers"));
const layout = require(join(LIBRARY, "layout"));
const log = require(join(LIBRARY, "log"));

const HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";

function scene() {
    const sent = [];
    let destroyed = 0;
    const exchange = {
        reply: { started: false, send: (type, ...parts) => sent.push([type === layout.INTERIM, ...parts]) },
        head: { subject: { path: "/" } }, socket: { destroy: () => destroyed++ },
    };
    return { exchange, sent, interim: new InterimAnswers(exchange), destroyed: () => destroyed };
}

// The client is asked for its body once: by the application, or when it reads.
const { sent, interim } = scene();
interim.asks = true;
interim.askForBody();
assert.deepStrictEqual([sent, interim.asks], [[[true, 100, 0, ""]], false]);
interim.asks = true;
interim.write("HTTP/1.1 100 Continue\r\n\r\n");
assert.deepStrictEqual([sent[1], interim.asks], [[true, 100, 0, ""], false]);

// An application that sends hints without end sends 16, and none within its answer.
const hints = scene();
hints.interim.write(HINTS);
assert.deepStrictEqual(hints.sent, [[true, 103, 20, "Link: </style.css>\r\n"]]);
for (let i = 0; i < 20; i++) {
    hints.interim.write(HINTS);
}
assert.strictEqual(hints.sent.length, 16);
const late = scene();
late.exchange.reply.started = true;
const called = [];
late.interim.write(HINTS, (error) => called.push(error));
assert.deepStrictEqual([late.sent, called], [[], []]);
process.on("exit", () => assert.deepStrictEqual(called, [null]));

// Any other text ends the connection.
const other = scene();
other.interim.write("");
assert.strictEqual(other.destroyed(), 0);
const logged = [];
log.write = (line) => logged.push(line);
other.interim.write("200 lines of my own");
assert.deepStrictEqual([other.sent, other.destroyed()], [[], 1]);
assert.match(logged.join(), /^event=answer\.refused .* path="\/"\n$/);
