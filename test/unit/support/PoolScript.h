#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/PoolModel.h"

namespace Passenger {

/** Something that happens to a Pool. What the numbers stand for depends on what there is then: any
 *  of these can be left out of a script. */
struct Happening {
    enum class Kind {
        ASK,
        ASK_FOR_ONE,
        RELEASE,
        CANCEL,
        KILL,
        BOOT,
        FAIL_BOOT,
        PASS,
        RESTART,
        RESIZE,
        CONFIGURE,
        CHANGE_OPTIONS,
        DETACH,
        CLEAR,
        LOAD,
        CALM_DOWN
    };
    Kind kind = Kind::ASK;
    std::uint32_t what = 0;
    std::uint32_t how = 0;
};

/**
 * A life of a Pool, made up from a seed: what applications and settings there are, and what
 * happens. Each happening is followed by a check of everything that is promised.
 */
class PoolScript {
public:
    PoolScript(std::uint64_t seed, std::size_t length);
    /** Plays all of it. Nothing: all promises were kept; otherwise what was not. @param story
     *  filled with what happened, for people */
    std::string play(std::vector<std::string> *story = nullptr) const;
    /** Leaves out all that need not happen for a promise to be broken, within a limit of time. */
    void shorten();
    std::size_t length() const noexcept { return happenings_.size(); }

private:
    std::vector<Happening> happenings_;
    std::vector<Options> apps_;
    PoolSettings settings_;
    /** Whether all is calm before the end. */
    bool calmEnd_ = true;
};

}  // namespace Passenger
