#include "bridge/Intake.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <array>
#include <optional>
#include <string>

#include "io/RequestQueue.h"
#include "support/LeakCheck.h"

namespace Passenger::Bridge {

/** The messages that a bridge with one worker takes from its queues. */
class IntakeTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(IntakeTest);
    CPPUNIT_TEST(testEmptyMessagesAreSkipped);
    CPPUNIT_TEST(testEmptyMessagesInTheOwnQueueAreSkipped);
    CPPUNIT_TEST(testTheEndOfTheQueueIsFoundAfterEmptyMessages);
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

    /** A worker's intake, and the queues that it reads. */
    struct Worker {
        explicit Worker(const RequestQueue &queue)
            : intake(queue.receivingEnd().duplicate(), FileDescriptor(), 1, [] {}) {}
        Worker(const RequestQueue &queue, const RequestQueue &own)
            : intake(queue.receivingEnd().duplicate(), own.receivingEnd().duplicate(), 1, [] {}) {}

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
        Worker worker(queue, own);
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
        CPPUNIT_ASSERT_EQUAL(std::string("the end"), worker.take());
    }

    void testTheEndOfTheOwnQueueDoesNotEndTheIntake() {
        const RequestQueue queue;
        RequestQueue own;
        Worker worker(queue, own);
        own.shutDown();
        send(queue, "common");
        CPPUNIT_ASSERT_EQUAL(std::string("common"), worker.take());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IntakeTest);

}  // namespace Passenger::Bridge
