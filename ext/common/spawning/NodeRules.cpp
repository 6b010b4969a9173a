#include "spawning/NodeRules.h"

namespace Passenger {

namespace {

/** `/srv/blog/.env` in `EACCES: permission denied, open '/srv/blog/.env'`. */
Finding fileOf(const FailureFacts &failure, std::string_view code) {
    return has(failure.exceptionClass, code) ? behind(failure.exceptionMessage, " '", "'").value_or("a file")
                                             : Finding();
}

/** `express` in `Cannot find module 'express'` and in `Cannot find package 'express' imported`. */
Finding missingModule(const FailureFacts &failure) {
    if (!has(failure.exceptionClass, "MODULE_NOT_FOUND]")) {
        return std::nullopt;
    }
    const Finding module = behind(failure.exceptionMessage, "Cannot find module '", "'");
    return module ? module : behind(failure.exceptionMessage, "Cannot find package '", "'");
}

/** A module of a package, which npm installs; a path is one of the application's own files. */
Finding missingPackage(const FailureFacts &failure) {
    const Finding module = missingModule(failure);
    return module && !module->starts_with('/') && !module->starts_with('.') ? module : std::nullopt;
}

/** The message begins with the file's path. That of an error of JSON.parse or RegExp does not. */
Finding nodeSyntaxError(const FailureFacts &failure) {
    if (!isA(failure, {"SyntaxError"}) || !failure.exceptionMessage.starts_with('/')) {
        return std::nullopt;
    }
    const Finding place = behind(failure.exceptionMessage, "/", " ");
    return place ? Finding("/" + place->substr(0, place->rfind(':'))) : std::nullopt;
}

constexpr DiagnosisRule RULES[] = {
    {[](const FailureFacts &f) {
         return when(hasAny(f.exceptionClass, {"ERR_REQUIRE_ESM", "ERR_REQUIRE_ASYNC_MODULE"}) ||
                     has(f.exceptionMessage, "Cannot use import statement outside a module"));
     },
     "A module is written for import, and is loaded by require, or the other way round.",
     "Load it by import(), or write \"type\": \"module\" into package.json, or name the file .mjs "
     "(PassengerStartupFile names the first one). A newer Node may load it by require() (PassengerNodejs, .nvmrc), but "
     "no module with await outside of functions."},
    {[](const FailureFacts &f) { return when(has(f.exceptionMessage, "is not defined in ES module scope")); },
     "A file is loaded as a module for import, and has require, module or __dirname, which only other files have.",
     "Name the file .cjs (PassengerStartupFile names the first one), or remove \"type\": \"module\" from package.json; "
     "or write import in place of require()."},
    {nodeSyntaxError, "The file does not follow JavaScript's grammar: {}. It may be written for a newer Node.",
     "Correct that line, or the line before it. Check with: node --check FILE. PassengerNodejs or .nvmrc chooses the "
     "Node."},
    {missingPackage, "The package \"{}\" is not installed where Node looks for it.",
     "Run npm ci (or npm install) in the application's folder, as the user that is named below; npm install {} if "
     "package.json does not name it. SetEnv NODE_PATH names a folder of packages elsewhere. With Yarn's .pnp.cjs "
     "instead: SetEnv NODE_OPTIONS \"--require FOLDER/.pnp.cjs\"."},
    {missingModule, "The file {} does not exist.",
     "Check the path in the line that the backtrace names, and whether "
     "all files were deployed or built (npm run build)."},
    {[](const FailureFacts &f) { return when(has(f.exceptionClass, "ERR_DLOPEN_FAILED")); },
     "A native module (a file .node) was not built for this Node or this system, or is damaged.",
     "Build it anew with the Node that runs the application: npm rebuild, or npm ci after removing node_modules. "
     "PassengerNodejs or .nvmrc chooses the Node."},
    {[](const FailureFacts &f) {
         return when(has(f.exceptionClass, "[EACCES]") && f.exceptionMessage.starts_with("listen "));
     },
     "The application listens on a port that its user may not open. Ports below 1024 are root's.",
     "Let it listen on the port in the variable PORT: httpd has the port of the clients."},
    {[](const FailureFacts &f) { return fileOf(f, "[EACCES]"); },
     "The user that the application runs as has no permission for {}, or for a folder above it.",
     "Give the user that is named below the permission (chown, chmod; folders need x). PassengerUser chooses another "
     "user."},
    {[](const FailureFacts &f) { return fileOf(f, "[ENOENT]"); }, "The file or folder does not exist: {}",
     "Check that it was deployed, and that its path fits the application's folder."},
    {[](const FailureFacts &f) { return when(has(f.exceptionClass, "[ECONNREFUSED]")); },
     "The application needs a database or another server while it loads, and cannot reach it.",
     "Check that the server runs, and that the application's settings have the right address and account."},
    {[](const FailureFacts &f) {
         return when(isA(f, {"TypeError", "ReferenceError", "RangeError", "SyntaxError"}));
     },
     "The application or one of its packages has an error, or a package has another version than the application "
     "expects.",
     "See the first lines of the backtrace that belong to the application."},
};

}  // namespace

std::span<const DiagnosisRule> nodeRules() noexcept {
    return RULES;
}

}  // namespace Passenger
