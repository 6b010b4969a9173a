#include "bridge/QueueWatch.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"
#include "support/LeakCheck.h"

namespace Passenger::Bridge {

/** Instances that read two queues. The test is the event loop of each. */
class QueueWatchTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(QueueWatchTest);
    CPPUNIT_TEST(testTheOwnQueueIsReadFirst);
    CPPUNIT_TEST(testAfterFourMessagesOfTheOwnQueueTheCommonOneHasItsTurn);
    CPPUNIT_TEST(testATurnThatNobodyWantsIsNotLost);
    CPPUNIT_TEST(testABusyInstanceGivesUpNoTurn);
    CPPUNIT_TEST(testTheTimerEndsAlsoWhenNoMessageCanBeTaken);
    CPPUNIT_TEST(testAMessageOfTheCommonQueueWakesAll);
    CPPUNIT_TEST(testQueuesThatCannotBeWatchedAreRead);
    CPPUNIT_TEST(testABusyInstanceWithoutATimerTakesTheMessage);
    CPPUNIT_TEST_SUITE_END();

    static constexpr int PATIENCE = 20'000;

    const RequestQueue common_;
    const RequestQueue own_;
    const Claims claims_;
    const SenderMemory senders_;

    struct Loop {
        explicit Loop(const QueueWatchTest &test) {
            Frame frame(FrameType::SERVE);
            frame.descriptors.push_back(test.common_.receivingEnd().duplicate());
            frame.descriptors.push_back(test.claims_.memory().descriptor().duplicate());
            frame.descriptors.push_back(test.senders_.memory().descriptor().duplicate());
            frame.descriptors.push_back(test.own_.receivingEnd().duplicate());
            queues.use(std::make_shared<const Handover>(Serve{.app = "the application", .stickyId = 7}, frame));
            queues.watch(true);
        }
        QueueWatch::Ready wait(int patience = PATIENCE) const {
            std::array<epoll_event, QueueWatch::SOURCES> events{};
            QueueWatch::Ready ready{};
            const int size = ::epoll_wait(epoll.get(), events.data(), QueueWatch::SOURCES, patience);
            for (int i = 0; i < size; i++) {
                ready.at(events.at(static_cast<std::size_t>(i)).data.u64) = true;
            }
            return ready;
        }
        /** The text of the message that is taken after one wait. */
        std::string take(std::size_t busy = 0, bool full = false) {
            queues.watch(!full);
            const std::span<char> whole(buffer);
            const std::size_t size = queues.take(wait(), full ? std::span<char>() : whole, busy);
            return size == 0 ? "" : std::string(buffer.data() + sizeof(RequestHeader), size - sizeof(RequestHeader));
        }

        FileDescriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
        QueueWatch queues{epoll, 0};
        std::vector<char> buffer = std::vector<char>(MAX_MESSAGE);
    };

    static void send(const RequestQueue &queue, const std::string &text, int count = 1) {
        for (int i = 0; i < count; i++) {
            CPPUNIT_ASSERT(RequestQueue::send(queue.sendingEnd().get(), RequestHeader{}, text, "") ==
                           RequestQueue::Outcome::QUEUED);
        }
    }
    static std::string take(Loop &loop, int count) {
        std::string taken;
        for (int i = 0; i < count; i++) {
            taken += loop.take();
        }
        return taken;
    }

public:
    void testTheOwnQueueIsReadFirst() {
        Loop loop(*this);
        send(common_, "c", 2);
        send(own_, "o", 2);
        CPPUNIT_ASSERT_EQUAL(std::string("oocc"), take(loop, 4));
    }

    void testAfterFourMessagesOfTheOwnQueueTheCommonOneHasItsTurn() {
        Loop loop(*this);
        send(common_, "c", 3);
        send(own_, "o", 10);
        CPPUNIT_ASSERT_EQUAL(std::string("oooocoooocooc"), take(loop, 13));
    }

    void testATurnThatNobodyWantsIsNotLost() {
        Loop loop(*this);
        send(own_, "o", 7);
        CPPUNIT_ASSERT_EQUAL(std::string("oooooo"), take(loop, 6));
        send(common_, "c");
        CPPUNIT_ASSERT_EQUAL(std::string("co"), take(loop, 2));
    }

    /** Otherwise it leaves a message of the common queue to others, for a moment. */
    void testABusyInstanceGivesUpNoTurn() {
        Loop loop(*this);
        send(own_, "o", 5);
        CPPUNIT_ASSERT_EQUAL(std::string("oooo"), take(loop, 4));
        send(common_, "c", 2);
        CPPUNIT_ASSERT_EQUAL(std::string("c"), loop.take(1));
        CPPUNIT_ASSERT_EQUAL(std::string("o"), loop.take(1));
        CPPUNIT_ASSERT_EQUAL(std::string(), loop.take(1));
    }

    void testTheTimerEndsAlsoWhenNoMessageCanBeTaken() {
        Loop loop(*this);
        send(common_, "c");
        CPPUNIT_ASSERT_EQUAL(std::string(), loop.take(1));
        // The timer's event.
        CPPUNIT_ASSERT_EQUAL(std::string(), loop.take(1, true));
        CPPUNIT_ASSERT(loop.wait(0) == QueueWatch::Ready{});
        CPPUNIT_ASSERT_EQUAL(std::string("c"), loop.take(1));
    }

    /** The kernel would wake one otherwise, and that one could take a message of the own queue. */
    void testAMessageOfTheCommonQueueWakesAll() {
        const Loop first(*this);
        const Loop second(*this);
        std::atomic<int> woken{0};
        std::vector<std::thread> threads;
        for (const Loop *loop : {&first, &second}) {
            threads.emplace_back([loop, &woken] {
                const QueueWatch::Ready ready = loop->wait();
                woken += ready.at(static_cast<std::size_t>(QueueWatch::Source::COMMON)) ? 1 : 0;
            });
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        send(common_, "c");
        for (std::thread &thread : threads) {
            thread.join();
        }
        CPPUNIT_ASSERT_EQUAL(2, woken.load());
    }

    /** As where fs.epoll.max_user_watches is reached. */
    void testQueuesThatCannotBeWatchedAreRead() {
        Loop loop(*this);
        loop.queues.watch(false);
        FileDescriptor epoll = std::exchange(loop.epoll, FileDescriptor());
        loop.queues.watch(true);
        CPPUNIT_ASSERT(loop.queues.isMissing());
        send(common_, "c");
        send(own_, "o");
        CPPUNIT_ASSERT(loop.queues.take({}, loop.buffer, 0) > 0);
        CPPUNIT_ASSERT(loop.queues.take({}, loop.buffer, 0) > 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, loop.queues.take({}, loop.buffer, 0));
        loop.epoll = std::move(epoll);
        loop.queues.watch(true);
        CPPUNIT_ASSERT(!loop.queues.isMissing());
        send(common_, "c");
        CPPUNIT_ASSERT_EQUAL(std::string("c"), loop.take());
    }

    void testABusyInstanceWithoutATimerTakesTheMessage() {
        Loop loop(*this);
        send(common_, "c");
        rlimit before{};
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &before));
        const rlimit none{0, before.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &none));
        const std::string taken = loop.take(1);
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &before));
        CPPUNIT_ASSERT_EQUAL(std::string("c"), taken);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueWatchTest);

}  // namespace Passenger::Bridge
