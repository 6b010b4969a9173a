#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace Passenger {

/** What a program has printed, and how it ended. A plain value. */
struct ProgramOutput {
    /** Whether the wait status is 0. False also: the program could not be started or took too
     *  long. */
    bool succeeded = false;
    /** It was killed, since it took too long or printed too much. */
    bool cutOff = false;
    /** Stdout and stderr, without line breaks at the end. */
    std::string text;

    /** The first line that is not empty, for people: without control characters, and cut where it
     *  is very long. "it printed nothing" if there is none. */
    std::string firstLine() const;

    static constexpr std::chrono::seconds PATIENCE{20};

    /** NONE: other users may have the program run their code. It gets a session of its own, so no
     *  terminal, and no variables but PATH, LANG and those of httpd's configuration. Processes that
     *  it leaves in the session are killed. */
    enum class Trust { FULL, NONE };

    /** Runs a program to its end. Blocks, for `patience` and two seconds at most.
     *  @throws SystemException: no pipe */
    static ProgramOutput of(const std::string &program, const std::vector<std::string> &arguments,
                            Trust trust = Trust::FULL, std::chrono::milliseconds patience = PATIENCE);
};

/** The path of the first of these programs in PATH or in root's usual folders; may be empty. */
std::string findProgram(const std::vector<std::string> &names);

}  // namespace Passenger
