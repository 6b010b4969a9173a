#include "ProgressListener.h"

#include <cppunit/Exception.h>
#include <cppunit/SourceLine.h>
#include <cppunit/Test.h>
#include <cppunit/TestFailure.h>

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace Passenger {

namespace {

// What the signal handler prints. A fixed buffer, for the handler may not touch a std::string.
char hangMessage[512];

void onTestLimit(int) {
    // The process ends here; nobody could act on a failed write.
    if (write(STDERR_FILENO, hangMessage, strlen(hangMessage)) < 0) {
        _exit(EXIT_FAILURE);
    }
    // With a core dump or a debugger the place can be seen.
    signal(SIGABRT, SIG_DFL);
    abort();
}

}  // namespace

ProgressListener::ProgressListener(bool verbose) : verbose_(verbose) {
    signal(SIGALRM, onTestLimit);
}

void ProgressListener::startTest(CppUnit::Test *test) {
    currentFailed_ = false;
    auto end = fmt::format_to_n(hangMessage, sizeof(hangMessage) - 1, "\n{} has not ended after {} seconds\n",
                                test->getName(), TEST_LIMIT_SECONDS);
    hangMessage[std::min(end.size, sizeof(hangMessage) - 1)] = '\0';
    alarm(TEST_LIMIT_SECONDS);
}

void ProgressListener::addFailure(const CppUnit::TestFailure &failure) {
    currentFailed_ = true;
    const auto *exception = failure.thrownException();
    const auto line = failure.sourceLine();
    auto place = line.isValid() ? fmt::format("{}:{}: ", line.fileName(), line.lineNumber()) : std::string();
    failures_.push_back(fmt::format("{}\n    {}{}\n    {}", failure.failedTestName(), place,
                                    exception->message().shortDescription(), exception->message().details()));
}

void ProgressListener::endTest(CppUnit::Test *test) {
    alarm(0);
    (currentFailed_ ? failed_ : passed_)++;
    if (verbose_) {
        fmt::print("{} {}\n", currentFailed_ ? "FAILED" : "ok    ", test->getName());
    } else {
        fmt::print("{}", currentFailed_ ? 'F' : '.');
    }
    // A test that forks, or a crash, would print what is still buffered twice or never.
    fflush(stdout);
}

void ProgressListener::printSummary() const {
    fmt::print("\n");
    for (const auto &failure : failures_) {
        fmt::print("\n{}\n", failure);
    }
    fmt::print("\n{} passed, {} failed\n", passed_, failed_);
}

}  // namespace Passenger
