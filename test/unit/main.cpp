/*
 * Runs the unit tests: unit_tests [-v --list] [--share K/N] [PART-OF-A-NAME]...
 *
 * A test's name is Namespace::Fixture::testMethod. Without arguments all tests run. --share runs
 * every N-th of them, beginning with the K-th: N processes together run all.
 */
#include "ProgressListener.h"

#include <cppunit/Test.h>
#include <cppunit/TestResult.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

using Tests = std::vector<CppUnit::Test *>;

// The single tests below `test`, in order.
void collect(CppUnit::Test &test, Tests &into) {
    const int count = test.getChildTestCount();
    if (count == 0 && test.countTestCases() == 1) {
        into.push_back(&test);
    }
    for (int i = 0; i < count; i++) {
        collect(*test.getChildTestAt(i), into);
    }
}

bool matches(const std::string &name, const std::vector<std::string_view> &parts) {
    for (auto part : parts) {
        if (name.find(part) != std::string::npos) {
            return true;
        }
    }
    return parts.empty();
}

// Keeps every N-th test from the K-th. False: `share` is not "K/N" with 1 <= K <= N.
bool keepShare(std::string_view share, Tests &tests) {
    std::size_t first = 0;
    std::size_t step = 0;
    const char *const end = share.data() + share.size();
    const auto [slash, error] = std::from_chars(share.data(), end, first);
    if (error != std::errc() || slash == end || *slash != '/' || std::from_chars(slash + 1, end, step).ptr != end ||
        first < 1 || first > step) {
        return false;
    }
    Tests kept;
    for (std::size_t i = first - 1; i < tests.size(); i += step) {
        kept.push_back(tests[i]);
    }
    tests.swap(kept);
    return true;
}

// Tests with many applications need more descriptors than the 1,024 of an ordinary login. Programs
// that try all descriptors inherit the limit, so it must not be as high as some containers allow.
void raiseDescriptorLimit() {
    constexpr rlim_t ENOUGH = 20000;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < ENOUGH) {
        limit.rlim_cur = std::min(limit.rlim_max, ENOUGH);
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

/** UBSan reads an object through a pipe before it checks the object's type. UBSan takes the object
 *  for damaged if it gets no pipe, and some tests leave no descriptor free. This function takes the
 *  place of libc's for UBSan, and raises the limit for the moment of its call. */
extern "C" int pipe(int ends[2]) noexcept {
    const int result = ::pipe2(ends, 0);
    rlimit limit{};
    if (result == 0 || errno != EMFILE || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return result;
    }
    const rlimit raised{limit.rlim_max, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &raised);
    const int again = ::pipe2(ends, 0);
    const int error = errno;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    errno = error;
    return again;
}

int main(int argc, char **argv) {
    raiseDescriptorLimit();
    bool verbose = false;
    bool list = false;
    std::string_view share = "1/1";
    std::vector<std::string_view> parts;
    for (int i = 1; i < argc; i++) {
        const std::string_view argument = argv[i];
        if (argument == "-v") {
            verbose = true;
        } else if (argument == "--list") {
            list = true;
        } else if (argument == "--share" && i + 1 < argc) {
            share = argv[++i];
        } else {
            parts.push_back(argument);
        }
    }

    const std::unique_ptr<CppUnit::Test> all(CppUnit::TestFactoryRegistry::getRegistry().makeTest());
    Tests tests;
    collect(*all, tests);
    std::erase_if(tests, [&parts](auto *test) { return !matches(test->getName(), parts); });

    if (list) {
        for (auto *test : tests) {
            fmt::print("{}\n", test->getName());
        }
        return EXIT_SUCCESS;
    }
    if (tests.empty() && !parts.empty()) {
        fmt::print(stderr, "No unit test has that in its name; unit_tests --list shows them.\n");
        return EXIT_FAILURE;
    }
    if (!keepShare(share, tests)) {
        fmt::print(stderr, "--share needs two numbers, for example 1/3; \"{}\" is not that.\n", share);
        return EXIT_FAILURE;
    }

    CppUnit::TestResult result;
    Passenger::ProgressListener progress(verbose);
    result.addListener(&progress);
    for (auto *test : tests) {
        test->run(&result);
    }
    progress.printSummary();
    return progress.failed() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
