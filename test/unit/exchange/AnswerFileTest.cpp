#include "exchange/AnswerFile.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "exchange/MessageSession.h"
#include "io/SocketPair.h"

#include "support/FakeHost.h"
#include "support/HasText.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class AnswerFileTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AnswerFileTest);
    CPPUNIT_TEST(testFilesOfLocalFileSystemsAreTaken);
    CPPUNIT_TEST(testOtherDescriptorsAreRefused);
    CPPUNIT_TEST(testRangesBeyondTheFileAreRefused);
    CPPUNIT_TEST(testARequestTellsThatAFileIsTaken);
    CPPUNIT_TEST(testARangeOfTheFileEndsTheAnswer);
    CPPUNIT_TEST(testTheInstanceIsFreeBeforeTheFileIsRead);
    CPPUNIT_TEST(testAFileThatBecomesShorterBreaksTheAnswer);
    CPPUNIT_TEST(testBytesThatAFileGetsMeanwhileAreNotSent);
    CPPUNIT_TEST(testTheFileIsClosedWithTheSession);
    CPPUNIT_TEST(testMessagesThatBreakTheRulesBreakTheAnswer);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t SIZE = 200'000;

    std::shared_ptr<FakeHost> host_;
    std::unique_ptr<MessageSession> session_;
    std::vector<char> buffer_;
    FileDescriptor file_;
    std::string content_;

    static FileDescriptor again(const FileDescriptor &file, int flags) {
        const std::string path = "/proc/self/fd/" + std::to_string(file.get());
        return FileDescriptor(::open(path.c_str(), flags | O_CLOEXEC));
    }
    static FileDescriptor opened(const char *path, int flags = O_RDONLY) {
        return FileDescriptor(::open(path, flags | O_CLOEXEC));
    }
    static std::string text(FileRange range) { return {reinterpret_cast<const char *>(&range), sizeof(range)}; }
    static std::string problemOf(const FileDescriptor &file, FileRange range = {0, 1}) {
        const char *problem = AnswerFile::problemOf(file, range);
        return problem != nullptr ? problem : "";
    }

    void begin(bool takesFile = true) {
        host_ = std::make_shared<FakeHost>();
        session_ = std::make_unique<MessageSession>(host_, host_->options);
        MessageSession::Request request;
        request.takesFile = takesFile;
        CPPUNIT_ASSERT(!session_->start(request));
        const FakeHost::Request taken = host_->take();
        CPPUNIT_ASSERT_EQUAL(takesFile, (taken.header.flags & TAKES_FILE) != 0);
        host_->claim(taken);
    }
    void sendHead() {
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n");
        CPPUNIT_ASSERT(!receive().ends());
    }
    void sendFile(FileRange range, bool last = true) {
        host_->send(MessageType::ANSWER_FILE, 1, "", text(range), last, 0, file_.get());
    }
    Reply receive() { return session_->receive(buffer_, -1, 60s); }
    void assertBroken(const char *reason) {
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::BROKEN && reply.ends() && reply.body.empty());
        CPPUNIT_ASSERT_MESSAGE(reply.text, hasText(reply.text, reason));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        buffer_.resize(MessageSession::BUFFER_SIZE);
        // A file of tmpfs.
        file_ = FileDescriptor(::memfd_create("test", MFD_CLOEXEC));
        content_.clear();
        for (std::uint64_t at = 0; at < SIZE; at++) {
            content_ += static_cast<char>('a' + at % 23);
        }
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(SIZE), ::write(file_.get(), content_.data(), SIZE));
    }

    void tearDown() override {
        session_.reset();
        host_.reset();
        file_.reset();
        LeakCheck::tearDown();
    }

    void testFilesOfLocalFileSystemsAreTaken() {
        CPPUNIT_ASSERT_EQUAL(std::string(), problemOf(file_, {0, SIZE}));
        CPPUNIT_ASSERT_EQUAL(std::string(), problemOf(again(file_, O_RDONLY), {SIZE - 1, 1}));
    }

    void testOtherDescriptorsAreRefused() {
        struct Case {
            const char *name;
            std::function<FileDescriptor()> make;
            const char *reason;
        };
        const char *const OPEN = "not open for ordinary reading";
        const char *const KIND = "not a regular file";
        const Case cases[] = {
            {"no descriptor", [] { return FileDescriptor(); }, OPEN},
            {"write-only", [&] { return again(file_, O_WRONLY); }, OPEN},
            {"O_PATH", [&] { return again(file_, O_PATH); }, OPEN},
            {"neither", [&] { return again(file_, O_ACCMODE); }, OPEN},
            {"O_DIRECT", [&] { return again(file_, O_RDONLY | O_DIRECT); }, OPEN},
            {"folder", [] { return opened("/", O_RDONLY | O_DIRECTORY); }, KIND},
            {"pipe", [] { return std::move(makePipe().first); }, KIND},
            {"socket", [] { return std::move(makeStreamPair().first); }, KIND},
            {"device", [] { return opened("/dev/zero"); }, KIND},
            {"event descriptor", [] { return makeEventDescriptor(); }, KIND},
            {"file without a size", [] { return opened("/proc/self/status"); }, "fewer bytes"},
            {"sysfs", [] { return opened("/sys/devices/system/cpu/possible"); }, "file system"},
        };
        for (const Case &one : cases) {
            const FileDescriptor descriptor = one.make();
            const std::string problem = problemOf(descriptor);
            CPPUNIT_ASSERT_MESSAGE(one.name + (": " + problem), hasText(problem, one.reason));
        }
    }

    void testRangesBeyondTheFileAreRefused() {
        constexpr std::uint64_t MOST = std::numeric_limits<std::uint64_t>::max();
        const FileRange ranges[] = {{0, 0},    {0, SIZE + 1}, {SIZE, 1},        {1, SIZE},
                                    {MOST, 2}, {2, MOST},     {MOST, MOST - 1}, {MOST - SIZE, SIZE + 1}};
        for (const FileRange &range : ranges) {
            CPPUNIT_ASSERT(hasText(problemOf(file_, range), "fewer bytes"));
        }
    }

    void testARequestTellsThatAFileIsTaken() {
        begin(false);
        begin(true);
    }

    void testARangeOfTheFileEndsTheAnswer() {
        begin();
        sendHead();
        host_->send(MessageType::DATA, 1, "", "first ");
        sendFile({1000, 150'000});
        std::string body;
        for (;;) {
            CPPUNIT_ASSERT(session_->replyWaiting());
            const Reply reply = receive();
            CPPUNIT_ASSERT(reply.kind == Reply::Kind::DATA);
            CPPUNIT_ASSERT_EQUAL(!body.empty(), reply.fromFile);
            body.append(reply.body.data(), reply.body.size());
            if (reply.ends()) {
                break;
            }
        }
        CPPUNIT_ASSERT("first " + content_.substr(1000, 150'000) == body);
        session_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
    }

    void testTheInstanceIsFreeBeforeTheFileIsRead() {
        begin();
        sendHead();
        sendFile({0, SIZE});
        host_->clearClaim();
        CPPUNIT_ASSERT(!receive().ends());
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().completed);
        CPPUNIT_ASSERT(session_->awaitReply(-1, MessageSession::Awaited::ROOM, 60s).reply);
        CPPUNIT_ASSERT(!receive().ends());
    }

    void testAFileThatBecomesShorterBreaksTheAnswer() {
        begin();
        sendHead();
        sendFile({0, SIZE});
        CPPUNIT_ASSERT(!receive().ends());
        CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(file_.get(), SIZE - 1));
        CPPUNIT_ASSERT(!receive().ends());
        CPPUNIT_ASSERT(!receive().ends());
        assertBroken("became shorter");
    }

    void testBytesThatAFileGetsMeanwhileAreNotSent() {
        begin();
        sendHead();
        sendFile({SIZE - 10, 10});
        CPPUNIT_ASSERT_EQUAL(ssize_t{4}, ::write(file_.get(), "more", 4));
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.ends());
        CPPUNIT_ASSERT_EQUAL(content_.substr(SIZE - 10), std::string(reply.body.data(), reply.body.size()));
    }

    void testTheFileIsClosedWithTheSession() {
        begin();
        sendHead();
        sendFile({0, SIZE});
        CPPUNIT_ASSERT(!receive().ends());
        // LeakCheck looks for it.
        session_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
    }

    void testMessagesThatBreakTheRulesBreakTheAnswer() {
        struct Case {
            const char *reason;
            std::function<void()> send;
        };
        const char *const PLACE = "elsewhere than at the end";
        const char *const FORM = "without exactly one descriptor";
        const Case cases[] = {
            {PLACE,
             [&] {
                 begin(false);
                 sendHead();
                 sendFile({0, SIZE});
             }},
            {PLACE,
             [&] {
                 begin();
                 sendFile({0, SIZE});
             }},
            {PLACE,
             [&] {
                 begin();
                 sendHead();
                 sendFile({0, SIZE}, false);
             }},
            {FORM,
             [&] {
                 begin();
                 sendHead();
                 host_->send(MessageType::ANSWER_FILE, 1, "", text({0, SIZE}), true);
             }},
            {FORM,
             [&] {
                 begin();
                 sendHead();
                 host_->send(MessageType::ANSWER_FILE, 1, "", text({0, SIZE}) + "x", true, 0, file_.get());
             }},
            {"fewer bytes",
             [&] {
                 begin();
                 sendHead();
                 sendFile({0, SIZE + 1});
             }},
        };
        for (const Case &one : cases) {
            one.send();
            assertBroken(one.reason);
            session_.reset();
            CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AnswerFileTest);

}  // namespace Passenger
