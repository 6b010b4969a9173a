#pragma once

#include <string>

#include "commands/Arguments.h"
#include "commands/ProgramOutput.h"

namespace Passenger {

/** What httpd's program, which reads its configuration anew and serves nothing, has answered to a
 *  question about it. A plain value. */
struct HttpdAnswer {
    /** Succeeded: the configuration has no mistake. */
    ProgramOutput output;
    /** A JSON object; empty: its configuration loads no mod_passenger that answers. */
    std::string text{};

    /** The option --httpd, or what is in PATH; may be empty. */
    static std::string program(const Arguments &arguments);
    /** @param question a URL, or ExplainWords::ALL. Blocks as ProgramOutput. */
    static HttpdAnswer of(const std::string &program, const std::string &question, const Arguments &arguments);
};

}  // namespace Passenger
