#include "rights/SilentFiles.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::chrono::minutes SHORTEST{1};
constexpr std::chrono::minutes LONGEST{60};

}  // namespace

void SilentFiles::ask(const std::string &files, MonotonicTime now) {
    const auto found = silences_.find(files);
    if (found == silences_.end()) {
        return;
    }
    if (now < found->second.until) {
        throw TimeoutException(fmt::format("the file system ({}) has not answered lately", files));
    }
    found->second.until = now + found->second.pause;
}

std::chrono::minutes SilentFiles::timedOut(const std::string &files, MonotonicTime now) {
    Silence &silence = silences_[files];
    silence.pause = std::clamp(silence.pause * 2, SHORTEST, LONGEST);
    silence.until = now + silence.pause;
    return silence.pause;
}

}  // namespace Passenger
