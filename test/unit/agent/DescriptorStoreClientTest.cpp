#include "agent/DescriptorStoreClient.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <memory>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class DescriptorStoreClientTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DescriptorStoreClientTest);
    CPPUNIT_TEST(testAStoreEntryArrivesWithItsDescriptors);
    CPPUNIT_TEST(testACallDoesNotWaitForAWatchdogThatDoesNotRead);
    CPPUNIT_TEST(testTheCallersDescriptorsMayBeClosedAfterTheCall);
    CPPUNIT_TEST(testWithoutAWatchdogFramesAreDropped);
    CPPUNIT_TEST(testTooManyDescriptorsAreRejected);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        LeakCheck::setUp();
        DescriptorPair pair = makeStreamPair();
        socket_ = std::move(pair.first);
        watchdog_ = std::make_unique<FrameSocket>(std::move(pair.second));
        client_ = std::make_unique<DescriptorStoreClient>(socket_);
    }

    void tearDown() override {
        client_.reset();
        watchdog_.reset();
        socket_.reset();
        LeakCheck::tearDown();
    }

    void testAStoreEntryArrivesWithItsDescriptors() {
        const DescriptorPair pipe = makePipe();
        client_->put("key", "note", {pipe.first.get(), pipe.second.get()});
        client_->remove("key");
        // The frames were sent when the calls returned, so no wait is needed.
        const auto stored = watchdog_->tryReceive();
        const auto removal = watchdog_->tryReceive();
        CPPUNIT_ASSERT(stored && removal);
        CPPUNIT_ASSERT(FrameType::STORE == stored->type);
        CPPUNIT_ASSERT_EQUAL(std::string("key"), stored->field(0));
        CPPUNIT_ASSERT_EQUAL(std::string("note"), stored->field(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t(2), stored->descriptors.size());
        CPPUNIT_ASSERT(FrameType::REMOVE == removal->type);
        CPPUNIT_ASSERT_EQUAL(std::string("key"), removal->field(0));
    }

    void testACallDoesNotWaitForAWatchdogThatDoesNotRead() {
        // More than the socket takes, fewer than the 1,024 descriptors of an ordinary user.
        constexpr int COUNT = 600;
        const std::string note(1000, 'n');
        for (int i = 0; i < COUNT; ++i) {
            client_->put(std::to_string(i), note, {STDERR_FILENO});
        }
        CPPUNIT_ASSERT(!client_->flush(std::chrono::milliseconds(0)));
        for (int i = 0; i < COUNT; ++i) {
            const Frame frame = watchdog_->receive(FrameSocket::in(std::chrono::seconds(60)));
            CPPUNIT_ASSERT_EQUAL(std::to_string(i), frame.field(0));
            CPPUNIT_ASSERT_EQUAL(std::size_t(1), frame.descriptors.size());
        }
        CPPUNIT_ASSERT(client_->flush(std::chrono::seconds(60)));
    }

    void testTheCallersDescriptorsMayBeClosedAfterTheCall() {
        fillTheSocket();
        {
            const DescriptorPair pipe = makePipe();
            client_->put("late", "", {pipe.second.get()});
        }
        Frame frame;
        do {
            frame = watchdog_->receive(FrameSocket::in(std::chrono::seconds(60)));
        } while (frame.field(0) != "late");
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), frame.descriptors.size());
    }

    void testWithoutAWatchdogFramesAreDropped() {
        fillTheSocket();
        watchdog_.reset();
        CPPUNIT_ASSERT(!client_->flush(std::chrono::seconds(60)));
        client_->put("a", "", {STDERR_FILENO});
        CPPUNIT_ASSERT(!client_->flush(std::chrono::seconds(60)));
    }

    void testTooManyDescriptorsAreRejected() {
        const std::vector<int> many(MAX_DESCRIPTORS + 1, STDERR_FILENO);
        thrownBy<ProtocolException>([&] { client_->put("a", "", many); });
    }

private:
    void fillTheSocket() {
        while (client_->flush(std::chrono::milliseconds(0))) {
            client_->put("filler", std::string(10000, 'n'), {});
        }
    }

    FileDescriptor socket_;
    std::unique_ptr<FrameSocket> watchdog_;
    std::unique_ptr<DescriptorStoreClient> client_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(DescriptorStoreClientTest);

}  // namespace Passenger
