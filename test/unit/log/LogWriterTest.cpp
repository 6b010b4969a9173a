#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "io/SocketPair.h"
#include "log/Log.h"
#include "log/LogQueue.h"
#include "support/LeakCheck.h"
#include "support/SmallLog.h"
#include "support/TestThread.h"

namespace Passenger {

/** The log with a thread of its own. */
class LogWriterTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LogWriterTest);
    CPPUNIT_TEST(testLinesComeInTheirOrder);
    CPPUNIT_TEST(testAFullLogBlocksNoCaller);
    CPPUNIT_TEST(testTheNumberOfDroppedLinesIsInTheirPlace);
    CPPUNIT_TEST(testTheNumberOfLinesThatAFullDiskLosesIsInTheirPlace);
    CPPUNIT_TEST(testALineThatIsTooLongIsCountedAsDropped);
    CPPUNIT_TEST(testAFullLogMayBeReplaced);
    CPPUNIT_TEST(testLinesForAPipeWithoutAReaderWaitForTheNextLog);
    CPPUNIT_TEST(testTheDescriptorsFlagsStayAsTheyAre);
    CPPUNIT_TEST(testALongLineIsWrittenInPieces);
    CPPUNIT_TEST(testALogWithoutAReaderBlocksNoCaller);
    CPPUNIT_TEST(testACriticalLineIsWrittenWhenItsCallReturns);
    CPPUNIT_TEST(testACriticalLineWaitsOneSecondForAFullLog);
    CPPUNIT_TEST(testTheRestIsWrittenAtTheEnd);
    CPPUNIT_TEST(testTheEndIsQuickIfNothingIsLeft);
    CPPUNIT_TEST(testTheEndWaitsOneSecondForAFullLog);
    CPPUNIT_TEST(testABlockedWriteDoesNotDelayTheEnd);
    CPPUNIT_TEST(testAfterTheWritersEndLinesAreWrittenDirectly);
    CPPUNIT_TEST(testWithoutAWriterAFullLogBlocksForOneSecond);
    CPPUNIT_TEST_SUITE_END();

    using Clock = std::chrono::steady_clock;

    /** The limits for a call that does not wait, and for one that waits a second. */
    static constexpr std::chrono::milliseconds AT_ONCE{900};
    static constexpr std::chrono::milliseconds ABOUT_A_SECOND{2500};
    /** The number of attempts: a busy machine may miss the limits. */
    static constexpr int TRIES = 5;

    std::optional<SmallLog> log_;
    sighandler_t signal_ = SIG_DFL;
    std::optional<Log::Writer> writer_;

    template <typename Action> static Clock::duration timeOf(Action action) {
        const auto start = Clock::now();
        action();
        return Clock::now() - start;
    }

    /** Measures `action`, each time after `prepare`. */
    template <typename Prepare, typename Action> static void assertAtOnce(Prepare prepare, Action action) {
        bool atOnce = false;
        for (int i = 0; i < TRIES && !atOnce; ++i) {
            prepare();
            atOnce = timeOf(action) < AT_ONCE;
        }
        CPPUNIT_ASSERT(atOnce);
    }

    template <typename Prepare, typename Action> static void assertOneSecond(Prepare prepare, Action action) {
        bool inTime = false;
        for (int i = 0; i < TRIES && !inTime; ++i) {
            prepare();
            const auto time = timeOf(action);
            CPPUNIT_ASSERT(time >= std::chrono::seconds(1));
            inTime = time < ABOUT_A_SECOND;
        }
        CPPUNIT_ASSERT(inTime);
    }

    /** Makes a new log and a new writer, both empty. */
    void startAnew() {
        writer_.reset();
        log_.reset();
        log_.emplace();
        writer_.emplace();
    }

    /** Runs `action` with a new log and writer. Repeats this until `action` takes less than a
     *  second: on a busy machine, the writer's thread may not run within the longest wait for it.
     *  @return the text in the log after `action` */
    template <typename Action> std::string logAfter(Action action) {
        std::string text;
        for (int i = 0; i < TRIES; ++i) {
            startAnew();
            if (timeOf([&] { text = action(); }) < AT_ONCE) {
                break;
            }
        }
        return text;
    }

    static void printNumbers(int from, int to) {
        for (int i = from; i < to; ++i) {
            Log::writeApplicationOutput(1, std::to_string(i), false);
        }
    }

    static std::string numbers(int from, int to) {
        std::string result;
        for (int i = from; i < to; ++i) {
            result += std::to_string(i) + "\n";
        }
        return result;
    }

    static std::string withoutFilling(const std::string &text) {
        return text.substr(std::min(text.size(), text.find_first_not_of(SmallLog::FILLING)));
    }

    /** The number in the only line `event=log.dropped` of this text. */
    static std::size_t droppedIn(const std::string &text) {
        const std::string event = "event=log.dropped lines=";
        const auto at = text.find(event);
        CPPUNIT_ASSERT(at != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::string::npos, text.find(event, at + 1));
        return std::stoul(text.substr(at + event.size()));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        // The agent ignores SIGPIPE, too.
        signal_ = ::signal(SIGPIPE, SIG_IGN);
        log_.emplace();
        writer_.emplace();
    }

    void tearDown() override {
        writer_.reset();
        log_.reset();
        ::signal(SIGPIPE, signal_);
        LeakCheck::tearDown();
    }

    void testLinesComeInTheirOrder() {
        printNumbers(0, 5000);
        CPPUNIT_ASSERT_EQUAL(numbers(0, 5000), log_->readTo("4999\n"));
    }

    void testAFullLogBlocksNoCaller() {
        const auto anotherLog = [this] {
            startAnew();
            log_->fill();
        };
        assertAtOnce(anotherLog, [] { printNumbers(0, 5000); });
        CPPUNIT_ASSERT_EQUAL(numbers(0, 5000), withoutFilling(log_->readTo("4999\n")));
    }

    void testTheNumberOfDroppedLinesIsInTheirPlace() {
        // The thread has one part, one part waits, and one part is dropped.
        constexpr std::size_t COUNT = 3 * LogQueue::CAPACITY / 500;
        log_->fill();
        for (std::size_t i = 0; i < COUNT; ++i) {
            // A short line must not overtake a long one.
            Log::writeApplicationOutput(1, fmt::format("{:0>{}}", i, i % 2 == 0 ? 999 : 9), false);
        }
        std::size_t written = 0;
        std::string text = withoutFilling(log_->readTo("\n"));
        for (std::size_t next = 0; next < COUNT;) {
            if (text.find('\n') == std::string::npos) {
                text += log_->readTo("\n");
            }
            const std::string line = text.substr(0, text.find('\n'));
            text.erase(0, line.size() + 1);
            if (line.find("event=log.dropped") != std::string::npos) {
                next += droppedIn(line);
            } else {
                CPPUNIT_ASSERT_EQUAL(next, static_cast<std::size_t>(std::stoul(line)));
                ++next;
                written += line.size() + 1;
            }
        }
        // A queued line has its time and source, too.
        CPPUNIT_ASSERT(written > LogQueue::CAPACITY * 9 / 10);
        CPPUNIT_ASSERT(written <= 2 * LogQueue::CAPACITY);
        printNumbers(0, 3);
        CPPUNIT_ASSERT_EQUAL(numbers(0, 3), text + log_->readTo("2\n"));
    }

    void testALineThatIsTooLongIsCountedAsDropped() {
        Log::writeApplicationOutput(1, std::string(LogQueue::CAPACITY, 'x'), false);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), droppedIn(log_->readTo("\n")));
    }

    void testTheNumberOfLinesThatAFullDiskLosesIsInTheirPlace() {
        std::size_t lost = 0;
        for (int i = 0; i < TRIES && lost == 0; ++i) {
            {
                const FileDescriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
                ::dup2(full.get(), STDERR_FILENO);
            }
            printNumbers(0, 10);
            // The writer has met the full disk, unless the machine is very busy.
            ::poll(nullptr, 0, 300);
            SmallLog rotated;
            printNumbers(10, 11);
            // `lines=10` ends like the last line.
            std::string text = rotated.readTo("\n10\n");
            if (text.find("event=log.dropped") != std::string::npos) {
                lost = droppedIn(text);
                text.erase(0, text.find('\n') + 1);
            }
            CPPUNIT_ASSERT_EQUAL(numbers(static_cast<int>(lost), 11), text);
        }
        CPPUNIT_ASSERT(lost > 0);
    }

    void testAFullLogMayBeReplaced() {
        log_->fill();
        printNumbers(0, 10);
        SmallLog rotated;
        CPPUNIT_ASSERT_EQUAL(numbers(0, 10), rotated.readTo("9\n"));
        CPPUNIT_ASSERT_EQUAL(std::string::npos, log_->readNow().find('9'));
    }

    /** A reload ends the program behind a pipe before it starts the next one. */
    void testLinesForAPipeWithoutAReaderWaitForTheNextLog() {
        {
            const DescriptorPair broken = makePipe();
            ::dup2(broken.second.get(), STDERR_FILENO);
        }
        printNumbers(0, 10);
        // The writer has met the broken pipe, unless the machine is very busy.
        ::poll(nullptr, 0, 300);
        SmallLog rotated;
        CPPUNIT_ASSERT_EQUAL(numbers(0, 10), rotated.readTo("9\n"));
    }

    void testTheDescriptorsFlagsStayAsTheyAre() {
        const int before = ::fcntl(STDERR_FILENO, F_GETFL);
        log_->fill();
        printNumbers(0, 10);
        CPPUNIT_ASSERT_EQUAL(before, ::fcntl(STDERR_FILENO, F_GETFL));
        log_->readTo("9\n");
        CPPUNIT_ASSERT_EQUAL(before, ::fcntl(STDERR_FILENO, F_GETFL));
    }

    void testALongLineIsWrittenInPieces() {
        // If the line were one write, the rest could not go to the new log.
        const std::string line(100'000, 'x');
        Log::writeApplicationOutput(1, line, false);
        const std::string first = log_->readTo("x");
        SmallLog rotated;
        const std::string second = rotated.readTo("\n");
        CPPUNIT_ASSERT_EQUAL(line.size() + 1, first.size() + log_->readNow().size() + second.size());
    }

    void testALogWithoutAReaderBlocksNoCaller() {
        const auto leave = [this] {
            startAnew();
            log_->fill();
            printNumbers(0, 10);
            // The pipe has no reader, now and later.
            const DescriptorPair broken = makePipe();
            ::dup2(broken.second.get(), STDERR_FILENO);
        };
        assertAtOnce(leave, [this] { writer_.reset(); });
    }

    void testACriticalLineIsWrittenWhenItsCallReturns() {
        const std::string text = logAfter([this] {
            printNumbers(0, 100);
            Log::write(LogLevel::CRIT, "last words");
            return log_->readNow();
        });
        CPPUNIT_ASSERT(text.starts_with(numbers(0, 100)));
        CPPUNIT_ASSERT(text.ends_with("] last words\n"));
    }

    void testACriticalLineWaitsOneSecondForAFullLog() {
        log_->fill();
        printNumbers(0, 10);
        assertOneSecond([] {}, [] { Log::write(LogLevel::CRIT, "last words"); });
    }

    void testTheRestIsWrittenAtTheEnd() {
        const std::string text = logAfter([this] {
            log_->fill();
            printNumbers(0, 5000);
            std::atomic<bool> over = false;
            std::string all;
            TestThread reader([&] {
                while (!over) {
                    all += log_->readNow();
                    ::poll(nullptr, 0, 1);
                }
                all += log_->readNow();
            });
            writer_.reset();
            over = true;
            reader.join();
            return withoutFilling(all);
        });
        CPPUNIT_ASSERT_EQUAL(numbers(0, 5000), text);
    }

    void testTheEndIsQuickIfNothingIsLeft() {
        const auto writeAll = [this] {
            startAnew();
            printNumbers(0, 10);
            log_->readTo("9\n");
        };
        assertAtOnce(writeAll, [this] { writer_.reset(); });
    }

    void testTheEndWaitsOneSecondForAFullLog() {
        const auto fill = [this] {
            startAnew();
            log_->fill();
            printNumbers(0, 10);
        };
        assertOneSecond(fill, [this] { writer_.reset(); });
    }

    void testABlockedWriteDoesNotDelayTheEnd() {
        // A socket takes the beginning of a long line, and blocks the thread with the rest.
        DescriptorPair pair;
        const auto block = [&] {
            pair = {};
            startAnew();
            pair = makeStreamPair();
            ::dup2(pair.first.get(), STDERR_FILENO);
            Log::writeApplicationOutput(1, std::string(LogQueue::CAPACITY / 2, 'x'), false);
        };
        assertOneSecond(block, [this] { writer_.reset(); });
        // The thread sees that the writer has ended, and does not disturb the next writer.
        writer_.emplace();
        ::dup2(log_->writer().get(), STDERR_FILENO);
        pair = {};
        printNumbers(0, 10);
        CPPUNIT_ASSERT_EQUAL(numbers(0, 10), log_->readTo("9\n"));
    }

    void testAfterTheWritersEndLinesAreWrittenDirectly() {
        const std::string text = logAfter([this] {
            printNumbers(0, 10);
            writer_.reset();
            printNumbers(10, 20);
            return log_->readNow();
        });
        CPPUNIT_ASSERT_EQUAL(numbers(0, 20), text);
    }

    void testWithoutAWriterAFullLogBlocksForOneSecond() {
        writer_.reset();
        log_->fill();
        assertOneSecond([] {}, [] { printNumbers(0, 1); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogWriterTest);

}  // namespace Passenger
