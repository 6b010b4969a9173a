#pragma once

namespace Passenger {

/** Whether the tests are compiled with ThreadSanitizer, and whether with it or AddressSanitizer.
 *  Such tests do less, and have more time. */
#if defined(__has_feature)
#define PASSENGER_HAS_FEATURE(feature) __has_feature(feature)
#else
#define PASSENGER_HAS_FEATURE(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || PASSENGER_HAS_FEATURE(thread_sanitizer)
constexpr bool THREAD_SANITIZED = true;
#else
constexpr bool THREAD_SANITIZED = false;
#endif

#if defined(__SANITIZE_ADDRESS__) || PASSENGER_HAS_FEATURE(address_sanitizer)
constexpr bool SANITIZED = true;
#else
constexpr bool SANITIZED = THREAD_SANITIZED;
#endif

#undef PASSENGER_HAS_FEATURE

}  // namespace Passenger
