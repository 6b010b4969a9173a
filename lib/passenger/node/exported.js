"use strict";

// Whether the startup file exports a function, as other hosts of Node want it. Nobody calls that
// function here, so an application that does no more does not listen. What a module of ECMAScript
// exports is not known: only import() tells it, and that could run the file again.

// The end of the message about an application that does not listen; may be empty.
exports.reason = function () {
    const exported = Object(process.mainModule).exports;
    return typeof exported === "function" || typeof Object(exported).default === "function"
        ? `: ${process.argv[1]} exports a function and never calls listen()`
        : "";
};
