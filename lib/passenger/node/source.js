"use strict";

// Where an instance takes requests, and where it claims them.
const { AsyncResource } = require("async_hooks");
const { ProtocolError, serveOf } = require("./frames");
const layout = require("./layout");
const log = require("./log");
const native = require("./native");
const poller = require("./poller");

// Messages of the own queue, before the common one has its turn.
const MOST_IN_A_ROW = 4;
// Errors that may be over soon.
const SHORTAGES = ["ENOSPC", "ENOMEM"];
// Milliseconds between two looks at queues that the kernel does not watch.
const RETRY_INTERVAL = 200;

// A queue, the memory for claims, and the cells that no request uses: what one SERVE hands over.
class Source {
    // `frame`: a SERVE. Throws ProtocolError.
    constructor(frame, service) {
        this.serve = serveOf(frame);
        const { cell, threads, stickyId } = this.serve;
        const [common, claims, marks, ...own] = frame.takeDescriptors(stickyId ? 4 : 3);
        this._service = service;
        this._common = common;
        // The instance's own queue (PassengerStickySessions), or that for requests of high priority
        // (PassengerPriorityQueue).
        this._own = own.length > 0 ? own[0] : -1;
        this._inARow = 0;
        // Functions, each of which ends the watching of a queue.
        this._unwatch = [];
        // The timer of the next look, while a queue cannot be watched.
        this._retry = null;
        // The timer may be made in a request, and the requests that it finds are others'.
        this._look = AsyncResource.bind(() => this.onEvents());
        this.ended = false;
        this.busy = 0;
        if (!(threads > 0 && threads <= layout.CLAIMS - cell)) {
            native.closeAll([common, claims, marks, ...own]);
            throw new ProtocolError(`the agent's SERVE names ${threads} threads from cell ${cell} on`);
        }
        this._claims = native.addon.openClaims(claims, marks, cell + threads);
        native.closeAll([claims, marks]);
        this._cells = Array.from({ length: threads }, (_, i) => cell + threads - 1 - i);
    }

    claim(cell, channel, ticket) {
        return native.addon.claim(this._claims, cell, channel, ticket);
    }

    get hasRoom() {
        return this._cells.length > 0;
    }

    takeCell() {
        this.busy++;
        return this._cells.pop();
    }

    // `answered`: a request has run under the cell's claim.
    giveBack(cell, answered) {
        if (answered) {
            native.addon.completeClaim(this._claims, cell);
        } else {
            native.addon.clearClaim(this._claims, cell);
        }
        this._cells.push(cell);
        this.busy--;
    }

    // Watches the queues while requests may be taken and there is a cell.
    watch(opened) {
        const wanted = opened && !this.ended && this.hasRoom;
        clearTimeout(this._retry);
        if (wanted === this.isWatched) {
            return;
        }
        if (!wanted) {
            this._unwatchAll();
            return;
        }
        try {
            this._queues().forEach((queue) => this._unwatch.push(this._watchQueue(queue)));
        } catch (error) {
            this._unwatchAll();
            if (!SHORTAGES.includes(error.code)) {
                throw error;
            }
            log.complain("queue.not_watched", { reason: error.message });
            this._retry = setTimeout(this._look, RETRY_INTERVAL).unref();
        }
    }

    _unwatchAll() {
        this._unwatch.splice(0).forEach((unwatch) => unwatch());
    }

    get isWatched() {
        return this._unwatch.length > 0;
    }

    onEvents() {
        this._service.take(this);
    }

    // The size of the next message in the shared memory, those of the own queue first; 0: there is
    // none.
    receive() {
        const turn = this._inARow >= MOST_IN_A_ROW;
        return (turn && this._receiveCommon()) || this._receiveOwn() || (!turn && this._receiveCommon()) || 0;
    }

    close() {
        this.watch(false);
        this._dropOwn();
        native.addon.close(this._common);
        native.addon.closeClaims(this._claims);
    }

    // The common queue is not shared as poller.js says if there is an own one: a request from the
    // own queue may take the last cell when one in the common queue has woken this process.
    _watchQueue(queue) {
        if (this._own === -1 && poller.watchShared(queue, this)) {
            return () => poller.unwatchShared(queue);
        }
        const tag = poller.watch(queue, native.IN, this);
        return () => poller.unwatch(queue, tag);
    }

    _queues() {
        return this._own === -1 ? [this._common] : [this._own, this._common];
    }

    _receiveOwn() {
        if (this._own === -1) {
            return 0;
        }
        const size = this._receive(this._own);
        if (size === 0 && native.addon.hasEnded(this._own)) {
            // The agent sends no more requests there. That does not end the instance.
            this._dropOwn();
        }
        this._inARow += size > 0 ? 1 : 0;
        return Math.max(size, 0);
    }

    _receiveCommon() {
        const size = this._receive(this._common);
        if (size === 0 && native.addon.hasEnded(this._common)) {
            this.ended = true;
        }
        this._inARow = size > 0 ? 0 : this._inARow;
        return Math.max(size, 0);
    }

    _receive(queue) {
        const result = native.addon.receive(queue, layout.MESSAGE_LIMIT + 1);
        if (result <= 0) {
            return result;
        }
        native.closeAll(native.takeDescriptors(result));
        return native.sizeOf(result);
    }

    _dropOwn() {
        if (this._own !== -1) {
            this.watch(false);
            native.addon.close(this._own);
            this._own = -1;
        }
    }
}

module.exports = { Source };
