#include "bridge/Intake.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "io/RequestQueue.h"
#include "shm/Claims.h"
#include "shm/Mapping.h"
#include "shm/SenderMemory.h"
#include "support/Eventually.h"
#include "support/IntakeFixture.h"

namespace Passenger::Bridge {

using namespace std::chrono_literals;

/** Requests through a bridge's loop. The test is child, agent and application. */
class IntakeTest : public IntakeFixture {
    CPPUNIT_TEST_SUITE(IntakeTest);
    CPPUNIT_TEST(testRequestsInTurnUseOneConnection);
    CPPUNIT_TEST(testAWithdrawnRequestIsSkipped);
    CPPUNIT_TEST(testAChildThatLeavesEndsTheRequestAlsoAtAKeptConnection);
    CPPUNIT_TEST(testASafeRequestIsSentAgainWhenTheKeptConnectionEnds);
    CPPUNIT_TEST(testAnswersWaitForTheChildAndHoldUpNoOther);
    CPPUNIT_TEST(testAnIdleConnectionThatHasBytesIsClosed);
    CPPUNIT_TEST(testThereAreNoMoreRequestsThanPlaces);
    CPPUNIT_TEST(testABusyBridgeInterruptsNobody);
    CPPUNIT_TEST(testAPauseIsToldWhenNoRequestIsLeft);
    CPPUNIT_TEST(testTheNextHandoverIsUsedOnceTheFormerQueueIsEmpty);
    CPPUNIT_TEST(testEmptyMessagesAreSkippedInBothQueues);
    CPPUNIT_TEST(testABusyInstanceOfStickySessionsTakesFurtherMessages);
    CPPUNIT_TEST(testMessagesOfAQueueThatIsNotWatchedAreTakenOneAfterTheOther);
    CPPUNIT_TEST(testManyEventsAtOnceHideNeitherAMessageNorAFrame);
    CPPUNIT_TEST(testAPlaceWhoseChildLeavesAsTheAnswerComesServesOneRequestAtATime);
    CPPUNIT_TEST_SUITE_END();

    /** A loop of this process cannot watch the queue: its epoll instance has it already. */
    static void forbidWatching(const FileDescriptor &queue) {
        for (const auto &entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code error;
            if (std::filesystem::read_symlink(entry.path(), error) == "anon_inode:[eventpoll]") {
                epoll_event none{};
                CPPUNIT_ASSERT_EQUAL(
                    0, ::epoll_ctl(std::stoi(entry.path().filename().string()), EPOLL_CTL_ADD, queue.get(), &none));
            }
        }
    }

public:
    void testRequestsInTurnUseOneConnection() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        std::optional<FileDescriptor> connection;
        for (int round = 1; round <= 5; round++) {
            ask(agent.queue, 1, "/" + std::to_string(round));
            if (!connection) {
                connection = bridge.app.accept();
            }
            CPPUNIT_ASSERT_EQUAL("/" + std::to_string(round), Application::path(*connection));
            CPPUNIT_ASSERT(agent.claims.holds(ChannelId(1), Ticket(1)));
            Application::answer(*connection, "hello");
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
            CPPUNIT_ASSERT(eventually([&] { return bridge.answered == round && bridge.inWork() == 0; }));
            CPPUNIT_ASSERT_EQUAL(0U, agent.claims.taken());
        }
    }

    void testAWithdrawnRequestIsSkipped() {
        Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        const Mapping marks(agent.senders.memory().descriptor(), SenderMemoryLayout::SIZE, Mapping::Access::READ_WRITE);
        std::optional<FileDescriptor> connection;
        for (const bool withdrawn : {true, false, true, false}) {
            *marks.at<std::uint64_t>(SenderMemoryLayout::mark(1)) = withdrawn ? 1 : 0;
            ask(agent.queue, 1, withdrawn ? "/withdrawn" : "/wanted");
            if (!withdrawn) {
                if (!connection) {
                    connection = bridge.app.accept();
                }
                CPPUNIT_ASSERT_EQUAL(std::string("/wanted"), Application::path(*connection));
                Application::answer(*connection, "hello");
            }
            CPPUNIT_ASSERT((receive(channel).header.type == MessageType::SKIPPED) == withdrawn);
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
            CPPUNIT_ASSERT_EQUAL(0U, agent.claims.taken());
        }
        CPPUNIT_ASSERT_EQUAL(2, bridge.answered.load());
    }

    void testAChildThatLeavesEndsTheRequestAlsoAtAKeptConnection() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        for (const int before : {0, 1}) {
            // As after more than 834 days of uptime.
            const std::uint64_t id = (std::uint64_t{1} << 56) + static_cast<std::uint64_t>(before) + 1;
            const FileDescriptor channel = bridge.channel(id);
            std::optional<FileDescriptor> connection;
            for (int round = 0; round <= before; round++) {
                ask(agent.queue, id, "/");
                if (!connection) {
                    connection = bridge.app.accept();
                }
                CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(*connection));
                if (round < before) {
                    Application::answer(*connection, "hello");
                    CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
                    CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
                }
            }
            ::shutdown(channel.get(), SHUT_RDWR);
            CPPUNIT_ASSERT_EQUAL(std::string(), Application::path(*connection));
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
            CPPUNIT_ASSERT_EQUAL(0U, agent.claims.taken());
        }
    }

    void testASafeRequestIsSentAgainWhenTheKeptConnectionEnds() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        ask(agent.queue, 1, "/first");
        FileDescriptor connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/first"), Application::path(connection));
        Application::answer(connection, "hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
        CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
        ask(agent.queue, 1, "/second");
        CPPUNIT_ASSERT_EQUAL(std::string("/second"), Application::path(connection));
        connection.reset();
        connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/second"), Application::path(connection));
        // A new connection that ends, too, has an answer.
        connection.reset();
        CPPUNIT_ASSERT_EQUAL(502U, unsigned{receive(channel).header.status});
    }

    void testAnswersWaitForTheChildAndHoldUpNoOther() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor slow = bridge.channel(1);
        const FileDescriptor quick = bridge.channel(2);
        const std::string body(4 * 1024 * 1024, 'x');
        for (int round = 0; round < 2; round++) {
            ask(agent.queue, 1, "/slow");
            std::optional<FileDescriptor> first;
            first = bridge.app.accept();
            CPPUNIT_ASSERT_EQUAL(std::string("/slow"), Application::path(*first));
            if (round == 0) {
                // The next request of the place is the loop's.
                Application::answer(*first, "hello");
                CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(slow).body);
                CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
                ask(agent.queue, 1, "/slow");
                CPPUNIT_ASSERT_EQUAL(std::string("/slow"), Application::path(*first));
            }
            std::thread writer([&] { Application::answer(*first, body); });
            ask(agent.queue, 2, "/quick");
            const FileDescriptor second = bridge.app.accept();
            CPPUNIT_ASSERT_EQUAL(std::string("/quick"), Application::path(second));
            Application::answer(second, "quick");
            CPPUNIT_ASSERT_EQUAL(std::string("quick"), receive(quick).body);
            const bool whole = receive(slow).body == body;
            writer.join();
            CPPUNIT_ASSERT(whole);
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
        }
    }

    void testAnIdleConnectionThatHasBytesIsClosed() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        for (int round = 0; round < 3; round++) {
            ask(agent.queue, 1, "/");
            const FileDescriptor connection = bridge.app.accept();
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connection));
            Application::answer(connection, "hello");
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
            Application::answer(connection, "for nobody");
            CPPUNIT_ASSERT_EQUAL(std::string(), Application::path(connection));
        }
    }

    void testThereAreNoMoreRequestsThanPlaces() {
        const Agent agent;
        Bridge bridge(agent.handover(3));
        std::vector<FileDescriptor> channels;
        for (std::uint64_t id = 1; id <= 20; id++) {
            channels.push_back(bridge.channel(id));
            ask(agent.queue, id, "/");
        }
        std::vector<FileDescriptor> connections;
        connections.reserve(3);
        for (int i = 0; i < 3; i++) {
            connections.push_back(bridge.app.accept());
        }
        for (unsigned round = 0; round < 20; round++) {
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == std::min(3U, 20 - round); }));
            // Any free place takes the next request.
            auto asked = connections.end();
            CPPUNIT_ASSERT(eventually([&] {
                asked = std::find_if(connections.begin(), connections.end(), [](const FileDescriptor &connection) {
                    pollfd entry{connection.get(), POLLIN, 0};
                    return ::poll(&entry, 1, 0) > 0;
                });
                return asked != connections.end();
            }));
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(*asked));
            Application::answer(*asked, "hello");
        }
        CPPUNIT_ASSERT(eventually([&] { return bridge.answered == 20; }));
        for (const FileDescriptor &channel : channels) {
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
        }
    }

    void testABusyBridgeInterruptsNobody() {
        const Agent agent;
        Bridge bridge(agent.handover(3));
        const auto policy = [&] { return bridge.order([] { return ::sched_getscheduler(0); }); };
        CPPUNIT_ASSERT_EQUAL(SCHED_OTHER, policy());
        const FileDescriptor channel = bridge.channel(1);
        ask(agent.queue, 1, "/first");
        const FileDescriptor connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/first"), Application::path(connection));
        // The order, the end of the first request and the second one are events of one turn.
        bridge.order([&] {
            Application::answer(connection, "hello");
            ask(agent.queue, 1, "/second");
            bridge.intake.settle();
            bridge.intake.turn(std::nullopt);
            CPPUNIT_ASSERT_EQUAL(SCHED_BATCH, ::sched_getscheduler(0));
        });
        CPPUNIT_ASSERT(eventually([&] { return policy() == SCHED_OTHER; }));
    }

    void testAPauseIsToldWhenNoRequestIsLeft() {
        const Agent agent;
        Bridge bridge(agent.handover(10, true));
        CPPUNIT_ASSERT(eventually([&] { return bridge.idle == 1; }));
        const FileDescriptor channel = bridge.channel(1);
        ask(agent.queue, 1, "/first");
        CPPUNIT_ASSERT(bridge.order([&] { return bridge.intake.resume(); }));
        const FileDescriptor connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/first"), Application::path(connection));
        bridge.order([&] { bridge.intake.pause(); });
        CPPUNIT_ASSERT_EQUAL(1, bridge.idle.load());
        Application::answer(connection, "hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
        CPPUNIT_ASSERT(eventually([&] { return bridge.idle == 2; }));
        ask(agent.queue, 1, "/second");
        CPPUNIT_ASSERT(RequestQueue::hasWaiting(agent.queue.sendingEnd().get()));
        CPPUNIT_ASSERT(bridge.order([&] { return bridge.intake.resume(); }));
        CPPUNIT_ASSERT_EQUAL(std::string("/second"), Application::path(connection));
        Application::answer(connection, "hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
        CPPUNIT_ASSERT_EQUAL(2, bridge.idle.load());
    }

    void testTheNextHandoverIsUsedOnceTheFormerQueueIsEmpty() {
        for (const bool sticky : {false, true}) {
            Agent first(sticky);
            const Agent second(sticky);
            Bridge bridge(first.handover(1));
            const FileDescriptor former = bridge.channel(1);
            ask(first.queue, 1, "/one");
            const FileDescriptor connection = bridge.app.accept();
            CPPUNIT_ASSERT_EQUAL(std::string("/one"), Application::path(connection));
            ask(first.queue, 1, "/two");
            ask(second.queue, 2, "/three");
            first.queue.shutDown();
            bridge.order([&] { bridge.intake.replace(second.handover(1)); });
            Application::answer(connection, "one");
            CPPUNIT_ASSERT_EQUAL(std::string("one"), receive(former).body);
            CPPUNIT_ASSERT_EQUAL(std::string("/two"), Application::path(connection));
            bridge.order([&] { bridge.channels.forget(); });
            const FileDescriptor latter = bridge.channel(2);
            Application::answer(connection, "two");
            CPPUNIT_ASSERT_EQUAL(std::string("two"), receive(former).body);
            CPPUNIT_ASSERT_EQUAL(std::string("/three"), Application::path(connection));
            CPPUNIT_ASSERT(second.claims.holds(ChannelId(2), Ticket(1)));
            Application::answer(connection, "three");
            CPPUNIT_ASSERT_EQUAL(std::string("three"), receive(latter).body);
            if (sticky) {
                ask(*second.own, 2, "/own");
                CPPUNIT_ASSERT_EQUAL(std::string("/own"), Application::path(connection));
                Application::answer(connection, "own");
                CPPUNIT_ASSERT_EQUAL(std::string("own"), receive(latter).body);
            }
        }
    }

    void testEmptyMessagesAreSkippedInBothQueues() {
        Agent agent(true);
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        std::optional<FileDescriptor> connection;
        for (const RequestQueue *queue : {&agent.queue, &*agent.own, &agent.queue}) {
            for (int i = 0; i < 3; i++) {
                CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::send(queue->sendingEnd().get(), "", 0, MSG_NOSIGNAL));
            }
            ask(*queue, 1, "/");
            if (!connection) {
                connection = bridge.app.accept();
            }
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(*connection));
            Application::answer(*connection, "hello");
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
            // Otherwise the next request could get another place, and another connection.
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
            if (queue != &agent.queue) {
                // Only the end of the common queue is an end.
                agent.own->shutDown();
            }
        }
    }

    /** It leaves a message of the common queue to other instances for a moment only. */
    void testABusyInstanceOfStickySessionsTakesFurtherMessages() {
        const Agent agent(true);
        Bridge bridge(agent.handover(10));
        std::vector<FileDescriptor> channels;
        std::vector<FileDescriptor> connections;
        for (std::uint64_t id = 1; id <= 5; id++) {
            channels.push_back(bridge.channel(id));
            ask(id % 2 == 0 ? agent.queue : *agent.own, id, "/");
            connections.push_back(bridge.app.accept());
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connections.back()));
        }
        CPPUNIT_ASSERT_EQUAL(5U, agent.claims.taken());
        for (std::size_t index = 0; index < 5; index++) {
            Application::answer(connections[index], "hello");
            CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channels[index]).body);
        }
    }

    void testMessagesOfAQueueThatIsNotWatchedAreTakenOneAfterTheOther() {
        const Agent agent;
        const HandoverPtr handover = agent.handover(10, true);
        Bridge bridge(handover);
        CPPUNIT_ASSERT(eventually([&] { return bridge.idle == 1; }));
        forbidWatching(handover->queue);
        for (int i = 0; i < 100; i++) {
            // It names no channel, so it is logged and over.
            CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::send(agent.queue.sendingEnd().get(), "x", 1, MSG_NOSIGNAL));
        }
        const auto begin = std::chrono::steady_clock::now();
        CPPUNIT_ASSERT(bridge.order([&] { return bridge.intake.resume(); }));
        CPPUNIT_ASSERT(eventually([&] { return !RequestQueue::hasWaiting(agent.queue.sendingEnd().get()); }));
        // With a pause before each of them it would be 20 s.
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin < 15s);
    }

    /** No other instance may have been woken for the message, and this one may be told to pause. */
    void testManyEventsAtOnceHideNeitherAMessageNorAFrame() {
        constexpr std::uint64_t MANY = 100;
        const Agent agent;
        Bridge bridge(agent.handover(2 * MANY));
        std::vector<FileDescriptor> channels;
        std::vector<FileDescriptor> connections;
        for (std::uint64_t id = 1; id <= MANY; id++) {
            channels.push_back(bridge.channel(id));
            ask(agent.queue, id, "/");
            connections.push_back(bridge.app.accept());
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connections.back()));
        }
        bridge.order([&] {
            bridge.intake.settle();
            setEvent(bridge.news);
            for (const FileDescriptor &channel : channels) {
                ::shutdown(channel.get(), SHUT_RDWR);
            }
            ask(agent.queue, MANY + 1, "/last");
            CPPUNIT_ASSERT(bridge.intake.turn(std::nullopt)[Intake::CONTROL]);
            CPPUNIT_ASSERT(!RequestQueue::hasWaiting(agent.queue.sendingEnd().get()));
        });
    }

    /** The loop learns of the channel's end and of the answer at once. */
    void testAPlaceWhoseChildLeavesAsTheAnswerComesServesOneRequestAtATime() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        std::vector<FileDescriptor> channels;
        for (std::uint64_t id = 1; id <= 5; id++) {
            channels.push_back(bridge.channel(id));
        }
        ask(agent.queue, 1, "/first");
        const FileDescriptor kept = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/first"), Application::path(kept));
        Application::answer(kept, "first");
        CPPUNIT_ASSERT_EQUAL(std::string("first"), receive(channels[0]).body);
        CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
        ask(agent.queue, 2, "/hold");
        CPPUNIT_ASSERT_EQUAL(std::string("/hold"), Application::path(kept));
        ask(agent.queue, 1, "/left");
        const FileDescriptor left = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/left"), Application::path(left));
        {
            const std::lock_guard hold(bridge.mutex);
            Application::answer(kept, "hold");
            CPPUNIT_ASSERT_EQUAL(std::string("hold"), receive(channels[1]).body);
            ::shutdown(channels[0].get(), SHUT_RDWR);
            Application::answer(left, "too late");
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), Application::path(left));
        CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
        std::map<std::string, const FileDescriptor *> byPath;
        std::vector<FileDescriptor> connections;
        connections.reserve(channels.size());
        for (std::uint64_t id = 2; id <= channels.size(); id++) {
            ask(agent.queue, id, "/" + std::to_string(id));
            if (id > 2) {
                connections.push_back(bridge.app.accept());
            }
            const FileDescriptor &connection = id > 2 ? connections.back() : kept;
            byPath[Application::path(connection)] = &connection;
        }
        for (std::size_t index = 1; index < channels.size(); index++) {
            const std::string path = "/" + std::to_string(index + 1);
            Application::answer(*byPath[path], path);
            CPPUNIT_ASSERT_EQUAL(path, receive(channels[index]).body);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IntakeTest);

}  // namespace Passenger::Bridge
