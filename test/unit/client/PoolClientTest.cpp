#include "client/PoolClient.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "client/AppLink.h"
#include "exchange/QueueHost.h"
#include "io/RequestQueue.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "shm/GenerationTable.h"
#include "shm/SenderMemory.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The test is the agent. It answers before it is asked. */
class PoolClientTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PoolClientTest);
    CPPUNIT_TEST(testAnAgentThatEndsBeforeItsAnswerIsATimeout);
    CPPUNIT_TEST(testANoticeTakesTheNextConnectionIfOneHasEnded);
    CPPUNIT_TEST(testAnAnswerWithoutRoomForItsDescriptorsIsAShortage);
    CPPUNIT_TEST(testAQuestionForTheQueueIsRepeatedInAShortage);
    CPPUNIT_TEST(testIdleChannelsAreClosedThoughTheAgentCannotBeTold);
    CPPUNIT_TEST(testAnApplicationThatTheAgentHasEndedIsForgotten);
    CPPUNIT_TEST(testAnApplicationMayBeNewWhileTheProcessEnds);
    CPPUNIT_TEST(testThreadsThatFindANewAgentAtOnceUseOneEpoch);
    CPPUNIT_TEST_SUITE_END();

    DescriptorPair connect_;
    DescriptorPair wake_;
    std::unique_ptr<GenerationTable> table_;
    std::unique_ptr<RequestQueue> queue_;
    std::unique_ptr<Claims> claims_;
    std::unique_ptr<SenderMemory> senders_;
    std::shared_ptr<PoolClient> client_;

    /** A connection that the client finds when it makes its next one. */
    FrameSocket offer(const Frame &answerToHello, const std::vector<int> &descriptors) {
        DescriptorPair pair = makeStreamPair();
        const int end = pair.second.get();
        sendWithDescriptors(connect_.first, "!", {&end, 1});
        FrameSocket socket(std::move(pair.first));
        socket.send(answerToHello, descriptors, FrameSocket::in(60s));
        return socket;
    }
    FrameSocket welcome(const std::string &agentId) {
        return offer(Frame::of(FrameType::WELCOME, LAYOUT_VERSION, 0, agentId),
                     {table_->memory().descriptor().get(), wake_.first.get()});
    }
    void attached(FrameSocket &socket, Generation generation) {
        socket.send(
            Frame::of(FrameType::ATTACHED, 0, generation),
            {queue_->sendingEnd().get(), claims_->memory().descriptor().get(), senders_->memory().descriptor().get()},
            FrameSocket::in(60s));
    }
    static Frame next(FrameSocket &socket, FrameType type) {
        for (;;) {
            Frame frame = socket.receive(FrameSocket::in(60s));
            if (frame.type == type) {
                return frame;
            }
        }
    }
    static Options app(unsigned number) {
        Options options;
        options.appGroupName = "app " + std::to_string(number);
        return options;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        connect_ = makeSeqPacketPair();
        wake_ = makeSeqPacketPair();
        table_ = std::make_unique<GenerationTable>();
        queue_ = std::make_unique<RequestQueue>();
        claims_ = std::make_unique<Claims>();
        senders_ = std::make_unique<SenderMemory>();
        client_ = std::make_shared<PoolClient>(connect_.second.get());
    }

    void tearDown() override {
        client_.reset();
        senders_.reset();
        claims_.reset();
        queue_.reset();
        table_.reset();
        wake_ = DescriptorPair();
        connect_ = DescriptorPair();
        LeakCheck::tearDown();
    }

    /** An exchange takes an EndOfFileException for the end of its reply channel. */
    void testAnAgentThatEndsBeforeItsAnswerIsATimeout() {
        FrameSocket agent = welcome("a");
        client_->newPool();
        ::shutdown(agent.descriptor().get(), SHUT_WR);
        thrownBy<TimeoutException>([&] { client_->askApart(Frame(FrameType::QUERY, {"count"}), 0ms); });
    }

    void testANoticeTakesTheNextConnectionIfOneHasEnded() {
        FrameSocket first = welcome("a");
        client_->newPool();
        FrameSocket second = welcome("a");
        second.send(Frame(FrameType::VALUE, {"0"}), FrameSocket::in(60s));
        TestThread other([&] { client_->ask(Frame(FrameType::QUERY, {"count"})); });
        next(first, FrameType::QUERY);
        client_->ask(Frame(FrameType::QUERY, {"count"}));
        first.send(Frame(FrameType::VALUE, {"0"}), FrameSocket::in(60s));
        other.join();
        // The one that was used last is taken first.
        first = FrameSocket();
        CPPUNIT_ASSERT(client_->tell(Frame(FrameType::UNREGISTER, {"7"})));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, next(second, FrameType::UNREGISTER).number(0));
    }

    void testAnAnswerWithoutRoomForItsDescriptorsIsAShortage() {
        FrameSocket agent = welcome("a");
        client_->newPool();
        agent.send(Frame(FrameType::CONTROL), {wake_.first.get()}, FrameSocket::in(60s));
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        // Each number below this one is taken.
        const FileDescriptor free = wake_.first.duplicate();
        const rlimit tight{static_cast<rlim_t>(free.get()), before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &tight);
        bool isShortage = false;
        try {
            client_->ask(Frame(FrameType::CONTROL));
        } catch (const DescriptorShortageException &) {
            isShortage = true;
        } catch (const std::exception &) {
            isShortage = false;
        }
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT(isShortage);
    }

    void testAQuestionForTheQueueIsRepeatedInAShortage() {
        FrameSocket refusing = offer(Frame::of(FrameType::REFUSED, NO_DESCRIPTOR, "", "as ordered"), {});
        FrameSocket agent = welcome("a");
        // The first answer of a new agent is asked for again.
        attached(agent, Generation(1));
        attached(agent, Generation(1));
        CPPUNIT_ASSERT(client_->app(app(1))->link(app(1), Generation()));
    }

    void testIdleChannelsAreClosedThoughTheAgentCannotBeTold() {
        FrameSocket agent = welcome("a");
        client_->newPool();
        attached(agent, Generation(1));
        agent.send(Frame(FrameType::REGISTERED, {"7"}), FrameSocket::in(60s));
        const auto cache = client_->app(app(1));
        const QueueLinkPtr link = cache->link(app(1), Generation());
        cache->giveBack(cache->takeChannel(*link), true);
        const FileDescriptor instanceEnd = next(agent, FrameType::REGISTER).takeDescriptor(0);
        agent = FrameSocket();
        client_->closeIdle();
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It is closed", ssize_t{0}, ::recv(instanceEnd.get(), &byte, 1, 0));
        FrameSocket again = welcome("a");
        again.send(Frame(FrameType::VALUE, {"0"}), FrameSocket::in(60s));
        client_->ask(Frame(FrameType::QUERY, {"count"}));
        client_->trim();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, next(again, FrameType::UNREGISTER).number(0));
    }

    void testAnApplicationThatTheAgentHasEndedIsForgotten() {
        FrameSocket agent = welcome("a");
        client_->newPool();
        attached(agent, Generation(1));
        std::shared_ptr<AppLink> used = client_->app(app(1));
        used->link(app(1), Generation());
        const std::weak_ptr<AppLink> known = used;
        client_->trim();
        CPPUNIT_ASSERT_MESSAGE("It is in use", client_->app(app(1)) == used);
        used.reset();
        client_->trim();
        CPPUNIT_ASSERT_MESSAGE("Its queue serves", client_->app(app(1)) == known.lock());
        queue_.reset();
        client_->trim();
        CPPUNIT_ASSERT(known.expired());
    }

    void testAnApplicationMayBeNewWhileTheProcessEnds() {
        client_->ending(false);
        CPPUNIT_ASSERT(client_->app(app(1)));
    }

    /** Without a lock one thread got a queue of the new agent while the other one still forgot what
     *  the applications had of the old agent. */
    void testThreadsThatFindANewAgentAtOnceUseOneEpoch() {
        constexpr unsigned APPLICATIONS = 5000;
        constexpr unsigned AGENTS = 20;
        for (unsigned i = 0; i < APPLICATIONS; i++) {
            client_->app(app(i));
        }
        const auto cache = client_->app(app(0));
        for (unsigned round = 1; round <= AGENTS; round++) {
            const Generation generation(round);
            table_->publish(0, generation, {});
            std::vector<FrameSocket> agents;
            for (unsigned i = 0; i < 2; i++) {
                agents.push_back(welcome("agent " + std::to_string(round)));
                // Each thread may ask twice, and both by one connection.
                for (unsigned answer = 0; answer < 4; answer++) {
                    attached(agents.back(), generation);
                }
            }
            QueueLinkPtr links[2];
            const auto ask = [&](QueueLinkPtr &link) { link = cache->link(app(0), Generation()); };
            TestThread one([&] { ask(links[0]); });
            TestThread two([&] { ask(links[1]); });
            one.join();
            two.join();
            CPPUNIT_ASSERT_EQUAL(links[0]->epoch, links[1]->epoch);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolClientTest);

}  // namespace Passenger
