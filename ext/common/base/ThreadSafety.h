#pragma once

/**
 * Clang's thread-safety annotations. Empty under other compilers. Source:
 * https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
 */
#if defined(__clang__)
#define PASSENGER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define PASSENGER_THREAD_ANNOTATION(x)
#endif

#define CAPABILITY(x) PASSENGER_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY PASSENGER_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) PASSENGER_THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES(...) PASSENGER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) PASSENGER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...) PASSENGER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) PASSENGER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define RETURN_CAPABILITY(x) PASSENGER_THREAD_ANNOTATION(lock_returned(x))
#define ASSERT_CAPABILITY(x) PASSENGER_THREAD_ANNOTATION(assert_capability(x))
#define NO_THREAD_SAFETY_ANALYSIS PASSENGER_THREAD_ANNOTATION(no_thread_safety_analysis)
