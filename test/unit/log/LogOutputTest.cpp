#include "log/LogOutput.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "support/FileSizeLimit.h"
#include "support/LeakCheck.h"
#include "support/SmallLog.h"

namespace Passenger {

/** The log of syslog and journald. The test is their daemon, at sockets of its own. */
class LogOutputTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LogOutputTest);
    CPPUNIT_TEST(testWithoutATargetLinesAreOnDescriptorTwo);
    CPPUNIT_TEST(testSyslogGetsOneDatagramForEachRecord);
    CPPUNIT_TEST(testJournaldGetsFields);
    CPPUNIT_TEST(testADaemonThatStartsAnewGetsTheNextRecord);
    CPPUNIT_TEST(testWithoutADaemonLinesAreOnDescriptorTwo);
    CPPUNIT_TEST(testADaemonThatDoesNotReadDelaysTheLogOnce);
    CPPUNIT_TEST(testATooLargeRecordIsOnDescriptorTwo);
    CPPUNIT_TEST(testALineBehindABrokenOffLineBeginsAnew);
    CPPUNIT_TEST(testABrokenOffLineDoesNotChangeAnotherLog);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    std::optional<SmallLog> log_;
    std::optional<LogOutput> output_;

    std::string path(const char *name) const { return folder_ + "/" + name; }

    static std::string packed(const std::string &text) {
        LogRecord record;
        record.text = text;
        return record.pack();
    }

    void write(const std::string &records) {
        output_->write(records, {[] { return true; }});
    }

    /** A daemon that has just started. */
    FileDescriptor daemonAt(const std::string &path) const {
        ::unlink(path.c_str());
        FileDescriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        CPPUNIT_ASSERT_EQUAL(0, ::bind(socket.get(), reinterpret_cast<const sockaddr *>(&address), sizeof address));
        return socket;
    }

    static std::string received(const FileDescriptor &daemon) {
        std::string buffer(65536, '\0');
        const ssize_t size = ::recv(daemon.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        buffer.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return buffer;
    }

    static constexpr std::size_t BROKEN_AT = 20;

    /** Until log_ ends. */
    void logTo(const char *name) const {
        const FileDescriptor file(::open(path(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        CPPUNIT_ASSERT_EQUAL(STDERR_FILENO, ::dup2(file.get(), STDERR_FILENO));
    }

    /** The disk is full within a line. */
    void breakLineOff(const char *name) {
        logTo(name);
        const FileSizeLimit limit(BROKEN_AT);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), output_->write(packed("event=a.b"), {[] { return true; }}));
    }

    std::vector<std::string> linesOf(const char *name) const {
        std::ifstream file(path(name));
        std::vector<std::string> lines;
        for (std::string line; std::getline(file, line);) {
            lines.push_back(line);
        }
        return lines;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char folder[] = "/tmp/passenger-unit-LogOutputTest.XXXXXX";
        folder_ = ::mkdtemp(folder);
        log_.emplace();
        output_.emplace(LogOutput::Sockets{path("log"), path("journal")});
    }

    void tearDown() override {
        output_.reset();
        log_.reset();
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testWithoutATargetLinesAreOnDescriptorTwo() {
        const FileDescriptor daemon = daemonAt(path("log"));
        write(packed("event=a.b"));
        CPPUNIT_ASSERT(log_->readTo("\n").ends_with("event=a.b\n"));
        CPPUNIT_ASSERT_EQUAL(std::string(), received(daemon));
    }

    void testSyslogGetsOneDatagramForEachRecord() {
        const FileDescriptor daemon = daemonAt(path("log"));
        output_->use(*LogTarget::parse("syslog:daemon"));
        write(packed("event=a.b") + packed("event=c.d"));
        const std::string first = received(daemon);
        CPPUNIT_ASSERT(first.starts_with("<29>"));
        CPPUNIT_ASSERT(first.ends_with(" mod_passenger[0]: event=a.b"));
        CPPUNIT_ASSERT(received(daemon).ends_with(": event=c.d"));
        output_->use(LogFormat::JSON);
        write(packed("event=e.f"));
        CPPUNIT_ASSERT(received(daemon).ends_with("\"event\":\"e.f\"}"));
        CPPUNIT_ASSERT_EQUAL(std::string(), log_->readNow());
    }

    void testJournaldGetsFields() {
        const FileDescriptor daemon = daemonAt(path("journal"));
        output_->use(*LogTarget::parse("journald"));
        write(packed("event=a.b app=\"/srv/a\""));
        CPPUNIT_ASSERT(received(daemon).ends_with("EVENT=a.b\nAPP=/srv/a\n"));
    }

    void testADaemonThatStartsAnewGetsTheNextRecord() {
        FileDescriptor daemon = daemonAt(path("log"));
        output_->use(*LogTarget::parse("syslog"));
        write(packed("event=a.b"));
        daemon.reset();
        daemon = daemonAt(path("log"));
        write(packed("event=c.d"));
        CPPUNIT_ASSERT(received(daemon).ends_with("event=c.d"));
        CPPUNIT_ASSERT_EQUAL(std::string(), log_->readNow());
    }

    void testWithoutADaemonLinesAreOnDescriptorTwo() {
        output_->use(*LogTarget::parse("syslog"));
        write(packed("event=a.b") + packed("event=c.d"));
        const std::string lines = log_->readTo("c.d\n");
        CPPUNIT_ASSERT(lines.find("event=log.unreachable socket=\"" + path("log") +
                                  "\" error=\"No such file or directory\"") != std::string::npos);
        CPPUNIT_ASSERT(lines.find("event=a.b\n") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(lines.find("log.unreachable"), lines.rfind("log.unreachable"));
        const FileDescriptor daemon = daemonAt(path("log"));
        write(packed("event=e.f"));
        CPPUNIT_ASSERT(received(daemon).ends_with("event=e.f"));
        CPPUNIT_ASSERT_EQUAL(std::string(), log_->readNow());
    }

    void testADaemonThatDoesNotReadDelaysTheLogOnce() {
        const FileDescriptor daemon = daemonAt(path("log"));
        output_->use(*LogTarget::parse("syslog"));
        std::string lines;
        const auto start = std::chrono::steady_clock::now();
        // More than the kernel keeps for a daemon (net.unix.max_dgram_qlen).
        for (int i = 0; i < 100'000 && lines.empty(); ++i) {
            write(packed("event=a.b"));
            lines = log_->readNow();
        }
        CPPUNIT_ASSERT(lines.find("event=log.unreachable") != std::string::npos);
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - start >= std::chrono::seconds(1));
        const auto later = std::chrono::steady_clock::now();
        for (int i = 0; i < 20; ++i) {
            write(packed("event=c.d"));
        }
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - later < std::chrono::seconds(10));
        while (!received(daemon).empty()) {
        }
        log_->readNow();
        write(packed("event=e.f"));
        CPPUNIT_ASSERT(received(daemon).ends_with("event=e.f"));
        CPPUNIT_ASSERT_EQUAL(std::string(), log_->readNow());
    }

    void testATooLargeRecordIsOnDescriptorTwo() {
        const FileDescriptor daemon = daemonAt(path("log"));
        output_->use(*LogTarget::parse("syslog"));
        // The test's pipe has less room than a socket.
        int calls = 0;
        output_->write(packed("event=a.b error=\"" + std::string(5'000'000, 'x') + "\""),
                       {[&] { return calls++ < 3; }});
        const std::string lines = log_->readNow();
        CPPUNIT_ASSERT(lines.find("event=a.b") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::string::npos, lines.find("log.unreachable"));
        write(packed("event=c.d"));
        CPPUNIT_ASSERT(received(daemon).ends_with("event=c.d"));
    }

    void testALineBehindABrokenOffLineBeginsAnew() {
        breakLineOff("log file");
        write(packed("event=log.dropped lines=1") + packed("event=c.d"));
        const std::vector<std::string> lines = linesOf("log file");
        CPPUNIT_ASSERT_EQUAL(std::size_t(3), lines.size());
        CPPUNIT_ASSERT_EQUAL(BROKEN_AT, lines[0].size());
        CPPUNIT_ASSERT(lines[1].starts_with("["));
        CPPUNIT_ASSERT(lines[1].ends_with(" event=log.dropped lines=1"));
        CPPUNIT_ASSERT(lines[2].ends_with(" event=c.d"));
    }

    void testABrokenOffLineDoesNotChangeAnotherLog() {
        breakLineOff("log file");
        logTo("rotated");
        write(packed("event=c.d"));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), linesOf("rotated").size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogOutputTest);

}  // namespace Passenger
