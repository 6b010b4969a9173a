/*
 * Runs the unit tests: unit_tests [-v --list] [PART-OF-A-NAME]...
 *
 * A test's name is Namespace::Fixture::testMethod. Without arguments all tests run.
 */
#include "ProgressListener.h"

#include <cppunit/Test.h>
#include <cppunit/TestResult.h>
#include <cppunit/extensions/TestFactoryRegistry.h>

#include <fmt/format.h>
#include <sys/resource.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
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

// Tests with many applications need more descriptors than the 1,024 of an ordinary login.
void raiseDescriptorLimit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

int main(int argc, char **argv) {
    raiseDescriptorLimit();
    bool verbose = false;
    bool list = false;
    std::vector<std::string_view> parts;
    for (std::string_view argument : std::vector<std::string_view>(argv + 1, argv + argc)) {
        if (argument == "-v") {
            verbose = true;
        } else if (argument == "--list") {
            list = true;
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

    CppUnit::TestResult result;
    Passenger::ProgressListener progress(verbose);
    result.addListener(&progress);
    for (auto *test : tests) {
        test->run(&result);
    }
    progress.printSummary();
    return progress.failed() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
