#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/Clock.h"

namespace Passenger {

/**
 * The weights that balancers are told, without swings. A host that is told to have less room gets
 * fewer requests, has more room at the next question, and would get too many again. So a weight
 * goes half of the way to the measured one in HALF_LIFE. A change of fewer than AT_ONCE points, or
 * what is left of a larger one, may be over in a moment: it is told as far as it stays, half of it
 * in HALF_LIFE_OF_SMALL.
 *
 * Pure: times are passed in. Not thread-safe.
 */
class SmoothWeights {
public:
    static constexpr std::chrono::seconds HALF_LIFE{2};
    static constexpr std::chrono::seconds HALF_LIFE_OF_SMALL{10};
    static constexpr double AT_ONCE = 10;
    /** An older weight counts no longer: nobody has asked meanwhile. */
    static constexpr std::chrono::seconds KEPT_FOR{15};
    static constexpr std::size_t MOST = 64;

    /** @param question a text for the asker and what it asks about @param measured the weight
     *  without the past
     *  @return the weight to tell */
    double next(const std::string &question, double measured, MonotonicTime now);

private:
    struct Told {
        double weight = 0;
        MonotonicTime at;
    };
    void makeRoom();

    std::map<std::string, Told> told_;
};

}  // namespace Passenger
