#include "exchange/StreamSession.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "io/SocketPair.h"
#include "support/Expect.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

class StreamSessionTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(StreamSessionTest);
    CPPUNIT_TEST(testTheSessionAsksForAStream);
    CPPUNIT_TEST(testBytesAreSentInBothDirections);
    CPPUNIT_TEST(testTheEndOfTheSessionEndsTheStream);
    CPPUNIT_TEST(testAnApplicationThatCannotBeStartedIsASpawnException);
    CPPUNIT_TEST(testAPermanentlyClosedQueueIsASpawnException);
    CPPUNIT_TEST(testAnInstanceThatDiesIsAnIOException);
    CPPUNIT_TEST(testAnAnswerWithoutAStreamIsAnIOException);
    CPPUNIT_TEST_SUITE_END();

    std::shared_ptr<FakeHost> host_;
    FileDescriptor instance_;

    /** Opens a session whose next request gets one end of a stream pair. */
    std::unique_ptr<StreamSession> open() {
        DescriptorPair pair = makeStreamPair();
        instance_ = std::move(pair.first);
        host_->prepare();
        host_->send(MessageType::ACCEPTED, 1, "", "", false, 0, pair.second.get());
        return std::make_unique<StreamSession>(host_, host_->options);
    }
    std::string readAll() {
        std::string text;
        char buffer[4096];
        for (ssize_t size; (size = ::read(instance_.get(), buffer, sizeof(buffer))) > 0;) {
            text.append(buffer, static_cast<std::size_t>(size));
        }
        return text;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
    }

    void tearDown() override {
        instance_.reset();
        host_.reset();
        LeakCheck::tearDown();
    }

    void testTheSessionAsksForAStream() {
        const auto session = open();
        const FakeHost::Request request = host_->take();
        CPPUNIT_ASSERT_EQUAL(unsigned{STREAM}, unsigned{request.header.flags});
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, request.header.headLength);
    }

    void testBytesAreSentInBothDirections() {
        const auto session = open();
        session->sendHeaders("environment");
        session->sendBodyBlock("body");
        session->closeWriter();
        const std::uint32_t length = 11;
        const std::string prefix(reinterpret_cast<const char *>(&length), sizeof(length));
        CPPUNIT_ASSERT_EQUAL(prefix + "environmentbody", readAll());
        CPPUNIT_ASSERT_EQUAL(ssize_t{6}, ::send(instance_.get(), "answer", 6, 0));
        char buffer[16];
        CPPUNIT_ASSERT_EQUAL(ssize_t{6}, ::read(session->getReader(), buffer, sizeof(buffer)));
        CPPUNIT_ASSERT_EQUAL(std::string("answer"), std::string(buffer, 6));
    }

    void testTheEndOfTheSessionEndsTheStream() {
        open().reset();
        CPPUNIT_ASSERT_EQUAL(std::string(), readAll());
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The channel has done its duty", 1U, host_->cleanEnds);
    }

    void testAnApplicationThatCannotBeStartedIsASpawnException() {
        host_->prepare();
        host_->send(MessageType::REFUSED, 1, "deadbeef", "It does not boot.", true, 500);
        const auto error = thrownBy<SpawnException>([this] { StreamSession session(host_, host_->options); });
        CPPUNIT_ASSERT_EQUAL(std::string("It does not boot."), std::string(error.what()));
    }

    void testAPermanentlyClosedQueueIsASpawnException() {
        host_->closeQueue();
        host_->refusal.emplace(500, "deadbeef", "It does not boot.");
        thrownBy<SpawnException>([this] { StreamSession session(host_, host_->options); });
    }

    void testAnInstanceThatDiesIsAnIOException() {
        host_->prepare();
        host_->send(MessageType::LOST, 1);
        thrownBy<IOException>([this] { StreamSession session(host_, host_->options); });
    }

    void testAnAnswerWithoutAStreamIsAnIOException() {
        host_->prepare();
        host_->send(MessageType::ACCEPTED, 1);
        thrownBy<ProtocolException>([this] { StreamSession session(host_, host_->options); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StreamSessionTest);

}  // namespace Passenger
