#include "commands/HttpdAnswer.h"

#include <string_view>
#include <vector>

#include "base/Split.h"
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
    HttpdAnswer answer{ProgramOutput::of(program, words, ProgramOutput::Trust::NONE)};
    // The last line counts: code that a .htaccess file runs prints before, unless it leaves a
    // process behind.
    for (const std::string &line : split(answer.output.text + "\n", '\n')) {
        if (line.starts_with(LINE)) {
            answer.text = line.substr(LINE.size());
        }
    }
    return answer;
}

}  // namespace Passenger
