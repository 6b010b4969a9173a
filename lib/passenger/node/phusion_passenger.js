"use strict";

// The global object `PhusionPassenger` as Phusion Passenger's Node loader has it: `configure()`,
// `options`, and the event `exit` at the process's end. The application then ends the process
// itself. Of each process and thread that has the loader, one object.
const EventEmitter = require("events");

const SIGNAL = "SIGTERM";

class PhusionPassenger extends EventEmitter {
    constructor() {
        super();
        this.shutting_down = false;
        this.options = {
            app_root: process.cwd(),
            app_type: "node",
            base_uri: process.env.PASSENGER_BASE_URI || "/",
            environment: process.env.PASSENGER_APP_ENV,
            startup_file: process.argv[1],
        };
    }

    get listensToExit() {
        return this.listenerCount("exit") > 0;
    }

    // From the first listener of `exit` on, SIGTERM causes that event, and no listener of the
    // process sees the signal, if `ends()` says that the application is to end now.
    takeSignal(ends) {
        this.on("newListener", (name) => {
            if (name === "exit" && !this._takes) {
                this._takes = true;
                interceptSignal(() => ends() && this.listensToExit && this._announce());
            }
        });
    }

    _announce() {
        if (!this.shutting_down) {
            this.shutting_down = true;
            this.emit("exit");
        }
        return true;
    }
}

// Node calls the method `process.emit` that is there at the signal's first listener, so the others
// listen anew.
function interceptSignal(take) {
    const listeners = process.rawListeners(SIGNAL);
    listeners.forEach((listener) => process.removeListener(SIGNAL, listener));
    const emit = process.emit;
    process.emit = function (...event) {
        return event[0] === SIGNAL && take() ? true : emit.apply(this, event);
    };
    listeners.forEach((listener) => process.on(SIGNAL, listener));
    // Without a listener the signal ends the process.
    const endByDefault = () => {
        if (process.listenerCount(SIGNAL) === 1) {
            process.removeListener(SIGNAL, endByDefault);
            process.kill(process.pid, SIGNAL);
        }
    };
    if (listeners.length === 0) {
        process.on(SIGNAL, endByDefault);
    }
}

exports.PhusionPassenger = PhusionPassenger;
