"use strict";

// Express gives each request and each answer prototypes of its own (Object.setPrototypeOf). V8 then
// makes a hidden class for this one object ("detached"), and another one for each property that
// follows. About 100 inline caches miss in each request, and a short one takes three times as much
// processor time. Here the objects have Express's prototypes from the beginning, and Express's call
// changes nothing.
//
// Only requests whose first listener is Express are made so, and none for an event other than
// `request`. A listener that wraps the application may assign a member for which Express has a
// getter only: Primus assigns `request.query`, and handlers of socket.io `request.ip`.
const { IncomingMessage, ServerResponse } = require("http");
const { symbolOf } = require("./symbol_of");

// Node publishes a new answer, so these are made before the application subscribes.
const sampleRequest = new IncomingMessage();
const sampleResponse = new ServerResponse(sampleRequest);
const adopted = new WeakSet();

// What Node gives each object must not meet a setter of the application.
function isShadowed(base, prototype, sample) {
    const names = Reflect.ownKeys(sample);
    for (let one = prototype; one !== base.prototype; one = Object.getPrototypeOf(one)) {
        if (names.some((name) => Object.prototype.hasOwnProperty.call(one, name))) {
            return true;
        }
    }
    return false;
}

// The class has no name, not even by a variable, so that backtraces show that of Node's class.
function inherit(base) {
    return function (first, second) {
        base.call(this, first, second);
        // V8 gives an object room for as many members as the text of its constructor assigns, and
        // moves further ones several times. After some objects it takes back what none has used.
        if (!base) {
            this.a = this.b = this.c = this.d = this.e = this.f = this.g = this.h = this.i = this.j = this.k = 0;
            this.l = this.m = this.n = this.o = this.p = this.q = this.r = this.s = this.t = this.u = this.v = 0;
            this.A = this.B = this.C = this.D = this.E = this.F = this.G = this.H = this.I = this.J = this.K = 0;
            this.L = this.M = this.N = this.O = this.P = this.Q = this.R = this.S = this.T = this.U = this.V = 0;
        }
    };
}

function derive(base, prototype) {
    const derived = inherit(base);
    derived.prototype = prototype;
    adopted.add(prototype);
    return derived;
}

// Returns a function that tells the class of the next object. `member`: what has the prototype in
// an Express application, which is a function.
function chooser(server, base, member, sample) {
    let prototype;
    let chosen = base;
    return () => {
        const expects = server.listenerCount("checkContinue") + server.listenerCount("checkExpectation") > 0;
        const first = expects ? null : server.listeners("request")[0];
        const wanted = Object(first)[member];
        if (wanted !== prototype) {
            const suits = base.prototype.isPrototypeOf(wanted) && !isShadowed(base, wanted, sample);
            prototype = wanted;
            chosen = suits ? derive(base, wanted) : base;
        }
        return chosen;
    };
}

// `server` makes the objects, and the listeners are those of `shown`.
exports.adoptExpress = function (server, shown) {
    const kinds = [
        [IncomingMessage, "request", sampleRequest, symbolOf(server, "IncomingMessage")],
        [ServerResponse, "response", sampleResponse, symbolOf(server, "ServerResponse")],
    ];
    // The application may have classes of its own, and a class of ECMAScript could not be called.
    if (kinds.every(([base, , , symbol]) => symbol && server[symbol] === base && !String(base).startsWith("class"))) {
        for (const [base, member, sample, symbol] of kinds) {
            Object.defineProperty(server, symbol, { get: chooser(shown, base, member, sample) });
        }
    }
};

// A request that listeners of `upgrade` see is one of Node.
exports.makePlain = function (request) {
    if (adopted.has(Object.getPrototypeOf(request))) {
        Object.setPrototypeOf(request, IncomingMessage.prototype);
    }
};
