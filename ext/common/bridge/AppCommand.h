#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace Passenger::Bridge {

/** The value of an option of LOAD, or `otherwise` where the option is missing or empty. */
std::string optionNamed(const char *name, const std::map<std::string, std::string> &options,
                        const std::string &otherwise = "");

/** The command that starts an application and tells it where to listen. A plain value. */
struct AppCommand {
    /** The application and its kind, for the titles of our processes. */
    std::string name;
    std::string program;
    std::vector<std::string> arguments;
    /** The whole environment, as NAME=value. */
    std::vector<std::string> environment;
    /** Our own WSGI server, which gets whole environments (RequestHead::writeForLoader()). */
    bool isOurLoader = false;

    /**
     * @param options of LOAD
     * @param library our lib/passenger, which has the loaders of Node and WSGI applications
     * @throws IOException when the options name nothing to start
     */
    static AppCommand fromOptions(const std::map<std::string, std::string> &options, const std::string &library,
                                  std::uint16_t port, const std::string &socketPath);

    /** For messages. */
    std::string text() const;
};

}  // namespace Passenger::Bridge
