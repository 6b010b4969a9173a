#pragma once

#include <optional>
#include <string>

#include "spawning/Diagnosis.h"

namespace Passenger {

/**
 * The error with which the output of a program ends. It is the last exception in the form of
 * Python, Node or Ruby, or a line behind it that says FATAL, fatal or panic. Otherwise it is the
 * last line that looks like an error. A plain value.
 */
struct PrintedError {
    /** OTHER: it is in none of these forms, and only `message` is set, to the line. */
    Language language = Language::OTHER;
    /** The class that the language's loader tells: "ModuleNotFoundError", "Error
     *  [ERR_REQUIRE_ESM]". */
    std::string exceptionClass{};
    std::string message{};

    /**
     * @param output lines, the last ones at the end; events of the module's own parts are skipped
     * @return nothing: no line looks like an error
     */
    static std::optional<PrintedError> in(const std::string &output);
    /** Whether Node's memory for JavaScript was exhausted. Node aborts then. */
    bool isOfHeap() const;
    /** For a summary: one line. */
    std::string text() const;
};

}  // namespace Passenger
