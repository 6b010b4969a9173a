#pragma once

#include <cppunit/TestListener.h>

#include <cstddef>
#include <string>
#include <vector>

#include "support/Sanitizer.h"

namespace Passenger {

/**
 * Tells on the standard output how a run of unit tests goes, and counts.
 *
 * Owned by main(), used by its thread only. A test that ends the process is named and counted as failed, and so is one that hangs: each
 * has limited time.
 */
class ProgressListener : public CppUnit::TestListener {
public:
    /** A test that takes longer than this is taken for hanging. Far more than any needs: the machine may be busy with other things. */
    static constexpr unsigned TEST_LIMIT_SECONDS = SANITIZED ? 1200 : 300;

    /** verbose: a line for each test, instead of a dot. */
    explicit ProgressListener(bool verbose);

    void startTest(CppUnit::Test *test) override;
    void addFailure(const CppUnit::TestFailure &failure) override;
    void endTest(CppUnit::Test *test) override;

    /** Prints what failed and why, and the line `N passed, N failed`. */
    void printSummary() const;

    std::size_t passed() const {
        return passed_;
    }
    std::size_t failed() const {
        return failed_;
    }

private:
    std::string summary(std::size_t failed) const;

    const bool verbose_;
    bool currentFailed_ = false;
    std::size_t passed_ = 0;
    std::size_t failed_ = 0;
    std::vector<std::string> failures_;
};

}  // namespace Passenger
