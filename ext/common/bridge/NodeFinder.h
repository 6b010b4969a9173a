#pragma once

#include <map>
#include <string>

namespace Passenger::Bridge {

/** The Node for an application, and the log's line about it. A plain value. */
struct NodeFinder {
    /** PassengerNodejs: a path, or `node` for the one in PATH. */
    std::string program = "node";
    /** Not empty: no installed Node is one that the application wants; fields of a log line. */
    std::string problem;

    /**
     * The application wants the version that `.nvmrc` or else `.node-version` names. Without them
     * it wants those of `.tool-versions`, and then those of package.json, `volta` and `engines`:
     * the first one that is installed. The Node in PATH is taken if it fits, else the newest
     * fitting one of nvm, n, nodenv, asdf, fnm, mise, Volta and /opt. find() may run each Node
     * whose path does not have its version.
     * @param folder the application's
     * @param variables its environment, which tells where the version managers have their Nodes
     */
    static NodeFinder find(const std::string &folder, const std::map<std::string, std::string> &variables);
};

}  // namespace Passenger::Bridge
