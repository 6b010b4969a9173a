#include "prefork/OutputWriter.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <optional>
#include <string>

#include "base/FileDescriptor.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** The writer writes into a pipe, which is full at times. */
class OutputWriterTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(OutputWriterTest);
    CPPUNIT_TEST(testALineBeginsWithThePidOfItsWriter);
    CPPUNIT_TEST(testLinesThatDoNotFitAreWrittenLater);
    CPPUNIT_TEST(testWithoutALoopTheRestIsWrittenWithTheNextLine);
    CPPUNIT_TEST(testLinesOverTheLimitAreLostAndCounted);
    CPPUNIT_TEST(testTheDestructorWritesTheRest);
    CPPUNIT_TEST(testWithoutAReaderLinesAreDroppedSilently);
    CPPUNIT_TEST(testLinesThatAFullDiskDoesNotTakeAreLostAndCounted);
    CPPUNIT_TEST(testATerminalThatNobodyReadsHoldsNobody);
    CPPUNIT_TEST_SUITE_END();

    DescriptorPair pipe_;
    std::optional<CapturedLog> log_;

    std::string read() const {
        std::string all;
        char buffer[65536];
        for (ssize_t size = 0; (size = ::read(pipe_.first.get(), buffer, sizeof buffer)) > 0;) {
            all.append(buffer, static_cast<std::size_t>(size));
        }
        return all;
    }
    /** Fills the pipe. The writing end blocks otherwise, like that of a terminal. */
    void fill() const {
        const int flags = ::fcntl(pipe_.second.get(), F_GETFL);
        ::fcntl(pipe_.second.get(), F_SETFL, flags | O_NONBLOCK);
        while (::write(pipe_.second.get(), "x", 1) == 1) {
        }
        ::fcntl(pipe_.second.get(), F_SETFL, flags);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        pipe_ = makePipe();
        ::fcntl(pipe_.first.get(), F_SETFL, O_NONBLOCK);
        log_.emplace();
    }
    void tearDown() override {
        log_.reset();
        pipe_ = {};
        LeakCheck::tearDown();
    }

    void testALineBeginsWithThePidOfItsWriter() {
        OutputWriter writer(pipe_.second.get(), "STDOUT");
        writer.write(4711, "hello");
        writer.write(4712, "");
        CPPUNIT_ASSERT_EQUAL(std::string("4711 STDOUT: hello\n4712 STDOUT: \n"), read());
    }

    void testLinesThatDoNotFitAreWrittenLater() {
        EventLoop loop;
        OutputWriter writer(pipe_.second.get(), "STDERR");
        fill();
        loop.runSync([&] {
            writer.attach(loop);
            writer.write(1, "one");
            writer.write(1, "two");
        });
        std::string all;
        CPPUNIT_ASSERT(eventually([&] { return (all += read()).ends_with("x1 STDERR: one\n1 STDERR: two\n"); }));
        loop.runSync([&] { writer.detach(); });
    }

    void testWithoutALoopTheRestIsWrittenWithTheNextLine() {
        OutputWriter writer(pipe_.second.get(), "STDOUT");
        fill();
        writer.write(1, "one");
        read();
        writer.write(1, "two");
        CPPUNIT_ASSERT_EQUAL(std::string("1 STDOUT: one\n1 STDOUT: two\n"), read());
    }

    void testLinesOverTheLimitAreLostAndCounted() {
        OutputWriter writer(pipe_.second.get(), "STDOUT");
        fill();
        const std::string kilobyte(1024, 'x');
        for (std::size_t i = 0; i < 2 * OutputWriter::WAITING_LIMIT / kilobyte.size(); i++) {
            writer.write(1, kilobyte);
        }
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=prefork.output_stuck stream=STDOUT"));
        // Shorter than the lost lines, so that it has room.
        std::size_t size = read().size();
        writer.write(1, "");
        CPPUNIT_ASSERT(!log_->contains("event=prefork.output_lost"));
        while (!log_->contains("event=prefork.output_lost")) {
            size += read().size();
            writer.write(1, "");
        }
        CPPUNIT_ASSERT(log_->contains("event=prefork.output_lost stream=STDOUT lines="));
        CPPUNIT_ASSERT(size >= OutputWriter::WAITING_LIMIT - 2 * kilobyte.size());
    }

    void testTheDestructorWritesTheRest() {
        {
            OutputWriter writer(pipe_.second.get(), "STDOUT");
            fill();
            writer.write(1, "last words");
            read();
        }
        CPPUNIT_ASSERT_EQUAL(std::string("1 STDOUT: last words\n"), read());
    }

    void testWithoutAReaderLinesAreDroppedSilently() {
        const auto before = ::signal(SIGPIPE, SIG_IGN);
        OutputWriter writer(pipe_.second.get(), "STDOUT");
        pipe_.first.reset();
        writer.write(1, "hello");
        ::signal(SIGPIPE, before);
        CPPUNIT_ASSERT(!log_->contains("event=prefork"));
    }

    void testLinesThatAFullDiskDoesNotTakeAreLostAndCounted() {
        // The descriptor is that of a full disk, and later that of the pipe.
        const FileDescriptor disk(::open("/dev/full", O_WRONLY | O_CLOEXEC));
        OutputWriter writer(disk.get(), "STDOUT");
        writer.write(1, "one");
        writer.write(1, "two");
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=prefork.output_stuck stream=STDOUT reason=\"No space left"));
        CPPUNIT_ASSERT(!log_->contains("event=prefork.output_lost"));
        CPPUNIT_ASSERT_EQUAL(disk.get(), ::dup3(pipe_.second.get(), disk.get(), O_CLOEXEC));
        writer.write(1, "three");
        CPPUNIT_ASSERT(log_->contains("event=prefork.output_lost stream=STDOUT lines=2"));
        CPPUNIT_ASSERT_EQUAL(std::string("1 STDOUT: three\n"), read());
    }

    void testATerminalThatNobodyReadsHoldsNobody() {
        FileDescriptor master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(0, ::unlockpt(master.get()));
        const FileDescriptor terminal(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
        CPPUNIT_ASSERT(terminal);
        const auto written = std::async(std::launch::async, [&] {
            OutputWriter writer(terminal.get(), "STDOUT");
            for (int i = 0; i < 1000; i++) {
                writer.write(1, std::string(1000, 'x'));
            }
        });
        const bool held = written.wait_for(std::chrono::seconds(60)) == std::future_status::timeout;
        // A writer that is held gets an error.
        master.reset();
        CPPUNIT_ASSERT(!held);
        CPPUNIT_ASSERT(log_->contains("event=prefork.output_stuck"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OutputWriterTest);

}  // namespace Passenger
