#include "spawning/SpawnSteps.h"

#include <algorithm>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

using SteadyClock = std::chrono::steady_clock;

std::chrono::milliseconds since(SteadyClock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
}

}  // namespace

void SpawnSteps::begin(const std::string &name) {
    if (steps_.size() < MOST_STEPS) {
        steps_.push_back({name.substr(0, MAX_NAME), State::BEGUN, {}, SteadyClock::now()});
    }
}

void SpawnSteps::done(const std::string &name) {
    if (const auto *step = underWay(name)) {
        end(name, State::DONE, since(step->begunAt));
    }
}

void SpawnSteps::wasDone(const std::string &name, std::chrono::milliseconds duration) {
    begin(name);
    end(name, State::DONE, duration);
}

void SpawnSteps::report(const Frame &frame) {
    const auto &name = frame.field(0);
    const auto &state = frame.field(1);
    const std::chrono::milliseconds duration(frame.number(2));
    if (state == "begin") {
        begin(name);
    } else if (state == "done") {
        end(name, State::DONE, duration);
    } else if (state == "failed") {
        end(name, State::FAILED, duration);
    } else {
        throw ProtocolException("a step of the unknown state \"" + state + "\"");
    }
}

void SpawnSteps::fail() {
    for (auto &step : steps_) {
        if (step.state == State::BEGUN) {
            step.state = State::FAILED;
            step.duration = since(step.begunAt);
        }
    }
}

std::string SpawnSteps::current() const {
    for (const auto wanted : {State::BEGUN, State::FAILED}) {
        const auto found =
            std::find_if(steps_.rbegin(), steps_.rend(), [&](const Step &step) { return step.state == wanted; });
        if (found != steps_.rend()) {
            return found->name;
        }
    }
    return "";
}

void SpawnSteps::end(const std::string &name, State state, std::chrono::milliseconds duration) {
    if (auto *step = underWay(name)) {
        step->state = state;
        step->duration = duration;
    }
}

SpawnSteps::Step *SpawnSteps::underWay(const std::string &name) {
    const std::string kept = name.substr(0, MAX_NAME);
    const auto found = std::find_if(steps_.rbegin(), steps_.rend(),
                                    [&](const Step &step) { return step.name == kept && step.state == State::BEGUN; });
    return found == steps_.rend() ? nullptr : &*found;
}

}  // namespace Passenger
