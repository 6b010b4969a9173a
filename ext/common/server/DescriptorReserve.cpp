#include "server/DescriptorReserve.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/DescriptorLimit.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** A new child needs four: its connection, its in-flight table, its pidfd, a reply channel. */
constexpr std::size_t LARGEST = 256;
/** The reserve is at most this part of the limit. */
constexpr std::size_t PART = 4;

constexpr auto BETWEEN_QUESTIONS = 50ms;
constexpr auto BETWEEN_LINES = 10s;

}  // namespace

DescriptorReserve::DescriptorReserve(std::size_t limit, std::function<void()> askForIdleChannels)
    : size_(std::min(LARGEST, limit / PART)),
      first_(limit - size_),
      askForIdleChannels_(std::move(askForIdleChannels)) {}

void DescriptorReserve::askForIdleChannels(MonotonicTime now) {
    if (askedAt_ == MonotonicTime() || now - askedAt_ >= BETWEEN_QUESTIONS) {
        askedAt_ = now;
        askForIdleChannels_();
    }
}

void DescriptorReserve::fallShort(MonotonicTime now, const char *consequence) {
    askForIdleChannels(now);
    if (loggedAt_ == MonotonicTime() || now - loggedAt_ >= BETWEEN_LINES) {
        loggedAt_ = now;
        Log::error("event=descriptors.short limit={} reason=\"{}\" consequence=\"{}\"", descriptorLimit(),
                   explainDescriptorLimit(), consequence);
    }
}

}  // namespace Passenger
