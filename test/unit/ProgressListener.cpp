#include "ProgressListener.h"

#include <cppunit/Exception.h>
#include <cppunit/SourceLine.h>
#include <cppunit/Test.h>
#include <cppunit/TestFailure.h>

#include <fmt/format.h>

#include <unistd.h>
#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace Passenger {

namespace {

// For failures that end the process within a test. Not changed while a test runs, so signal
// handlers may read them.
pid_t runner;
std::string currentTest;
std::string failuresAndSummary;

/** A failed write is ignored, since there is no other place for the message. */
void say(std::string_view text) noexcept {
    [[maybe_unused]] const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
}

/** Prints the standard error that a CapturedLog has. */
void sayCapturedLog() noexcept {
    std::array<char, 4096> buffer;
    off_t at = 0;
    for (ssize_t size; (size = pread(STDERR_FILENO, buffer.data(), buffer.size(), at)) > 0; at += size) {
        say({buffer.data(), static_cast<std::size_t>(size)});
    }
}

/** The other tests cannot run, but the failures so far are printed. */
[[noreturn]] void endRun(const char *why) noexcept {
    // A test's child process may abort on purpose.
    if (getpid() == runner) {
        say("\n");
        sayCapturedLog();
        for (const std::string_view text : {std::string_view(currentTest), std::string_view(why)}) {
            say(text);
        }
        say(failuresAndSummary);
    }
    // A core dump or a debugger shows the place.
    signal(SIGABRT, SIG_DFL);
    abort();
}

void onTestLimit(int) {
    endRun(" has not ended in time\n");
}

void onAbort(int) {
    endRun(" ended the process\n");
}

}  // namespace

ProgressListener::ProgressListener(bool verbose) : verbose_(verbose) {
    runner = getpid();
    signal(SIGALRM, onTestLimit);
    signal(SIGABRT, onAbort);
}

void ProgressListener::startTest(CppUnit::Test *test) {
    currentFailed_ = false;
    currentTest = test->getName();
    failuresAndSummary = summary(failed_ + 1);
    alarm(TEST_LIMIT_SECONDS);
}

void ProgressListener::addFailure(const CppUnit::TestFailure &failure) {
    currentFailed_ = true;
    const auto *exception = failure.thrownException();
    const auto line = failure.sourceLine();
    auto place = line.isValid() ? fmt::format("{}:{}: ", line.fileName(), line.lineNumber()) : std::string();
    failures_.push_back(fmt::format("{}\n    {}{}\n    {}", failure.failedTestName(), place,
                                    exception->message().shortDescription(), exception->message().details()));
    if (getpid() != runner) {
        // A child process of a test has returned to the runner. It must not run the next test.
        say(failures_.back() + "\n");
        _exit(EXIT_FAILURE);
    }
}

void ProgressListener::endTest(CppUnit::Test *test) {
    alarm(0);
    (currentFailed_ ? failed_ : passed_)++;
    if (verbose_) {
        fmt::print("{} {}\n", currentFailed_ ? "FAILED" : "ok    ", test->getName());
    } else {
        fmt::print("{}", currentFailed_ ? 'F' : '.');
    }
    // Otherwise a test that forks prints buffered output twice, and a crash loses it.
    fflush(stdout);
}

std::string ProgressListener::summary(std::size_t failed) const {
    std::string text = "\n";
    for (const auto &failure : failures_) {
        text += fmt::format("\n{}\n", failure);
    }
    return text + fmt::format("\n{} passed, {} failed\n", passed_, failed);
}

void ProgressListener::printSummary() const {
    fmt::print("{}", summary(failed_));
}

}  // namespace Passenger
