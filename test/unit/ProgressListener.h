#pragma once

#include <cppunit/TestListener.h>

#include <cstddef>
#include <string>
#include <vector>

#include "support/Sanitizer.h"

namespace Passenger {

/**
 * Prints the progress of a run of unit tests on the standard output, and counts the tests.
 *
 * Owned by main(), used by its thread only. A test that ends the process counts as failed, and its
 * name is printed. So does a test that exceeds its time limit.
 */
class ProgressListener : public CppUnit::TestListener {
public:
    /** A test that takes longer counts as hanging. No test needs so long, even on a busy
     *  machine. */
    static constexpr unsigned TEST_LIMIT_SECONDS = SANITIZED ? 1200 : 300;

    /** @param verbose a line for each test instead of a dot */
    explicit ProgressListener(bool verbose);

    void startTest(CppUnit::Test *test) override;
    void addFailure(const CppUnit::TestFailure &failure) override;
    void endTest(CppUnit::Test *test) override;

    /** Prints the failures with their reasons, and the line `N passed, N failed`. */
    void printSummary() const;

    std::size_t passed() const { return passed_; }
    std::size_t failed() const { return failed_; }

private:
    std::string summary(std::size_t failed) const;

    const bool verbose_;
    bool currentFailed_ = false;
    std::size_t passed_ = 0;
    std::size_t failed_ = 0;
    std::vector<std::string> failures_;
};

}  // namespace Passenger
