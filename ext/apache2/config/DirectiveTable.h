#pragma once

#include <algorithm>

#include "apache2/config/ApplicationDirectives.h"
#include "apache2/config/ObsoleteDirectives.h"
#include "apache2/config/RequestDirectives.h"
#include "apache2/config/ServerDirectives.h"

namespace Passenger::Directives {

consteval auto joinTables() {
    std::array<Directive, SERVER.size() + APPLICATION.size() + REQUEST.size() + OBSOLETE.size()> all{};
    auto *next = std::copy(SERVER.begin(), SERVER.end(), all.begin());
    next = std::copy(APPLICATION.begin(), APPLICATION.end(), next);
    next = std::copy(REQUEST.begin(), REQUEST.end(), next);
    std::copy(OBSOLETE.begin(), OBSOLETE.end(), next);
    return all;
}

/** One row for each directive. Parsing, messages, merging, aliases, doc/CONFIGURATION.md and a test
 *  of each directive use this table. */
inline constexpr auto TABLE = joinTables();

/** @return whether each row names the reader of its setting */
consteval bool haveReaders(const auto &table) {
    return std::ranges::none_of(table, [](const Directive &one) { return one.field.reader == Reader::UNKNOWN; });
}
static_assert(haveReaders(SERVER) && haveReaders(APPLICATION) && haveReaders(REQUEST),
              "a directive needs .sets(…) or .readBy(…)");

}  // namespace Passenger::Directives
