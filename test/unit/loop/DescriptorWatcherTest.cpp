#include "loop/DescriptorWatcher.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

class DescriptorWatcherTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DescriptorWatcherTest);
    CPPUNIT_TEST(testTheCallbackRunsOnTheLoopWhenReadable);
    CPPUNIT_TEST(testTheCallbackRunsAgainUntilAllIsRead);
    CPPUNIT_TEST(testReadableAndWritableAreDistinguished);
    CPPUNIT_TEST(testAHangUpIsReadable);
    CPPUNIT_TEST(testWithoutEventsNoCallbackRunsUntilTheyAreSet);
    CPPUNIT_TEST(testEventsSetWithinTheCallbackApply);
    CPPUNIT_TEST(testTheCallbackMayDestroyItsWatcher);
    CPPUNIT_TEST(testACallbackMayDestroyAnotherWatcher);
    CPPUNIT_TEST(testAfterItsDestructionElsewhereNoCallbackRuns);
    CPPUNIT_TEST(testTheCapturesOfTheCallbackAreDestroyed);
    CPPUNIT_TEST(testADescriptorsNumberMayBeReused);
    CPPUNIT_TEST_SUITE_END();

    using Watcher = DescriptorWatcher;

    std::optional<EventLoop> loop_;
    DescriptorPair pair_;

    void send(std::string_view bytes) { sendWithDescriptors(pair_.first, bytes, {}); }
    char take() {
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(pair_.second.get(), &byte, 1));
        return byte;
    }
    /** Returns after the loop has handled all descriptors that were ready at the call. */
    void turn() {
        for (int i = 0; i < 3; i++) {
            loop_->runSync([] {});
        }
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_.emplace();
        pair_ = makeStreamPair();
    }

    void tearDown() override {
        loop_.reset();
        pair_ = {};
        LeakCheck::tearDown();
    }

    void testTheCallbackRunsOnTheLoopWhenReadable() {
        std::promise<char> arrived;
        Watcher watcher(*loop_, pair_.second.get(), Watcher::READABLE, [&](int) {
            loop_->assertOnLoop();
            arrived.set_value(take());
        });
        send("x");
        CPPUNIT_ASSERT_EQUAL('x', arrived.get_future().get());
    }

    void testTheCallbackRunsAgainUntilAllIsRead() {
        std::string arrived;
        std::promise<void> done;
        Watcher watcher(*loop_, pair_.second.get(), Watcher::READABLE, [&](int) {
            arrived += take();
            if (arrived.size() == 5) {
                done.set_value();
            }
        });
        send("hello");
        done.get_future().get();
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), arrived);
    }

    void testReadableAndWritableAreDistinguished() {
        std::promise<int> first;
        std::promise<int> second;
        std::optional<Watcher> watcher;
        int calls = 0;
        watcher.emplace(*loop_, pair_.second.get(), Watcher::READABLE | Watcher::WRITABLE, [&](int events) {
            if (calls++ == 0) {
                watcher->setEvents(0);
                first.set_value(events);
            } else {
                watcher->setEvents(0);
                second.set_value(events);
            }
        });
        CPPUNIT_ASSERT_EQUAL(int{Watcher::WRITABLE}, first.get_future().get());
        send("x");
        watcher->setEvents(Watcher::READABLE | Watcher::WRITABLE);
        CPPUNIT_ASSERT_EQUAL(Watcher::READABLE | Watcher::WRITABLE, second.get_future().get());
        watcher.reset();
    }

    void testAHangUpIsReadable() {
        std::promise<void> arrived;
        std::optional<Watcher> watcher;
        watcher.emplace(*loop_, pair_.second.get(), Watcher::READABLE, [&](int) {
            watcher->setEvents(0);
            arrived.set_value();
        });
        pair_.first.reset();
        arrived.get_future().get();
        watcher.reset();
    }

    void testWithoutEventsNoCallbackRunsUntilTheyAreSet() {
        int calls = 0;
        std::promise<void> arrived;
        send("x");
        Watcher watcher(*loop_, pair_.second.get(), 0, [&](int) {
            calls++;
            take();
            arrived.set_value();
        });
        turn();
        loop_->runSync([&] { CPPUNIT_ASSERT_EQUAL(0, calls); });
        watcher.setEvents(Watcher::READABLE);
        arrived.get_future().get();
    }

    void testEventsSetWithinTheCallbackApply() {
        int calls = 0;
        std::optional<Watcher> watcher;
        send("xx");
        loop_->runSync([&] {
            watcher.emplace(*loop_, pair_.second.get(), Watcher::READABLE, [&](int) {
                calls++;
                watcher->setEvents(0);
            });
        });
        turn();
        watcher.reset();
        CPPUNIT_ASSERT_EQUAL(1, calls);
    }

    void testTheCallbackMayDestroyItsWatcher() {
        int calls = 0;
        std::unique_ptr<Watcher> watcher;
        const auto held = std::make_shared<int>(5);
        send("x");
        loop_->runSync([&] {
            watcher = std::make_unique<Watcher>(*loop_, pair_.second.get(), Watcher::READABLE, [&, held](int) {
                watcher.reset();
                // The callback's captures must still exist.
                calls += *held;
            });
        });
        turn();
        loop_->runSync([&] { CPPUNIT_ASSERT_EQUAL(5, calls); });
        CPPUNIT_ASSERT(!watcher);
    }

    void testACallbackMayDestroyAnotherWatcher() {
        // Both descriptors are ready at once. The first callback destroys the other watcher, whose
        // event is already pending.
        const DescriptorPair other = makeStreamPair();
        send("x");
        sendWithDescriptors(other.first, "x", {});
        int calls = 0;
        std::unique_ptr<Watcher> first;
        std::unique_ptr<Watcher> second;
        loop_->runSync([&] {
            first = std::make_unique<Watcher>(*loop_, pair_.second.get(), Watcher::READABLE, [&](int) {
                calls++;
                second.reset();
                first->setEvents(0);
            });
            second = std::make_unique<Watcher>(*loop_, other.second.get(), Watcher::READABLE, [&](int) {
                calls++;
                first.reset();
                second->setEvents(0);
            });
        });
        turn();
        loop_->runSync([&] {
            CPPUNIT_ASSERT_EQUAL(1, calls);
            first.reset();
            second.reset();
        });
    }

    void testAfterItsDestructionElsewhereNoCallbackRuns() {
        // The descriptor is always ready, so the loop is busy with it during the destruction.
        send("x");
        for (int round = 0; round < 200; round++) {
            std::atomic<int> calls = 0;
            std::atomic<bool> destroyed = false;
            std::atomic<bool> late = false;
            {
                const Watcher watcher(*loop_, pair_.second.get(), Watcher::READABLE, [&](int) {
                    late = late || destroyed;
                    calls++;
                });
                CPPUNIT_ASSERT(round % 2 == 0 || eventually([&] { return calls > 0; }));
            }
            destroyed = true;
            if (round % 20 == 0) {
                turn();
            }
            CPPUNIT_ASSERT(!late);
        }
    }

    void testTheCapturesOfTheCallbackAreDestroyed() {
        const auto held = std::make_shared<int>();
        {
            const Watcher watcher(*loop_, pair_.second.get(), Watcher::READABLE, [held](int) {});
            CPPUNIT_ASSERT(held.use_count() > 1);
        }
        CPPUNIT_ASSERT_EQUAL(1L, held.use_count());
    }

    void testADescriptorsNumberMayBeReused() {
        const int number = pair_.second.get();
        for (int round = 0; round < 3; round++) {
            std::promise<char> arrived;
            {
                Watcher watcher(*loop_, number, Watcher::READABLE, [&](int) { arrived.set_value(take()); });
                send("x");
                CPPUNIT_ASSERT_EQUAL('x', arrived.get_future().get());
            }
            // The kernel would give any free number, and other threads free some, too.
            DescriptorPair fresh = makeStreamPair();
            CPPUNIT_ASSERT_EQUAL(number, ::dup2(fresh.second.get(), number));
            pair_.first = std::move(fresh.first);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DescriptorWatcherTest);

}  // namespace Passenger
