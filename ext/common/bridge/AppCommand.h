#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace Passenger::Bridge {

/** The value of an option of LOAD, or `otherwise` where the option is missing or empty. */
std::string optionNamed(const char *name, const std::map<std::string, std::string> &options,
                        const std::string &otherwise = "");

/** The command that starts an application (PassengerAppStartCommand, or the Node of
 *  PassengerNodejs) and tells it where to listen (PassengerDirectInstanceRequestAddress). A plain
 *  value. */
struct AppCommand {
    /** The application and its kind, for the titles of our processes. */
    std::string name;
    std::string program;
    std::vector<std::string> arguments;
    /** Fields of a log line about the interpreter; empty: nothing is wrong. */
    std::string problem;
    /** package.json has a script that npm would run before. */
    bool leavesPrestartOut = false;
    /** The whole environment, as NAME=value. */
    std::vector<std::string> environment;
    /** Node with our loader, which learns of the clients (RequestHead::writeForNode()). */
    bool isNode = false;

    /**
     * @param options of LOAD
     * @param library our lib/passenger, which has the loader of Node applications
     * @throws IOException when the options name nothing to start
     */
    static AppCommand fromOptions(const std::map<std::string, std::string> &options, const std::string &library,
                                  std::uint16_t port, const std::string &socketPath);

    /** Whether the command is Node itself, and no shell, which may wait for its children. */
    static bool startsNode(const std::map<std::string, std::string> &options);

    /** Another one in place of that of fromOptions(). */
    void usePort(std::uint16_t port);
    /** For messages. */
    std::string text() const;
    /** Writes into the log what its owner should know. */
    void tell() const;
};

}  // namespace Passenger::Bridge
