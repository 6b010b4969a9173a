#pragma once

#include <string>

#include "commands/Arguments.h"

namespace Passenger {

/** What httpd's program, which reads its configuration anew and serves nothing, has answered to a
 *  question about it. A plain value. */
struct HttpdAnswer {
    /** Of the exit status: the configuration has no mistake. */
    bool succeeded = false;
    /** It took too long, or printed too much. */
    bool cutOff = false;
    /** A JSON object; empty: its configuration loads no mod_passenger that answers. */
    std::string text;
    /** All that the program has printed. */
    std::string output;

    /** The option --httpd, or what is in PATH; may be empty. */
    static std::string program(const Arguments &arguments);
    /** @param question a URL, or ExplainWords::ALL. Blocks as ProgramOutput. */
    static HttpdAnswer of(const std::string &program, const std::string &question, const Arguments &arguments);
};

}  // namespace Passenger
