#include "bridge/Intake.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "io/RequestQueue.h"
#include "shm/SharedMemory.h"
#include "support/LeakCheck.h"

namespace Passenger::Bridge {

using namespace std::chrono_literals;

/** The messages that a bridge with one worker takes from its queues. */
class IntakeTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(IntakeTest);
    CPPUNIT_TEST(testEmptyMessagesAreSkipped);
    CPPUNIT_TEST(testEmptyMessagesInTheOwnQueueAreSkipped);
    CPPUNIT_TEST(testTheEndOfTheQueueIsFoundAfterEmptyMessages);
    CPPUNIT_TEST(testTheNextHandoverIsUsedOnceTheFormerQueueIsEmpty);
    CPPUNIT_TEST(testAWorkerThatWaitsAtTheEndGoesOnWithTheNextHandover);
    CPPUNIT_TEST(testTheEndOfTheOwnQueueDoesNotEndTheIntake);
    CPPUNIT_TEST_SUITE_END();

    static void send(const RequestQueue &queue, const std::string &text) {
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(text.size()),
                             ::send(queue.sendingEnd().get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    }
    static void sendEmpty(const RequestQueue &queue, int count) {
        for (int i = 0; i < count; i++) {
            send(queue, "");
        }
    }

    static HandoverPtr handover(const RequestQueue &queue, const RequestQueue *own = nullptr) {
        const SharedMemory memory("intake test", 4096);
        Frame serve(FrameType::SERVE, {"0", "1", "the application", "0", own ? "7" : "0"});
        serve.descriptors.push_back(queue.receivingEnd().duplicate());
        serve.descriptors.push_back(memory.descriptor().duplicate());
        serve.descriptors.push_back(memory.descriptor().duplicate());
        if (own) {
            serve.descriptors.push_back(own->receivingEnd().duplicate());
        }
        return std::make_shared<const Handover>(serve);
    }

    /** A worker's intake, and the queues that it reads. */
    struct Worker {
        explicit Worker(const RequestQueue &queue, const RequestQueue *own = nullptr)
            : intake(handover(queue, own), [] {}) {}

        std::string take() {
            std::array<char, 100> buffer{};
            const std::optional<std::size_t> size = intake.take(seat, buffer);
            return size ? std::string(buffer.data(), *size) : "the end";
        }

        Intake intake;
        Intake::Seat seat;
    };

public:
    void testEmptyMessagesAreSkipped() {
        const RequestQueue queue;
        Worker worker(queue);
        for (const int count : {1, 2, 3, 10}) {
            sendEmpty(queue, count);
            send(queue, "behind");
            CPPUNIT_ASSERT_EQUAL(std::string("behind"), worker.take());
        }
    }

    void testEmptyMessagesInTheOwnQueueAreSkipped() {
        const RequestQueue queue;
        const RequestQueue own;
        Worker worker(queue, &own);
        for (const int count : {1, 2, 3, 10}) {
            sendEmpty(own, count);
            send(own, "own");
            CPPUNIT_ASSERT_EQUAL(std::string("own"), worker.take());
        }
    }

    void testTheEndOfTheQueueIsFoundAfterEmptyMessages() {
        RequestQueue queue;
        Worker worker(queue);
        sendEmpty(queue, 3);
        queue.shutDown();
        auto taken = std::async(std::launch::async, [&] { return worker.take(); });
        CPPUNIT_ASSERT(taken.wait_for(20ms) == std::future_status::timeout);
        worker.intake.finish();
        CPPUNIT_ASSERT_EQUAL(std::string("the end"), taken.get());
    }

    void testTheNextHandoverIsUsedOnceTheFormerQueueIsEmpty() {
        for (const bool withOwn : {false, true}) {
            RequestQueue first;
            RequestQueue firstOwn;
            const RequestQueue second;
            const RequestQueue secondOwn;
            Worker worker(first, withOwn ? &firstOwn : nullptr);
            send(first, "one");
            send(first, "two");
            first.shutDown();
            CPPUNIT_ASSERT_EQUAL(std::string("one"), worker.take());
            const HandoverPtr former = worker.seat.handover;
            send(second, "three");
            worker.intake.replace(handover(second, withOwn ? &secondOwn : nullptr));
            CPPUNIT_ASSERT_EQUAL(std::string("two"), worker.take());
            CPPUNIT_ASSERT(worker.seat.handover == former);
            CPPUNIT_ASSERT_EQUAL(std::string("three"), worker.take());
            CPPUNIT_ASSERT(worker.seat.handover != former);
            if (withOwn) {
                send(secondOwn, "own");
                CPPUNIT_ASSERT_EQUAL(std::string("own"), worker.take());
            }
        }
    }

    void testAWorkerThatWaitsAtTheEndGoesOnWithTheNextHandover() {
        RequestQueue first;
        const RequestQueue second;
        Worker worker(first);
        auto taken = std::async(std::launch::async, [&] { return worker.take(); });
        first.shutDown();
        send(second, "next");
        worker.intake.replace(handover(second));
        CPPUNIT_ASSERT_EQUAL(std::string("next"), taken.get());
    }

    void testTheEndOfTheOwnQueueDoesNotEndTheIntake() {
        const RequestQueue queue;
        RequestQueue own;
        Worker worker(queue, &own);
        own.shutDown();
        send(queue, "common");
        CPPUNIT_ASSERT_EQUAL(std::string("common"), worker.take());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IntakeTest);

}  // namespace Passenger::Bridge
