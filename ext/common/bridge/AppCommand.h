#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace Passenger::Bridge {

/** The value of an option of LOAD, or what is meant where it is missing or empty. */
std::string optionNamed(const char *name, const std::map<std::string, std::string> &options,
                        const std::string &otherwise = "");

/** How an application is started, and what it is told about where to listen. A plain value. */
struct AppCommand {
    std::string program;
    std::vector<std::string> arguments;
    /** Whole environment, as NAME=value. */
    std::vector<std::string> environment;
    /** It is our own WSGI server, which is given each request's environment whole (RequestHead::writeForLoader()). */
    bool isOurLoader = false;

    /** From the Options of LOAD.
     *  @param library our own lib/passenger, where the loaders of Node and WSGI applications are
     *  @throws IOException when they say nothing that can be started */
    static AppCommand fromOptions(const std::map<std::string, std::string> &options, const std::string &library,
                                  std::uint16_t port, const std::string &socketPath);

    /** For people. */
    std::string text() const;
};

}  // namespace Passenger::Bridge
