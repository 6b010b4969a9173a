#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <type_traits>
#include <vector>

namespace Passenger {

// Functions may also be pointers to members.

/** What `of` returns for each element, in their order. */
template <typename Range, typename Of> auto listOf(const Range &range, Of of) {
    std::vector<std::remove_cvref_t<std::invoke_result_t<Of &, decltype(*std::begin(range))>>> list;
    list.reserve(std::size(range));
    std::transform(std::begin(range), std::end(range), std::back_inserter(list), std::ref(of));
    return list;
}

/** The elements for which `is` holds, in their order. */
template <typename Range, typename Is> auto those(const Range &range, Is is) {
    std::vector<std::remove_cvref_t<decltype(*std::begin(range))>> list;
    std::copy_if(std::begin(range), std::end(range), std::back_inserter(list), std::ref(is));
    return list;
}

/** `sum`, a number or a text, with what `of` returns for each element. */
template <typename Sum, typename Range, typename Of> Sum sumOf(Sum sum, const Range &range, Of of) {
    for (const auto &each : range) {
        sum += std::invoke(of, each);
    }
    return sum;
}

}  // namespace Passenger
