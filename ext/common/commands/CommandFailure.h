#pragma once

#include <stdexcept>
#include <string>

namespace Passenger {

/** The exit statuses of the commands (doc/COMMANDS.md). */
struct ExitStatus {
    static constexpr int DONE = 0;
    /** A wrong command line, no agent, no such application or process, or the agent refused. */
    static constexpr int FAILED = 1;
    /** passenger-status: the agent refused or did not answer. */
    static constexpr int NO_ANSWER = 2;
    /** validate-install: warnings only. */
    static constexpr int WARNINGS = 2;
    /** explain: no application serves the URL. */
    static constexpr int NOT_SERVED = 2;
    /** `--wait`: the time is over. */
    static constexpr int TOO_LATE = 3;
};

/** Ends a command: the text goes to stderr, behind the command's name. */
class CommandFailureException : public std::runtime_error {
public:
    explicit CommandFailureException(const std::string &text, int status = ExitStatus::FAILED)
        : std::runtime_error(text), status_(status) {}

    int status() const noexcept { return status_; }

private:
    int status_;
};

/** No pool process answers: another one is about to start, or the agent has just ended. */
class AbsentAgentException : public CommandFailureException {
public:
    explicit AbsentAgentException(const std::string &text) : CommandFailureException(text, ExitStatus::NO_ANSWER) {}
};

}  // namespace Passenger
