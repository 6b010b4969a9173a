#pragma once

#include <string>

namespace Passenger::Bridge {

/** The Node for an application, and the log's line about it. A plain value. */
struct NodeFinder {
    /** PassengerNodejs: a path, or `node` for the one in PATH. */
    std::string program = "node";
    /** Not empty: no installed Node is one that the application wants; fields of a log line. */
    std::string problem;

    /**
     * The application wants the version that `.nvmrc`, `.node-version` or else package.json's
     * `engines` names. The Node in PATH is taken if it fits, else the newest fitting one of nvm, n,
     * nodenv, asdf and /opt. find() runs each Node whose path does not have its version.
     * @param folder the application's
     * @param home of its user
     */
    static NodeFinder find(const std::string &folder, const std::string &home);
};

}  // namespace Passenger::Bridge
