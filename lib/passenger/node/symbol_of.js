"use strict";

// A member of a Node object that only has a symbol of Node's own; undefined in Nodes without it.
exports.symbolOf = (object, description) =>
    Object.getOwnPropertySymbols(object).find((one) => one.description === description);
