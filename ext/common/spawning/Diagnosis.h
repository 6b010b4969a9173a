#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace Passenger {

/** What is known of a failed start, as far as its cause can be told from it. */
struct FailureFacts {
    /** During which step. */
    std::string step{};
    /** Of the application, if it raised one. */
    std::string exceptionClass{};
    std::string exceptionMessage{};
    /** What the agent or the spawn server says. */
    std::string problem{};
    /** How the process ended, if it did so by itself: a status of wait(2). */
    std::optional<int> waitStatus{};
    bool timedOut = false;
};

/** Sentences for people. Both empty: nothing is known. */
struct Diagnosis {
    std::string cause;
    std::string remedy;
    /** The place of the rule that applied, from 0; that of none behind the last. */
    std::size_t rule = 0;
};

/** What usually causes such a failure, and how to mend it. The first rule of the table in Diagnosis.cpp that applies decides. Pure. */
Diagnosis diagnose(const FailureFacts &failure);
/** How many rules the table has. */
std::size_t diagnosisRules() noexcept;

}  // namespace Passenger
