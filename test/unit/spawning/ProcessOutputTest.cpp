#include "spawning/ProcessOutput.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "log/Log.h"
#include "support/Eventually.h"
#include "support/HeldMemory.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"
#include "support/NoThreads.h"
#include "support/SmallLog.h"

namespace Passenger {

class ProcessOutputTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ProcessOutputTest);
    CPPUNIT_TEST(testLinesThatComeDuringAShortageOfThreadsAreForwardedAfterIt);
    CPPUNIT_TEST(testLinesAreForwardedAsTheyCome);
    CPPUNIT_TEST(testALineInPiecesIsOneLine);
    CPPUNIT_TEST(testLinesBeforeThePidIsKnownAreWrittenOnceItIs);
    CPPUNIT_TEST(testManyEarlyLinesDoNotWaitForThePid);
    CPPUNIT_TEST(testTheLastLinesAreKept);
    CPPUNIT_TEST(testFewerLongLinesAreKept);
    CPPUNIT_TEST(testLastLinesIncludesTheLatestOutput);
    CPPUNIT_TEST(testOutputInThePipeAtTheEndIsForwarded);
    CPPUNIT_TEST(testALineWithoutABreakIsForwardedAtTheEnd);
    CPPUNIT_TEST(testAfterItsEndTheLastLinesCanStillBeRead);
    CPPUNIT_TEST(testAProcessThatPrintsWithoutEndDoesNotBlockTheLoop);
    CPPUNIT_TEST(testAFullLogBlocksNeitherTheLoopNorAReport);
    CPPUNIT_TEST(testLinesBeyondTheLimitAreReadAndCounted);
    CPPUNIT_TEST(testAPipeWhoseLinesAreDroppedHoldsMore);
    CPPUNIT_TEST(testTheLastLineAtTheProcessesEndIsWritten);
    CPPUNIT_TEST(testAWriterThatHoldsItsPipeStopsNeitherTheLoopNorTheOutputOfOthers);
    CPPUNIT_TEST(testTheEndOfAnOutputWhosePipeIsHeldIsNotWaitedFor);
    CPPUNIT_TEST_SUITE_END();

    static constexpr pid_t PID = 4711;
    static constexpr ProcessOutput::Owner OWNER = 1;
    static constexpr ProcessOutput::Owner OTHER = 2;
    using Written = std::vector<std::pair<pid_t, std::string>>;

    std::unique_ptr<EventLoop> loop_;
    FileDescriptor writer_;
    Mutex mutex_{Locks::LOG};
    Written written_;
    ManualClock clock_;
    std::shared_ptr<OutputLimit> limit_;
    std::unique_ptr<ProcessOutput> output_;

    void print(const std::string &text) {
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(text.size()), ::write(writer_.get(), text.data(), text.size()));
    }

    Written written() {
        LockGuard guard(mutex_);
        return written_;
    }

    bool eventuallyWritten(const Written &expected) {
        return eventually([&] { return written() == expected; });
    }

    /** Returns after the loop has handled all descriptors that were ready. */
    void letTheLoopRun() {
        for (int i = 0; i < 3; ++i) {
            loop_->runSync([] {});
        }
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_ = std::make_unique<EventLoop>();
        auto pipe = makePipe();
        writer_ = std::move(pipe.second);
        output_ = std::make_unique<ProcessOutput>(*loop_, std::move(pipe.first), OWNER,
                                                  [this](pid_t pid, const std::string &line) {
                                                      LockGuard guard(mutex_);
                                                      written_.emplace_back(pid, line);
                                                  });
    }

    void tearDown() override {
        output_.reset();
        limit_.reset();
        writer_.reset();
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testLinesAreForwardedAsTheyCome() {
        output_->setPid(PID);
        print("one\ntwo\n");
        CPPUNIT_ASSERT(eventuallyWritten({{PID, "one"}, {PID, "two"}}));
        print("three\n");
        CPPUNIT_ASSERT(eventuallyWritten({{PID, "one"}, {PID, "two"}, {PID, "three"}}));
    }

    void testLinesThatComeDuringAShortageOfThreadsAreForwardedAfterIt() {
        output_->setPid(PID);
        {
            const NoThreads shortage;
            print("one\n");
            letTheLoopRun();
        }
        CPPUNIT_ASSERT(eventuallyWritten({{PID, "one"}}));
    }

    void testALineInPiecesIsOneLine() {
        output_->setPid(PID);
        print("be");
        letTheLoopRun();
        print("gin\n");
        CPPUNIT_ASSERT(eventuallyWritten({{PID, "begin"}}));
    }

    void testLinesBeforeThePidIsKnownAreWrittenOnceItIs() {
        print("early\n");
        CPPUNIT_ASSERT_EQUAL(std::string("early\n"), output_->lastLines());
        CPPUNIT_ASSERT(written().empty());
        output_->setPid(PID);
        CPPUNIT_ASSERT(eventuallyWritten({{PID, "early"}}));
    }

    void testManyEarlyLinesDoNotWaitForThePid() {
        for (std::size_t i = 0; i <= ProcessOutput::KEPT_LINES; ++i) {
            print("line\n");
        }
        CPPUNIT_ASSERT(eventually([&] { return written().size() == ProcessOutput::KEPT_LINES + 1; }));
        CPPUNIT_ASSERT_EQUAL(0, written().front().first);
    }

    void testTheLastLinesAreKept() {
        output_->setPid(PID);
        std::string expected;
        for (std::size_t i = 0; i < ProcessOutput::KEPT_LINES + 10; ++i) {
            const std::string line = "line " + std::to_string(i) + "\n";
            print(line);
            if (i >= 10) {
                expected += line;
            }
        }
        CPPUNIT_ASSERT(eventually([&] { return output_->lastLines() == expected; }));
    }

    void testFewerLongLinesAreKept() {
        output_->setPid(PID);
        const std::string line = std::string(7999, 'x') + "\n";
        for (int i = 0; i < 50; ++i) {
            print(line);
        }
        CPPUNIT_ASSERT(eventually([&] { return written().size() == 50; }));
        CPPUNIT_ASSERT_EQUAL(8 * line.size(), output_->lastLines().size());
    }

    void testLastLinesIncludesTheLatestOutput() {
        for (int i = 0; i < 100; ++i) {
            print("line\n");
            const std::string lines = output_->lastLines();
            CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(5 * (i + 1)), lines.size());
        }
    }

    void testOutputInThePipeAtTheEndIsForwarded() {
        output_->setPid(PID);
        std::string text;
        for (int i = 0; i < 1000; ++i) {
            text += "a line that is not too short\n";
        }
        print(text);
        output_.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t(1000), written().size());
    }

    void testALineWithoutABreakIsForwardedAtTheEnd() {
        print("no break");
        output_.reset();
        CPPUNIT_ASSERT(written() == Written({{0, "no break"}}));
    }

    void testAfterItsEndTheLastLinesCanStillBeRead() {
        output_->setPid(PID);
        print("last words\n");
        writer_.reset();
        CPPUNIT_ASSERT(eventuallyWritten({{PID, "last words"}}));
        letTheLoopRun();
        CPPUNIT_ASSERT_EQUAL(std::string("last words\n"), output_->lastLines());
    }

    void testAProcessThatPrintsWithoutEndDoesNotBlockTheLoop() {
        auto pipe = makePipe();
        std::atomic<bool> seen = false;
        // Slower than the writer, so the pipe is always full.
        ProcessOutput output(*loop_, std::move(pipe.first), OWNER, [&](pid_t, const std::string &) {
            seen = true;
            ::poll(nullptr, 0, 1);
        });
        output.setPid(PID);
        std::atomic<bool> stop = false;
        std::atomic<bool> gaveUp = false;
        std::thread printer([&] {
            const std::string block = std::string(4095, 'x') + "\n";
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
            while (!stop && !gaveUp) {
                [[maybe_unused]] const ssize_t size = ::write(pipe.second.get(), block.data(), block.size());
                gaveUp = std::chrono::steady_clock::now() > end;
            }
        });
        const bool printed = eventually([&] { return seen.load(); }, std::chrono::seconds(60));
        letTheLoopRun();
        const bool inTime = !gaveUp;
        stop = true;
        printer.join();
        CPPUNIT_ASSERT(printed);
        CPPUNIT_ASSERT(inTime);
    }

    void testAFullLogBlocksNeitherTheLoopNorAReport() {
        SmallLog log;
        log.fill();
        const Log::Writer logWriter;
        auto pipe = makePipe();
        const auto start = std::chrono::steady_clock::now();
        std::string expected;
        {
            ProcessOutput output(*loop_, std::move(pipe.first), OWNER);
            output.setPid(PID);
            for (int i = 0; i < 1000; ++i) {
                const std::string line = "line " + std::to_string(i) + "\n";
                CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(line.size()),
                                     ::write(pipe.second.get(), line.data(), line.size()));
                expected += i < 1000 - static_cast<int>(ProcessOutput::KEPT_LINES) ? "" : line;
            }
            CPPUNIT_ASSERT_EQUAL(expected, output.lastLines());
            letTheLoopRun();
        }
        // If each line waited for the log, it would take a second.
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
        log.readTo("output: line 999\n");
    }

    void testLinesBeyondTheLimitAreReadAndCounted() {
        constexpr int BLOCKS = 300;
        constexpr std::uint64_t LINES = 1000;
        limitToTenLines();
        output_->setPid(PID);
        std::string block;
        for (std::uint64_t i = 0; i < LINES; ++i) {
            block += "line\n";
        }
        for (int i = 0; i < BLOCKS; ++i) {
            // The pipe's end here blocks: all of it is read.
            print(block);
        }
        print("last\n");
        CPPUNIT_ASSERT(eventually([&] { return output_->lineCount() == BLOCKS * LINES + 1; }));
        const std::string lines = output_->lastLines();
        CPPUNIT_ASSERT_EQUAL(std::string("line\nlast\n"), lines.substr(lines.size() - 10));
        CPPUNIT_ASSERT_EQUAL(lines, output_->linesAfter(0));
        CPPUNIT_ASSERT_EQUAL(std::string("last\n"), output_->linesAfter(BLOCKS * LINES));
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, written().size());
        clock_.advance(OutputLimit::INTERVAL);
        limit_->finishInterval();
        const Written all = written();
        CPPUNIT_ASSERT_EQUAL(std::size_t{12}, all.size());
        CPPUNIT_ASSERT_EQUAL(std::string("last"), all[11].second);
        CPPUNIT_ASSERT_EQUAL(
            "… " + std::to_string(BLOCKS * LINES - 10) + " lines are missing here: PassengerMaxLogLinesPerSecond 1",
            all[10].second);
    }

    void testAPipeWhoseLinesAreDroppedHoldsMore() {
        limitToTenLines();
        output_->setPid(PID);
        CPPUNIT_ASSERT(eventually([&] {
            print("line\n");
            return ::fcntl(writer_.get(), F_GETPIPE_SZ) == ProcessOutput::LARGE_PIPE;
        }));
    }

    void testTheLastLineAtTheProcessesEndIsWritten() {
        limitToTenLines();
        output_->setPid(PID);
        for (int i = 0; i < 20; ++i) {
            print("line\n");
        }
        print("why it ended\n");
        output_.reset();
        limit_.reset();
        CPPUNIT_ASSERT_EQUAL(std::string("why it ended"), written().back().second);
    }

    void testAWriterThatHoldsItsPipeStopsNeitherTheLoopNorTheOutputOfOthers() {
        output_->setPid(PID);
        std::optional<HeldMemory> held;
        holdPipe(held);
        if (!held->holds()) {
            return;
        }
        // The pipe is readable.
        loop_->runSync([] {});
        CPPUNIT_ASSERT_EQUAL(std::string(), output_->lastLines());
        auto pipe = makePipe();
        ProcessOutput other(*loop_, std::move(pipe.first), OTHER);
        CPPUNIT_ASSERT_EQUAL(ssize_t{6}, ::write(pipe.second.get(), "other\n", 6));
        CPPUNIT_ASSERT_EQUAL(std::string("other\n"), other.lastLines());
        CPPUNIT_ASSERT(eventually([] { return ProcessOutput::heldUp(OWNER) > 0; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, ProcessOutput::heldUp(OTHER));
        loop_->runSync([] {});
        held.reset();
        CPPUNIT_ASSERT(eventually([this] { return !written().empty(); }));
        CPPUNIT_ASSERT_EQUAL(std::string("before"), written().front().second);
        CPPUNIT_ASSERT(eventually([] { return ProcessOutput::heldUp(OWNER) == 0; }));
    }

    void testTheEndOfAnOutputWhosePipeIsHeldIsNotWaitedFor() {
        output_->setPid(PID);
        std::optional<HeldMemory> held;
        holdPipe(held);
        if (!held->holds()) {
            return;
        }
        loop_->runSync([this] { output_.reset(); });
        loop_->runSync([] {});
        held.reset();
        ProcessOutput::awaitReaders(std::chrono::minutes(1));
        CPPUNIT_ASSERT(!written().empty());
        CPPUNIT_ASSERT_EQUAL(std::string("before"), written().front().second);
    }

private:
    /** Writes a line, and then holds the pipe. The loop looks at the pipe only then. */
    void holdPipe(std::optional<HeldMemory> &held) {
        loop_->runSync([&] {
            held.emplace([this](char *page) {
                print("before\n");
                static_cast<void>(::write(writer_.get(), page, HeldMemory::SIZE));
            });
        });
    }

    void limitToTenLines() {
        limit_ = std::make_shared<OutputLimit>(*loop_, clock_, "app");
        limit_->set(1);
        auto pipe = makePipe();
        writer_ = std::move(pipe.second);
        output_ = std::make_unique<ProcessOutput>(
            *loop_, std::move(pipe.first), OWNER,
            [this](pid_t pid, const std::string &line) {
                LockGuard guard(mutex_);
                written_.emplace_back(pid, line);
            },
            limit_);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessOutputTest);

}  // namespace Passenger
