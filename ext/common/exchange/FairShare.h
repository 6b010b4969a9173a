#pragma once

namespace Passenger {

/**
 * Whether a FairnessKey may have one more of the places that all keys share: it may hold as many as
 * are free. So one key alone has half of the places at most, n keys that want many have 1/(n + 1)
 * each, and a key with one request has any place that there is. Nobody has to know how many keys
 * there are (dynamic thresholds: Choudhury and Hahne, 1998).
 *
 * @param held places that the key would have, at least one
 * @param free places that would be free then
 */
constexpr bool isFair(unsigned held, unsigned free) noexcept {
    return held - 1 <= free;
}

}  // namespace Passenger
