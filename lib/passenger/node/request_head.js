"use strict";

// The head of a request as Node's parser would have given it, from the variables that the httpd
// child has made. ext/common/bridge/RequestHead.cpp writes the same one for other applications.

// About a single connection; httpd has dealt with them.
const HOP_BY_HOP = /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*)$/i;
// Variables that are kept by themselves.
const OTHERS = ["REQUEST_METHOD", "REQUEST_URI", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR",
    "REMOTE_PORT", "HTTPS", "CONTENT_TYPE", "CONTENT_LENGTH", "PASSENGER_REQUEST_ID", "HTTP_HOST",
    "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_EXPECT", "HTTP_UPGRADE", "HTTP_CONNECTION",
    "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING"];
// By the names of variables: the name of the header field, or the place in OTHERS; null: it is
// neither. The limit is for clients that make names up.
const names = new Map(OTHERS.map((name, index) => [name, index]));
const MOST_NAMES = 512;

function headerName(variable) {
    if (!variable.startsWith("HTTP_") || variable === "HTTP_CONTENT_LENGTH") {
        return null;
    }
    const name = variable.slice(5).toLowerCase().replace(/_/g, "-")
        .replace(/(^|-)([a-z])/g, (_, before, letter) => before + letter.toUpperCase());
    return HOP_BY_HOP.test(name) ? null : name;
}

function nameOf(variable) {
    let name = names.get(variable);
    if (name === undefined) {
        name = headerName(variable);
        if (names.size < MOST_NAMES) {
            names.set(variable, name);
        }
    }
    return name;
}

// Protocols that httpd and its clients speak with each other.
const OURS = /^(?:h2c?|http|tls)$/i;

function isWelcome(protocols) {
    return protocols.split(",").every((one) => {
        const name = one.trim().split("/")[0];
        return name !== "" && !OURS.test(name);
    });
}

class RequestHead {
    // `environment`: NAME NUL value NUL and so on.
    constructor(environment) {
        this.method = this.url = this.serverName = this.serverPort = this.protocol = "";
        this.address = this.port = this.https = this.contentType = this.contentLength = this.id = "";
        this.host = this.forwardedFor = this.forwardedProto = this.expect = this.upgrade = "";
        this.connection = this.coding = "";
        this.hasLength = false;
        // A filter of httpd (mod_deflate) may have removed a coding, and then the length is not the
        // body's.
        this.isCoded = false;
        // Names and values, one after the other.
        this.lines = ["Host", ""];
        const fields = environment.split("\0");
        const { lines } = this;
        for (let i = 0; i + 1 < fields.length; i += 2) {
            const name = nameOf(fields[i]);
            if (typeof name === "number") {
                this._keep(name, fields[i + 1]);
            } else if (name !== null) {
                lines.push(name, fields[i + 1]);
            }
        }
        this._complete();
    }

    // Marks the request's framing for the application. `length` of the body; undefined: unknown;
    // null: there is no body.
    addFraming(length) {
        const { lines } = this;
        if (length === null) {
            return;
        }
        lines.push(...length === undefined ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(length)]);
    }

    addExpectation() {
        this.lines.push("Expect", "100-continue");
    }

    // Over an HTTP/2 connection, which carries other requests, too, httpd hands no connection over.
    wantsUpgrade() {
        return this.upgrade !== "" && this.protocol === "HTTP/1.1" && /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(
            this.connection) && isWelcome(this.upgrade);
    }

    addUpgrade() {
        this.lines.push("Connection", "Upgrade", "Upgrade", this.upgrade);
    }

    get encrypted() {
        return this.https === "on";
    }

    // What the application's request has as `passengerRequestId`.
    get requestId() {
        return this.id || undefined;
    }

    // The fields of a log line about the request.
    get subject() {
        return { ...this.id ? { request: this.id } : {}, method: this.method, path: this.url };
    }

    get mayHaveBody() {
        return this.hasLength || this.coding !== "";
    }

    get hasExpect() {
        return this.expect !== "";
    }

    // The length that the body must have. Undefined: it may have any.
    get length() {
        return this.hasLength && !this.isCoded && /^\d{1,15}$/.test(this.contentLength) ? Number(this.contentLength)
            : undefined;
    }

    // In the order of OTHERS.
    _keep(index, value) {
        switch (index) {
            case 0: this.method = value; break;
            case 1: this.url = value; break;
            case 2: this.serverName = value; break;
            case 3: this.serverPort = value; break;
            case 4: this.protocol = value; break;
            case 5: this.address = value; break;
            case 6: this.port = value; break;
            case 7: this.https = value; break;
            case 8: this.contentType = value; break;
            case 9: this.contentLength = value; this.hasLength = true; break;
            case 10: this.id = value; break;
            case 11: this.host = value; break;
            case 12: this.forwardedFor = value; break;
            case 13: this.forwardedProto = value; break;
            case 14: this.expect = value; break;
            case 15: this.upgrade = value; break;
            case 16: this.connection = value; break;
            case 17: this.coding = value; break;
            // The application gets it, too.
            default: this.isCoded = true; this.lines.push("Content-Encoding", value);
        }
    }

    _complete() {
        const { lines } = this;
        lines[1] = this.host || `${this.serverName}:${this.serverPort}`;
        const encrypted = this.https === "on";
        if (this.forwardedProto && !encrypted) {
            lines.push("X-Forwarded-Proto", this.forwardedProto);
        }
        lines.push("X-Forwarded-For", this.forwardedFor ? `${this.forwardedFor}, ${this.address}` : this.address);
        if (encrypted) {
            lines.push("X-Forwarded-Proto", "https");
        }
        if (this.contentType) {
            lines.push("Content-Type", this.contentType);
        }
    }
}

module.exports = { RequestHead };
