#pragma once

namespace Passenger {

/**
 * Whether a FairnessKey may have one more of the places that all keys share. A key may hold as many
 * places as are free. So one key alone has at most half of the places, and n keys that want many
 * have 1/(n + 1) each. A key with one request gets any free place. The rule needs no count of the
 * keys (dynamic thresholds: Choudhury and Hahne, 1998).
 *
 * @param held places that the key would have, at least one
 * @param free places that would be free then
 */
constexpr bool isFair(unsigned held, unsigned free) noexcept {
    return held - 1 <= free;
}

}  // namespace Passenger
