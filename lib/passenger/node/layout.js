"use strict";

// Layouts of sections 1 to 3 of doc/PROTOCOLS.md. A change of one changes VERSION and Layouts.h.

exports.VERSION = 15;

// 64 KiB, a usual piece of a body, and a header.
exports.MESSAGE_LIMIT = 65600;

exports.REQUEST_HEADER = 32;
exports.REQUEST_HEAD_LIMIT = 1024 * 1024;

exports.BODY_FOLLOWS = 1;
exports.STREAM = 2;
exports.BODY_IN_FILE = 8;
exports.TRANSFERABLE = 16;
exports.STREAM_TRANSFERABLE = 32;
exports.TAKES_TRAILERS = 64;

// Messages on a reply channel.
exports.REPLY_HEADER = 24;
exports.PAYLOAD_LIMIT = exports.MESSAGE_LIMIT - exports.REPLY_HEADER;
exports.REPLY_HEAD_LIMIT = 128 * 1024;
exports.STALE_LIMIT = 1024 * 1024;
exports.QUEUED_LIMIT = 0xffffffff;

exports.RESPONSE = 1;
exports.DATA = 2;
exports.INTERIM = 3;
exports.SKIPPED = 4;
exports.ABORTED = 6;
exports.HIJACKED = 7;
exports.TRAILERS = 8;
exports.BODY = 32;
exports.BODY_FILE = 33;
// Header, and u64 the file's length.
exports.FILE_MESSAGE = exports.REPLY_HEADER + 8;

// Flags stand in the byte behind the type.
exports.LAST = 0x100;
exports.WANTS_CLIENT = 0x200;

// The child's first byte on the stream of a HIJACKED with WANTS_CLIENT.
exports.TRANSFER_CLIENT = 67;
exports.TRANSFER_RELAY = 82;

exports.CLAIMS = 65536;
