#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace Passenger {

/** What an application is written in. OTHER: a start command that does not show it. */
enum class Language { RUBY, PYTHON, NODE, OTHER };

/** The facts about a failed start that may show its cause. */
struct FailureFacts {
    std::string step{};
    /** The application's exception, if it raised one. */
    std::string exceptionClass{};
    std::string exceptionMessage{};
    /** The message of the agent or the spawn server. */
    std::string problem{};
    /** The last lines that the process printed. */
    std::string output{};
    /** The error with which the output of a start command ends, if it has no exception's form. */
    std::string lastError{};
    /** The status of wait(2) of the process, or of the command, if it ended by itself. */
    std::optional<int> waitStatus{};
    bool timedOut = false;
    Language language = Language::RUBY;
};

/** Sentences for people. Both are empty if the cause is unknown. */
struct Diagnosis {
    std::string cause;
    std::string remedy;
    /** Both in a few words, for the first line of a report; empty: the summary says enough. */
    std::string brief;
    /** The index of the rule that applied; without one, the number of rules. */
    std::size_t rule = 0;
};

/**
 * The usual cause of such a failure, and its remedy. The first rule that applies decides: of the
 * ends of processes (Diagnosis.cpp), of the application's language, and of all others. Pure.
 */
Diagnosis diagnose(const FailureFacts &failure);
std::size_t diagnosisRules() noexcept;

}  // namespace Passenger
