#include "log/Log.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>

#include "base/FileDescriptor.h"
#include "support/LeakCheck.h"

namespace Passenger {

class LogTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LogTest);
    CPPUNIT_TEST(testALineHasTimeLevelAndPid);
    CPPUNIT_TEST(testLineBreaksAndControlCharactersAreEscaped);
    CPPUNIT_TEST(testOtherCharactersAreNotChanged);
    CPPUNIT_TEST(testALineIsOneWrite);
    CPPUNIT_TEST(testLinesAboveTheLevelAreDropped);
    CPPUNIT_TEST(testDescriptorTwoMayBeReplaced);
    CPPUNIT_TEST(testALogThatIsStuckIsWaitedForOnce);
    CPPUNIT_TEST(testApplicationOutputIsWrittenUnchanged);
    CPPUNIT_TEST(testApplicationOutputCanHaveAPrefix);
    CPPUNIT_TEST_SUITE_END();

    DescriptorPair pipe_;
    FileDescriptor standardError_;

    std::string written() {
        std::array<char, 4096> buffer;
        const ssize_t size = ::read(pipe_.first.get(), buffer.data(), buffer.size());
        return {buffer.data(), static_cast<std::size_t>(size)};
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        pipe_ = makePipe();
        standardError_.reset(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    }

    void tearDown() override {
        ::dup2(standardError_.get(), STDERR_FILENO);
        standardError_.reset();
        pipe_ = {};
        Log::setLevel(LogLevel::NOTICE);
        LeakCheck::tearDown();
    }

    void testALineHasTimeLevelAndPid() {
        capture();
        Log::notice("event={} signal={}", "instance.exited", 9);
        std::string line = written();
        const auto endOfTime = line.find(']');
        CPPUNIT_ASSERT(endOfTime != std::string::npos);
        const std::string rest = line.substr(endOfTime + 1);
        line.resize(endOfTime);
        for (char &character : line) {
            character = character >= '0' && character <= '9' ? '0' : character == '-' ? '+' : character;
        }
        CPPUNIT_ASSERT_EQUAL(std::string("[0000+00+00 00:00:00.000 +00:00"), line);
        CPPUNIT_ASSERT_EQUAL(
            " [passenger:notice] [pid " + std::to_string(::getpid()) + "] event=instance.exited signal=9\n", rest);
    }

    void testLineBreaksAndControlCharactersAreEscaped() {
        capture();
        Log::write(LogLevel::ERROR, std::string_view("a\nb\r\tc\x1b[1m\x7f\0d", 13));
        CPPUNIT_ASSERT(written().ends_with("] a\\nb\\r\\tc\\x1b[1m\\x7f\\x00d\n"));
    }

    void testOtherCharactersAreNotChanged() {
        capture();
        Log::error("app=\"/srv/{} %v {{}}\"", "b\xc3\xa4r");
        CPPUNIT_ASSERT(written().ends_with("] app=\"/srv/b\xc3\xa4r %v {}\"\n"));
    }

    void testALineIsOneWrite() {
        // A pipe in packet mode keeps writes apart.
        int ends[2];
        CPPUNIT_ASSERT_EQUAL(0, ::pipe2(ends, O_CLOEXEC | O_DIRECT));
        pipe_ = {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
        capture();
        Log::error("first");
        Log::error("second");
        CPPUNIT_ASSERT(written().ends_with("] first\n"));
        CPPUNIT_ASSERT(written().ends_with("] second\n"));
    }

    void testLinesAboveTheLevelAreDropped() {
        capture();
        Log::setLevel(LogLevel::WARN);
        Log::notice("unseen");
        Log::write(LogLevel::DEBUG3, "unseen");
        Log::warn("seen");
        CPPUNIT_ASSERT(written().ends_with("[passenger:warn] [pid " + std::to_string(::getpid()) + "] seen\n"));
        Log::setLevel(LogLevel::DEBUG);
        Log::debug("seen too");
        CPPUNIT_ASSERT(written().ends_with("] seen too\n"));
    }

    void testDescriptorTwoMayBeReplaced() {
        capture();
        Log::error("old");
        written();
        pipe_ = makePipe();
        capture();
        Log::error("new");
        CPPUNIT_ASSERT(written().ends_with("] new\n"));
    }

    void testALogThatIsStuckIsWaitedForOnce() {
        constexpr int LINES = 20;
        const int ends = ::fcntl(pipe_.second.get(), F_GETPIPE_SZ);
        CPPUNIT_ASSERT_EQUAL(ssize_t{ends}, ::write(pipe_.second.get(), std::string(ends, 'x').data(), ends));
        capture();
        const auto began = std::chrono::steady_clock::now();
        for (int i = 0; i < LINES; i++) {
            Log::error("lost");
        }
        // A second for the first one, and a tenth for each other one.
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - began < std::chrono::seconds(LINES / 2));
        pipe_ = makePipe();
        capture();
        Log::error("new");
        CPPUNIT_ASSERT(written().ends_with("] new\n"));
    }

    void testApplicationOutputIsWrittenUnchanged() {
        capture();
        Log::writeApplicationOutput(12, "\x1b[1mhello", false);
        CPPUNIT_ASSERT_EQUAL(std::string("\x1b[1mhello\n"), written());
    }

    void testApplicationOutputCanHaveAPrefix() {
        capture();
        Log::writeApplicationOutput(12, "hello", true);
        CPPUNIT_ASSERT_EQUAL(std::string("App 12 output: hello\n"), written());
    }

private:
    /** Makes the pipe the standard error until tearDown(). */
    void capture() { ::dup2(pipe_.second.get(), STDERR_FILENO); }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogTest);

}  // namespace Passenger
