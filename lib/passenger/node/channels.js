"use strict";

// The reply channels that this instance knows (doc/PROTOCOLS.md, section 3).
const frames = require("./frames");
const log = require("./log");
const native = require("./native");
const poller = require("./poller");

const { IN, OUT, HUP, ERR, RDHUP, EDGE } = native;
const USUAL = IN | RDHUP | EDGE;
// Milliseconds. A child sends a request again that nobody has claimed after 1000.
const PATIENCE = 2000;
const WITH_ROOM = IN | OUT | RDHUP | EDGE;

// The instance's end of one channel. One exchange uses it at a time. Events come once for each
// change, so a channel without an exchange costs nothing.
class Channel {
    constructor(id, descriptor) {
        this.id = id;
        this.descriptor = descriptor;
        // The exchange that is told of events.
        this.exchange = null;
        // The child has shut it down.
        this.gone = false;
        this._retired = false;
        this._tag = poller.watch(descriptor, USUAL, this);
    }

    // A room that is there already is told, too.
    awaitRoom(waits) {
        poller.watchFor(this.descriptor, waits ? WITH_ROOM : USUAL, this._tag);
    }

    onEvents(events) {
        if (events & (HUP | ERR)) {
            this.gone = true;
        }
        if (this.exchange) {
            this.exchange.onEvents(events, this.gone);
        }
    }

    // After the last message of an exchange, or when its client has left.
    release() {
        this.exchange = null;
        if (this._retired) {
            this._close();
        }
    }

    // No other exchange will use it.
    retire() {
        this._retired = true;
        if (!this.exchange) {
            this._close();
        }
    }

    _close() {
        if (this.descriptor !== -1) {
            poller.unwatch(this.descriptor, this._tag);
            native.addon.close(this.descriptor);
            this.descriptor = -1;
        }
    }
}

class Channels {
    // `patience`: milliseconds that ask() waits for the agent.
    constructor(control, patience = PATIENCE) {
        this._control = control;
        this._patience = patience;
        // By their ids, which are BigInts.
        this._known = new Map();
        // Functions that wait, by the ids of the channels that were asked for.
        this._wanted = new Map();
        this._closed = false;
    }

    // Undefined: ask() for it.
    find(id) {
        return this._known.get(id);
    }

    // Calls found(channel) when the agent has answered. Null: the channel's child is gone, or the
    // agent does not answer. A late answer counts for later requests.
    ask(id, found) {
        if (!this._wanted.has(id)) {
            if (this._closed || !this._control.write(frames.FETCH, id)) {
                found(null);
                return;
            }
            this._wanted.set(id, new Set());
        }
        const waiting = this._wanted.get(id);
        const answered = (channel) => {
            clearTimeout(timer);
            waiting.delete(answered);
            found(channel);
        };
        const timer = setTimeout(answered, this._patience, null);
        waiting.add(answered);
    }

    add(id, descriptor) {
        this.drop(id);
        let channel = null;
        try {
            channel = new Channel(id, descriptor);
        } catch (error) {
            log.complain("channel.not_watched", { reason: error.message });
            native.addon.close(descriptor);
            this.tellLost(id);
            return;
        }
        this._known.set(id, channel);
        this._tell(id, channel);
    }

    // This process cannot use it. No request of it is begun: its child sends it again.
    tellLost(id) {
        this._control.write(frames.NO_CHANNEL, id);
        this.refuse(id);
    }

    refuse(id) {
        this._tell(id, null);
    }

    drop(id) {
        const channel = this._known.get(id);
        if (channel) {
            this._known.delete(id);
            channel.retire();
        }
    }

    // Another pool process serves. The former one answers nothing any more.
    forget() {
        const former = [...this._known.keys()];
        former.forEach((id) => this.drop(id));
        [...this._wanted.keys()].forEach((id) => this.refuse(id));
    }

    // The agent has gone: no more channels come.
    stop() {
        this._closed = true;
        [...this._wanted.keys()].forEach((id) => this.refuse(id));
    }

    _tell(id, channel) {
        const waiting = this._wanted.get(id) || [];
        this._wanted.delete(id);
        waiting.forEach((answered) => answered(channel));
    }
}

module.exports = { Channels };
