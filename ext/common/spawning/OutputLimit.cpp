#include "spawning/OutputLimit.h"

#include <limits>
#include <utility>

#include <fmt/format.h>

#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::uint64_t SECONDS = std::chrono::seconds(OutputLimit::INTERVAL).count();
/** Until the next look, if the loop's timer came before the interval's end. */
constexpr std::chrono::seconds AGAIN{1};

}  // namespace

OutputLimit::OutputLimit(EventLoop &loop, const Clock &clock, std::string app, LimitCountsPtr counts)
    : clock_(clock), app_(std::move(app)), counts_(std::move(counts)), timer_(loop, [this] { finishInterval(); }) {}

OutputLimit::~OutputLimit() {
    timer_.stop();
    Rest rest;
    {
        const LockGuard guard(mutex_);
        rest = takeRest();
    }
    write(rest);
}

void OutputLimit::set(unsigned linesPerSecond) {
    const LockGuard guard(mutex_);
    most_ = linesPerSecond * SECONDS;
}

std::uint64_t OutputLimit::most() {
    const LockGuard guard(mutex_);
    return most_ == 0 ? std::numeric_limits<std::uint64_t>::max() : most_;
}

void OutputLimit::write(pid_t pid, const std::string &line, const OutputSink &sink) {
    Rest rest;
    bool passes = true;
    bool starts = false;
    {
        const LockGuard guard(mutex_);
        rest = takeRestIfOver(clock_.now());
        const std::uint64_t size = 1 + line.size() / LINE;
        passes = most_ == 0 || (!last_ && missing_ == 0 && used_ + size <= most_);
        if (passes) {
            used_ += size;
        } else {
            starts = !std::exchange(timed_, true);
            missing_ += last_ ? 1 : 0;
            last_ = Last{pid, line, sink};
        }
    }
    write(rest);
    if (passes) {
        sink(pid, line);
    } else if (starts) {
        // An application that prints nothing more still gets its last line into the log.
        timer_.start(INTERVAL);
    }
}

void OutputLimit::skipped(std::uint64_t lines) {
    const LockGuard guard(mutex_);
    missing_ += lines + (last_ ? 1 : 0);
    last_.reset();
}

bool OutputLimit::full() {
    const LockGuard guard(mutex_);
    return most_ > 0 && (last_ || missing_ > 0) && clock_.now() - since_ < INTERVAL;
}

void OutputLimit::finishInterval() {
    Rest rest;
    bool early = false;
    {
        const LockGuard guard(mutex_);
        rest = takeRestIfOver(clock_.now());
        early = timed_;
    }
    write(rest);
    if (early) {
        timer_.start(AGAIN);
    }
}

OutputLimit::Rest OutputLimit::takeRestIfOver(MonotonicTime now) {
    if (now - since_ < INTERVAL) {
        return {};
    }
    since_ = now;
    used_ = 0;
    return takeRest();
}

OutputLimit::Rest OutputLimit::takeRest() {
    timed_ = false;
    counts_->logLinesDropped += missing_;
    return {std::exchange(last_, std::nullopt), std::exchange(missing_, 0), static_cast<unsigned>(most_ / SECONDS)};
}

void OutputLimit::write(const Rest &rest) const {
    if (rest.missing > 0) {
        Log::warn("event=output.cut app=\"{}\" lines={} directive=PassengerMaxLogLinesPerSecond limit={}", app_,
                  rest.missing, rest.linesPerSecond);
        if (rest.last) {
            rest.last->sink(rest.last->pid, fmt::format("… {} lines are missing here: PassengerMaxLogLinesPerSecond {}",
                                                        rest.missing, rest.linesPerSecond));
        }
    }
    if (rest.last) {
        rest.last->sink(rest.last->pid, rest.last->line);
    }
}

}  // namespace Passenger
