#include "spawning/DiagnosisRule.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>

namespace Passenger {

namespace {

constexpr std::size_t LOOKED_AT = 4096;

}  // namespace

std::string_view beginning(const std::string &text) {
    return std::string_view(text).substr(0, LOOKED_AT);
}

bool has(const std::string &text, std::string_view part) {
    return beginning(text).find(part) != std::string_view::npos;
}

bool hasAny(const std::string &text, std::initializer_list<std::string_view> parts) {
    return std::ranges::any_of(parts, [&](std::string_view part) { return has(text, part); });
}

bool killedBy(const FailureFacts &failure, std::initializer_list<int> signals) {
    return failure.waitStatus && WIFSIGNALED(*failure.waitStatus) &&
           std::ranges::find(signals, WTERMSIG(*failure.waitStatus)) != signals.end();
}

bool crashed(const FailureFacts &failure) {
    return killedBy(failure, {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS});
}

bool isA(const FailureFacts &failure, std::initializer_list<std::string_view> classes) {
    return std::ranges::find(classes, failure.exceptionClass) != classes.end();
}

Finding behind(const std::string &text, std::string_view marker, std::string_view ends) {
    const std::string_view looked = beginning(text);
    const auto at = looked.find(marker);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view rest = looked.substr(at + marker.size());
    return std::string(rest.substr(0, rest.find_first_of(ends)));
}

bool shellFoundNoInterpreter(const FailureFacts &failure) {
    if (failure.step != "shell environment loaded" || !failure.waitStatus || !WIFEXITED(*failure.waitStatus)) {
        return false;
    }
    const int status = WEXITSTATUS(*failure.waitStatus);
    return status == 126 || status == 127;
}

bool acceptedNone(const FailureFacts &failure) {
    return has(failure.problem, ", but has accepted no connection after ");
}

}  // namespace Passenger
