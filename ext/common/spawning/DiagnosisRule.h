#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "spawning/Diagnosis.h"

namespace Passenger {

/**
 * The finding of a rule; it replaces each {} in the rule's texts. Nothing: the rule does not apply.
 */
using Finding = std::optional<std::string>;

/** A usual cause of failed starts. A plain value. */
struct DiagnosisRule {
    Finding (*look)(const FailureFacts &);
    const char *cause;
    const char *remedy;
    /** See Diagnosis::brief. */
    const char *brief = "";
};

// What rules ask. Messages can be long: the text that identifies the cause is in their first 4 KiB.

std::string_view beginning(const std::string &text);
bool has(const std::string &text, std::string_view part);
bool hasAny(const std::string &text, std::initializer_list<std::string_view> parts);
/** Whether a signal that tells of broken native code ended the process. */
bool crashed(const FailureFacts &failure);
bool killedBy(const FailureFacts &failure, std::initializer_list<int> signals);
/** Whether the exception's class is one of these. */
bool isA(const FailureFacts &failure, std::initializer_list<std::string_view> classes);
/** The text after `marker`, up to one of `ends`. Nothing without the marker. */
Finding behind(const std::string &text, std::string_view marker, std::string_view ends);

/** Whether a login shell could not execute the interpreter. It ends with 127 where the program is
 *  not there, and with 126 where it may not be executed (POSIX, sh). */
bool shellFoundNoInterpreter(const FailureFacts &failure);

/** Whether a program listened that a bridge has started, and accepted no connection in time. */
bool acceptedNone(const FailureFacts &failure);

inline Finding when(bool applies) {
    return applies ? Finding("") : std::nullopt;
}

}  // namespace Passenger
