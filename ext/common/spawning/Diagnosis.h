#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace Passenger {

/** The facts about a failed start that may show its cause. */
struct FailureFacts {
    /** The step that failed. */
    std::string step{};
    /** The application's exception, if it raised one. */
    std::string exceptionClass{};
    std::string exceptionMessage{};
    /** The message of the agent or the spawn server. */
    std::string problem{};
    /** The last lines that the process printed. */
    std::string output{};
    /** The process's status of wait(2), if it ended by itself. */
    std::optional<int> waitStatus{};
    bool timedOut = false;
    /** The application is in Python. */
    bool python = false;
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
 * The usual cause of such a failure, and its remedy. The first rule of the table in Diagnosis.cpp
 * that applies decides. Pure.
 */
Diagnosis diagnose(const FailureFacts &failure);
/** The number of rules. */
std::size_t diagnosisRules() noexcept;

}  // namespace Passenger
