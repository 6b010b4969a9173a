#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "io/Frame.h"

namespace Passenger {

/**
 * The steps of one spawn: how each ended and how long it took. Ours are begun and ended here, the new process's come as
 * STEP frames. Steps may lie within others. Not thread-safe.
 */
class SpawnSteps {
public:
    enum class State { BEGUN, DONE, FAILED };
    struct Step {
        std::string name;
        State state = State::BEGUN;
        std::chrono::milliseconds duration{0};
        std::chrono::steady_clock::time_point begunAt{};
    };

    /** More than any honest steps has: a process cannot fill our memory with steps. */
    static constexpr std::size_t MOST_STEPS = 100;

    void begin(const std::string &name);
    /** Ends the last step of this name that is under way. */
    void done(const std::string &name);
    /** One that somebody else has begun and ended. */
    void wasDone(const std::string &name, std::chrono::milliseconds duration);
    /** Takes a STEP frame. @throws ProtocolException */
    void report(const Frame &frame);
    /** Ends all that is under way, as failed. */
    void fail();

    /** The innermost step that is under way; where none is, the last one that failed; or empty. */
    std::string current() const;
    const std::vector<Step> &steps() const noexcept {
        return steps_;
    }

private:
    void end(const std::string &name, State state, std::chrono::milliseconds duration);
    Step *underWay(const std::string &name);

    std::vector<Step> steps_;
};

}  // namespace Passenger
