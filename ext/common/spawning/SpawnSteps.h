#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "io/Frame.h"

namespace Passenger {

/**
 * The steps of one spawn, each with its state and duration. The agent's steps begin and end here;
 * the new process's steps arrive in STEP frames. Steps may be nested. Not thread-safe.
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

    /** More than any spawn has. Limits the memory that a process can use up by STEP frames. */
    static constexpr std::size_t MOST_STEPS = 100;
    /** Longer names are cut, likewise. In bytes. */
    static constexpr std::size_t MAX_NAME = 200;

    void begin(const std::string &name);
    /** Ends the last open step of this name. */
    void done(const std::string &name);
    /** Adds a step that another process has finished. */
    void wasDone(const std::string &name, std::chrono::milliseconds duration);
    /** Records a STEP frame. @throws ProtocolException */
    void report(const Frame &frame);
    /** Ends all open steps as failed. */
    void fail();

    /** The innermost open step; without one, the last failed step; otherwise empty. */
    std::string current() const;
    const std::vector<Step> &steps() const noexcept { return steps_; }

private:
    void end(const std::string &name, State state, std::chrono::milliseconds duration);
    Step *underWay(const std::string &name);

    std::vector<Step> steps_;
};

}  // namespace Passenger
