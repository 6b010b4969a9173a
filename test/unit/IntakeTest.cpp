#include "bridge/Intake.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "io/RequestQueue.h"
#include "shm/SharedMemory.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger::Bridge {

using namespace std::chrono_literals;

/** The messages that a bridge takes from its queues, and the workers that take them. */
class IntakeTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(IntakeTest);
    CPPUNIT_TEST(testEmptyMessagesAreSkipped);
    CPPUNIT_TEST(testEmptyMessagesInTheOwnQueueAreSkipped);
    CPPUNIT_TEST(testTheEndOfTheQueueIsFoundAfterEmptyMessages);
    CPPUNIT_TEST(testTheNextHandoverIsUsedOnceTheFormerQueueIsEmpty);
    CPPUNIT_TEST(testAWorkerThatWaitsAtTheEndGoesOnWithTheNextHandover);
    CPPUNIT_TEST(testTheEndOfTheOwnQueueDoesNotEndTheIntake);
    CPPUNIT_TEST(testAnotherWorkerFollowsWhenTheLastReaderHasAMessage);
    CPPUNIT_TEST(testAFailedStartIsTriedAgainWithTheSameNumber);
    CPPUNIT_TEST(testAWorkerThatIsOneTooManyIsParkedAndCalled);
    CPPUNIT_TEST(testTheIntakeIsIdleWhenAllWorkersAreAndNoNumberIsMissing);
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

    static HandoverPtr handover(const RequestQueue &queue, const RequestQueue *own = nullptr, unsigned threads = 1) {
        const SharedMemory memory("intake test", 4096);
        Frame serve(FrameType::SERVE, {"0", std::to_string(threads), "the application", "0", own ? "7" : "0"});
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
            : intake(
                  handover(queue, own), [] {}, [](std::uint32_t) { return true; }) {
            intake.begin();
        }

        std::string take() {
            std::array<char, 100> buffer{};
            const std::optional<std::size_t> size = intake.take(seat, buffer);
            return size ? std::string(buffer.data(), *size) : "the end";
        }

        Intake intake;
        Intake::Seat seat;
    };

    /** Workers with threads of their own. A worker that has a message goes on when it may. */
    struct Crowd {
        Crowd(const RequestQueue &queue, unsigned most)
            : intake(
                  handover(queue, nullptr, most), [this] { idle++; },
                  [this](std::uint32_t index) { return start(index); }) {
            Intake::prepareProcess();
            intake.begin();
        }

        ~Crowd() {
            intake.finish();
            for (int i = 0; i < 1000; i++) {
                goOn.release();
            }
            for (std::thread &thread : threads) {
                thread.join();
            }
        }

        bool start(std::uint32_t index) {
            const std::lock_guard lock(mutex);
            if (refusals > 0) {
                refusals--;
                refused.push_back(index);
                return false;
            }
            started.push_back(index);
            threads.emplace_back([this] {
                Intake::Seat seat;
                std::array<char, 100> buffer{};
                while (intake.take(seat, buffer)) {
                    busy++;
                    goOn.acquire();
                    busy--;
                }
            });
            return true;
        }

        std::size_t workers() {
            const std::lock_guard lock(mutex);
            return started.size();
        }

        std::mutex mutex;
        int refusals = 0;
        std::vector<std::uint32_t> started, refused;
        std::vector<std::thread> threads;
        std::counting_semaphore<> goOn{0};
        std::atomic<unsigned> busy{0};
        std::atomic<int> idle{0};
        Intake intake;
    };

public:
    void testAnotherWorkerFollowsWhenTheLastReaderHasAMessage() {
        const RequestQueue queue;
        Crowd crowd(queue, 200);
        CPPUNIT_ASSERT_EQUAL(std::size_t{Intake::SPARE}, crowd.workers());
        for (unsigned i = 1; i <= 100; i++) {
            send(queue, "a message");
        }
        CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 100; }));
        for (unsigned i = 101; i <= 250; i++) {
            send(queue, "a message");
        }
        CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 200; }));
        // No number twice, and none above the limit.
        std::sort(crowd.started.begin(), crowd.started.end());
        CPPUNIT_ASSERT_EQUAL(std::size_t{200}, crowd.workers());
        CPPUNIT_ASSERT(std::unique(crowd.started.begin(), crowd.started.end()) == crowd.started.end());
        CPPUNIT_ASSERT_EQUAL(199U, crowd.started.back());
        // The others are taken by those that become free.
        crowd.goOn.release(200);
        CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 50; }));
    }

    void testAFailedStartIsTriedAgainWithTheSameNumber() {
        const RequestQueue queue;
        Crowd crowd(queue, 40);
        crowd.refusals = 1;
        for (int i = 0; i < Intake::SPARE; i++) {
            send(queue, "a message");
        }
        CPPUNIT_ASSERT(eventually([&] { return crowd.busy == Intake::SPARE; }));
        send(queue, "waits");
        crowd.goOn.release();
        CPPUNIT_ASSERT(eventually([&] { return crowd.workers() == Intake::SPARE + 1; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, crowd.refused.size());
        CPPUNIT_ASSERT_EQUAL(crowd.refused.back(), crowd.started.back());
    }

    void testAWorkerThatIsOneTooManyIsParkedAndCalled() {
        const RequestQueue queue;
        Crowd crowd(queue, 100);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < 80; i++) {
                send(queue, "a message");
            }
            CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 80; }));
            crowd.goOn.release(80);
            CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 0; }));
        }
        // 80 are busy, and one more has followed the last reader.
        CPPUNIT_ASSERT(crowd.workers() <= 81);
    }

    void testTheIntakeIsIdleWhenAllWorkersAreAndNoNumberIsMissing() {
        const RequestQueue queue;
        Crowd crowd(queue, 100);
        for (int i = 0; i < 60; i++) {
            send(queue, "a message");
        }
        CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 60; }));
        crowd.intake.pause();
        CPPUNIT_ASSERT_EQUAL(0, crowd.idle.load());
        crowd.goOn.release(60);
        CPPUNIT_ASSERT(eventually([&] { return crowd.idle == 1; }));
        send(queue, "waits");
        CPPUNIT_ASSERT(crowd.intake.resume(FileDescriptor()));
        CPPUNIT_ASSERT(eventually([&] { return crowd.busy == 1; }));
    }

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
