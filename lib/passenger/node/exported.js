"use strict";

// Whether the startup file exports a function, as other hosts of Node want it. Nobody calls that
// function here, so an application that does no more does not listen.
const fs = require("fs");
const { pathToFileURL } = require("url");

let imported = null;

function isFunction(exported) {
    return typeof exported === "function" || typeof Object(exported).default === "function";
}

// What a module of ECMAScript exports is known by import() only. It has been loaded, and does not
// run again.
function look() {
    if (!isFunction(Object(process.mainModule).exports)) {
        try {
            import(pathToFileURL(fs.realpathSync(process.argv[1]))).then((module) => {
                imported = module;
            }, () => {});
        } catch {
            // The startup file has no path.
        }
    }
}

// Looks when the process has nothing left to do. Returns a function that ends that.
exports.watchExports = function () {
    process.once("beforeExit", look);
    return () => process.removeListener("beforeExit", look);
};

// For the message of an application that does not listen: behind a sentence, or empty.
exports.reason = function () {
    return isFunction(Object(process.mainModule).exports) || isFunction(imported)
        ? `: ${process.argv[1]} exports a function and never calls listen()`
        : "";
};
