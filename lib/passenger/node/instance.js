"use strict";

// A process that serves requests, from its start to its end. The main thread has its event loop.
const { Backtraces } = require("./backtraces");
const { Channels } = require("./channels");
const { MOST_TOLD, describe } = require("./failures");
const frames = require("./frames");
const log = require("./log");
const native = require("./native");
const { Service } = require("./service");
const { Source } = require("./source");

// Names of steps of a start in reports.
const WARM_UP = "warm-up";
const STARTING_THREADS = "starting threads";

class Instance {
    // `api`: the application's PhusionPassenger. `stopTimeout`: milliseconds that the application
    // has for its own end. `takesAll`: nothing limits its requests at once. `seesBlocked`: the
    // agent may ask where a blocked event loop is.
    constructor(control, api, { stopTimeout, takesAll, seesBlocked }) {
        this._takesAll = takesAll;
        this._seesBlocked = seesBlocked;
        this._control = control;
        this._stopTimeout = stopTimeout;
        this._channels = new Channels(control);
        this._service = null;
        this._backtraces = null;
        this._server = null;
        // What the first SERVE says.
        this._first = null;
        this._answered = 0;
        this._ending = false;
        this._applicationEnds = false;
        // The listener for exceptions that nobody catches in a request of PassengerWarmUp.
        this._onException = null;
        api.takeSignal(() => this._applicationEnds);
        // Called before the process exits, if the agent has not said SERVE.
        this.onEarlyEnd = null;
        control.onFrame = (frame) => this._handle(frame);
        control.onEnd = (reason) => this._controlEnded(reason);
    }

    // The agent has said SERVE.
    get serves() {
        return this._service !== null;
    }

    // The application's server listens. The agent answers with SERVE.
    loaded(server) {
        this._server = server;
        this._tell(frames.LOADED);
    }

    // From the service.
    paused() {
        this._tell(frames.PAUSE, 1);
    }

    resumed() {
        this._tell(frames.PAUSE, 0);
    }

    // Counts a request for PassengerMaxRequests.
    answered() {
        this._answered++;
        if (this._answered === this._first.maxRequests) {
            this._tell(frames.LIMIT_REACHED);
        }
    }

    // From the service: the application has closed its server.
    closed() {
        this.end();
    }

    // Takes no further request, and ends when those in work are answered. `signal`: what ends it.
    // The status of an instance that does not serve yet tells the signal, and the agent starts it
    // once more.
    end(signal) {
        if (this._ending) {
            return;
        }
        this._ending = true;
        if (!this._service) {
            this.onEarlyEnd();
            if (signal) {
                process.removeAllListeners(signal);
                process.once("exit", () => process.kill(process.pid, signal));
            }
            process.exit(0);
        }
        const timer = setTimeout(() => {
            log.event("instance.gave_up_waiting",
                { requests: this._service.busy, streams: this._service.streams.size });
            this._endApplication();
        }, 1000 * frames.FINISH_SECONDS);
        this._service.finish(() => {
            clearTimeout(timer);
            this._endApplication();
        });
    }

    // The last messages are with httpd. The application may clear up, as elsewhere at SIGTERM. With
    // Phusion Passenger it gets the event `exit` of PhusionPassenger, or the message `shutdown`.
    _endApplication() {
        // The last request may be answered after the time limit.
        if (this._applicationEnds) {
            return;
        }
        this._applicationEnds = true;
        const listens = process.listeners("SIGTERM").some((listener) => listener !== this.onSignal);
        process.removeListener("SIGTERM", this.onSignal);
        if (!listens) {
            // Its own processes have the signal, too.
            process.once("SIGTERM", () => process.emit("message", "shutdown") || process.exit(0));
        }
        try {
            process.kill(-process.pid, "SIGTERM");
        } catch {
            process.kill(process.pid, "SIGTERM");
        }
        // The process may also end by having nothing to do.
        native.addon.keepLoop(false);
        setTimeout(() => process.reallyExit(0), this._stopTimeout).unref();
    }

    _handle(frame) {
        switch (frame.type) {
            case frames.SERVE:
                this._serve(frame);
                break;
            case frames.CHANNEL:
                this._addChannel(frame);
                break;
            case frames.NO_CHANNEL:
                this._channels.refuse(frame.id(0));
                break;
            case frames.DROP:
                frame.fields.forEach((_, i) => this._channels.drop(frame.id(i)));
                break;
            case frames.PAUSE:
                this._pauseOrResume(frame);
                break;
            case frames.THREADS:
                this._tellThreads(frame.fields.length > 0);
                break;
            case frames.FINISH:
                this.end();
                break;
            default:
                frame.close();
                log.event("control.unexpected_frame", { type: frame.type });
        }
    }

    _addChannel(frame) {
        if (frame.descriptors.length > 0) {
            this._channels.add(frame.id(0), ...frame.takeDescriptors(1));
        } else {
            log.complain("channel.not_received", { remedy: "a higher limit of open files" });
            this._channels.tellLost(frame.id(0));
        }
    }

    // A second SERVE comes when the requests of PassengerWarmUp are over, or from the successor of
    // a pool process. READY goes first: the agent supposes that an instance has no request before.
    _serve(frame) {
        if (!this._service) {
            this._serveFirst(frame);
            return;
        }
        const source = new Source(frame, this._service);
        const { threads } = source.serve;
        if (threads !== this._first.threads) {
            source.close();
            throw new frames.ProtocolError(`SERVE names ${threads} threads instead of ${this._first.threads}`);
        }
        this._endWarmUp();
        this._channels.forget();
        this._tell(frames.READY);
        if (this._first.maxRequests > 0 && this._answered >= this._first.maxRequests) {
            this._tell(frames.LIMIT_REACHED);
        }
        this._service.replace(source);
    }

    _serveFirst(frame) {
        const service = new Service(this._server, this._channels, this, this._takesAll);
        const source = new Source(frame, service);
        const first = source.serve;
        this._first = first;
        log.app = first.app;
        this._service = service;
        this._backtraces = new Backtraces(service);
        if (this._seesBlocked) {
            this._backtraces.watch(this._control.descriptor);
        }
        const { close, closeAllConnections: closeAll } = this._server;
        this._server.closeAllConnections = (...args) => {
            service.destroyAll();
            return closeAll && closeAll.apply(this._server, args);
        };
        // Before a request wakes this instance, which would not take it, and no other one.
        this._server.close = (...args) => {
            const result = close.apply(this._server, args);
            this.end();
            return result;
        };
        if (first.warmsUp) {
            this._beginWarmUp();
        }
        this._begin(source, first.heartbeatInterval);
    }

    // The requests of PassengerWarmUp come by the first queue. An application with a listener of
    // its own decides itself whether it goes on.
    _beginWarmUp() {
        this._onException = (error) => {
            if (process.listenerCount("uncaughtException") === 1) {
                this._failStart(WARM_UP, error);
            }
        };
        // Those that listen once have gone when they are called.
        process.prependListener("uncaughtException", this._onException);
    }

    _endWarmUp() {
        if (this._onException) {
            process.removeListener("uncaughtException", this._onException);
            this._onException = null;
        }
    }

    // The start fails, as if the application had thrown when it was loaded: without the thread of
    // signs of life, or because a request of PassengerWarmUp, and so one of a client, ends the
    // process.
    _failStart(step, error) {
        const [name, message, backtrace] = describe(error);
        const line = message.split("\n")[0];
        log.event("instance.start_failed", { step, exception: name, message: line });
        this._tell(frames.FAILED, step, name, message.slice(0, MOST_TOLD), backtrace.slice(0, MOST_TOLD));
        process.exit(1);
    }

    // `interval`: milliseconds between signs of life; 0: none.
    _begin(source, interval) {
        try {
            if (interval > 0) {
                this._control.beat(frames.HEARTBEAT, interval);
            }
        } catch (error) {
            this._failStart(STARTING_THREADS, error);
        }
        this._tell(frames.READY);
        this._service.begin(source);
    }

    // `logs`: the agent wants lines in the log, and no answer.
    _tellThreads(logs) {
        if (!this._backtraces) {
            return;
        }
        if (!logs) {
            this._tell(frames.THREADS, this._backtraces.text());
            return;
        }
        this._backtraces.log();
        // The settings of the application's start may have said that none is slow or hangs.
        this._backtraces.watch(this._control.descriptor);
    }

    // SIGQUIT, from an administrator.
    logThreads() {
        if (this._backtraces) {
            log.write(this._backtraces.text());
        }
    }

    _pauseOrResume(frame) {
        const state = frame.text(0);
        if (state !== "0" && state !== "1") {
            throw new frames.ProtocolError(`PAUSE with ${state}`);
        }
        if (state === "1") {
            this._service.pause();
        } else {
            this._service.resume();
        }
    }

    _controlEnded(reason) {
        if (reason) {
            log.event("control.broken", { reason });
        }
        this._channels.stop();
        this.end();
    }

    _tell(type, ...fields) {
        this._control.write(type, ...fields);
    }
}

// SIGTERM and SIGINT end an instance, after listeners of the application. Some of them do nothing
// unless they are alone (signal-exit). SIGQUIT tells what it does, and must not end it. SIGHUP may
// come to all processes of httpd, and does nothing.
exports.listenToSignals = function (instance) {
    instance.onSignal = (signal) => process.nextTick(() => instance.end(signal));
    process.on("SIGTERM", instance.onSignal);
    process.on("SIGINT", instance.onSignal);
    process.on("SIGQUIT", () => instance.logThreads());
    process.on("SIGHUP", () => {});
};

exports.Instance = Instance;
