#include "rights/SilentFiles.h"

#include <algorithm>
#include <utility>

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
    found->second.probes = true;
}

void SilentFiles::notAsked(const std::string &files, MonotonicTime now) {
    const auto found = silences_.find(files);
    if (found != silences_.end() && std::exchange(found->second.probes, false)) {
        found->second.until = now;
    }
}

std::chrono::minutes SilentFiles::timedOut(const std::string &files, MonotonicTime now) {
    Silence &silence = silences_[files];
    const bool counts = silence.pause.count() == 0 || std::exchange(silence.probes, false);
    if (!counts) {
        return silence.pause;
    }
    silence.pause = std::clamp(silence.pause * 2, SHORTEST, LONGEST);
    silence.until = now + silence.pause;
    return silence.pause;
}

}  // namespace Passenger
