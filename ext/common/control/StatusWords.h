#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "control/AppStatus.h"

/** Parts of a ServerStatus for people. Pure functions. */
namespace Passenger::StatusWords {

/** How much an administrator should care. */
enum class Weight { NONE, NOTICE, PROBLEM };

/** `3.4 ms`, `45 s`, `2 h 5 min`. */
std::string duration(double seconds);
/** `312 MB`. */
std::string bytes(std::uint64_t count);
/** `1`, `3.2`, `12`, `1200`: two digits or more. */
std::string rate(double perSecond);
/** `1 request`, `2 requests`. */
std::string counted(std::uint64_t count, const char *one, const char *many = nullptr);
/** `2026-11-23 16:50:12 UTC`. @param at seconds since 1970 */
std::string moment(double at);
/** For a query string: only letters, digits and a few signs stay as they are. */
std::string urlEncoded(std::string_view text);

/** The state of an application: `up`, `booting`. */
std::string state(const AppStatus &app);
Weight weightOf(const AppStatus &app);

/** Sums over an application's instances. */
struct Load {
    unsigned serving = 0;
    /** Requests in work, and those that can be. */
    unsigned busy = 0;
    unsigned slots = 0;
    /** The age of the oldest request in work, in seconds. */
    double oldest = 0;
    std::uint64_t memory = 0;
};
Load loadOf(const AppStatus &app);

/** Requests a second in the last minute. */
double rateOf(const AppStatus &app);

}  // namespace Passenger::StatusWords
