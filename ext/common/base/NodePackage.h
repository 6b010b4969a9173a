#pragma once

#include <string>

namespace Passenger {

/** What a Node application's package.json says about its start (docs.npmjs.com, "package.json").
 *  A plain value. */
struct NodePackage {
    /** The name of the file, which is the startup file of an application that it starts. */
    static constexpr const char *FILE = "package.json";

    /** The members `name`, `version`, `scripts.start`, `scripts.prestart`, `main`, `engines.node`
     *  and `volta.node`; empty: there is none. */
    std::string name;
    std::string version;
    std::string start;
    std::string prestart;
    std::string main;
    std::string engine;
    std::string voltaNode;

    /** Reads the folder's package.json. Without one, or if it cannot be read, all members are
     *  empty. */
    static NodePackage of(const std::string &folder);
    /** Why the folder's package.json cannot be read, for people, with the line if it is known;
     *  empty: it can, or there is none. */
    static std::string problem(const std::string &folder);
    /**
     * The file that starts the application of that folder. Like `npm start`, it takes scripts.start
     * (package.json stands for it), or else server.js. Otherwise, like `node .`, it takes the file
     * of `main`, or else index.js. Empty: there is none of them, or no package.json.
     */
    static std::string startupFile(const std::string &folder);
};

}  // namespace Passenger
