#include "commands/HttpdAnswer.h"

#include <string_view>
#include <vector>

#include "base/Split.h"
#include "commands/ProgramOutput.h"
#include "control/ExplainWords.h"

namespace Passenger {

std::string HttpdAnswer::program(const Arguments &arguments) {
    return arguments.has("httpd") ? arguments.value("httpd")
                                  : findProgram({"apache2ctl", "apachectl", "apache2", "httpd"});
}

HttpdAnswer HttpdAnswer::of(const std::string &program, const std::string &question, const Arguments &arguments) {
    constexpr std::string_view LINE = ExplainWords::LINE;
    std::vector<std::string> words{"-t", "-D", ExplainWords::DEFINE + question};
    if (arguments.has("config")) {
        words.insert(words.end(), {"-f", arguments.value("config")});
    }
    const ProgramOutput output = ProgramOutput::of(program, words, ProgramOutput::Trust::NONE);
    HttpdAnswer answer{output.succeeded, output.cutOff, "", output.text};
    // The last line counts: what .htaccess runs comes before.
    for (const std::string &line : split(output.text + "\n", '\n')) {
        if (line.starts_with(LINE)) {
            answer.text = line.substr(LINE.size());
        }
    }
    return answer;
}

}  // namespace Passenger
