#include "loop/Timer.h"

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>

#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

using std::chrono::hours;
using std::chrono::milliseconds;

class TimerTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(TimerTest);
    CPPUNIT_TEST(testTheCallbackRunsOnTheLoopOnceAndNotTooEarly);
    CPPUNIT_TEST(testATimerCanRepeat);
    CPPUNIT_TEST(testATimerThatIsNotStartedDoesNotCallBack);
    CPPUNIT_TEST(testAStoppedTimerDoesNotCallBack);
    CPPUNIT_TEST(testALaterStartReplacesAnEarlierOne);
    CPPUNIT_TEST(testTheCallbackMayRestartItsTimer);
    CPPUNIT_TEST(testTheCallbackMayStopARepeatingTimer);
    CPPUNIT_TEST(testTheCallbackMayDestroyItsTimer);
    CPPUNIT_TEST(testAfterItsDestructionElsewhereNoCallbackRuns);
    CPPUNIT_TEST(testATimerMayOutliveItsLoop);
    CPPUNIT_TEST_SUITE_END();

    std::optional<EventLoop> loop_;

    /** Returns after the loop has handled all timers that are due now. */
    void turn() {
        std::promise<void> done;
        Timer timer(*loop_, [&] { done.set_value(); });
        timer.start(milliseconds(2));
        done.get_future().get();
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_.emplace();
    }

    void tearDown() override {
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testATimerMayOutliveItsLoop() {
        std::atomic<int> calls = 0;
        Timer timer(*loop_, [&] { calls++; });
        timer.start(hours(1));
        loop_.reset();
        timer.start(milliseconds(0));
        timer.stop();
        CPPUNIT_ASSERT_EQUAL(0, calls.load());
    }

    void testTheCallbackRunsOnTheLoopOnceAndNotTooEarly() {
        std::atomic<int> calls = 0;
        std::promise<std::chrono::steady_clock::time_point> fired;
        Timer timer(*loop_, [&] {
            loop_->assertOnLoop();
            if (calls++ == 0) {
                fired.set_value(std::chrono::steady_clock::now());
            }
        });
        const auto started = std::chrono::steady_clock::now();
        timer.start(milliseconds(5));
        CPPUNIT_ASSERT(fired.get_future().get() - started >= milliseconds(4));
        turn();
        CPPUNIT_ASSERT_EQUAL(1, calls.load());
    }

    void testATimerCanRepeat() {
        std::atomic<int> calls = 0;
        Timer timer(*loop_, [&] { calls++; });
        timer.start(milliseconds(0), milliseconds(1));
        CPPUNIT_ASSERT(eventually([&] { return calls >= 3; }));
    }

    void testATimerThatIsNotStartedDoesNotCallBack() {
        std::atomic<int> calls = 0;
        Timer timer(*loop_, [&] { calls++; });
        timer.stop();
        turn();
        CPPUNIT_ASSERT_EQUAL(0, calls.load());
    }

    void testAStoppedTimerDoesNotCallBack() {
        std::atomic<int> calls = 0;
        Timer timer(*loop_, [&] { calls++; });
        loop_->runSync([&] {
            timer.start(milliseconds(0));
            timer.stop();
        });
        turn();
        CPPUNIT_ASSERT_EQUAL(0, calls.load());
        for (int round = 0; round < 100; round++) {
            timer.start(milliseconds(0), milliseconds(1));
            timer.stop();
            // A callback may run during stop(), but none begins later.
            loop_->runSync([] {});
            const int before = calls;
            loop_->runSync([] {});
            CPPUNIT_ASSERT_EQUAL(before, calls.load());
        }
    }

    void testALaterStartReplacesAnEarlierOne() {
        std::promise<void> fired;
        Timer timer(*loop_, [&] { fired.set_value(); });
        timer.start(hours(1));
        timer.start(milliseconds(1));
        fired.get_future().get();
        turn();
    }

    void testTheCallbackMayRestartItsTimer() {
        int calls = 0;
        std::promise<void> done;
        std::optional<Timer> timer;
        timer.emplace(*loop_, [&] {
            if (++calls < 3) {
                timer->start(milliseconds(0));
            } else {
                done.set_value();
            }
        });
        timer->start(milliseconds(0));
        done.get_future().get();
        timer.reset();
        CPPUNIT_ASSERT_EQUAL(3, calls);
    }

    void testTheCallbackMayStopARepeatingTimer() {
        std::atomic<int> calls = 0;
        std::optional<Timer> timer;
        timer.emplace(*loop_, [&] {
            calls++;
            timer->stop();
        });
        timer->start(milliseconds(0), milliseconds(1));
        CPPUNIT_ASSERT(eventually([&] { return calls > 0; }));
        turn();
        timer.reset();
        CPPUNIT_ASSERT_EQUAL(1, calls.load());
    }

    void testTheCallbackMayDestroyItsTimer() {
        std::unique_ptr<Timer> timer;
        const auto held = std::make_shared<int>(5);
        int seen = 0;
        std::promise<void> done;
        loop_->runSync([&] {
            timer = std::make_unique<Timer>(*loop_, [&, held] {
                timer.reset();
                seen = *held;
                done.set_value();
            });
            timer->start(milliseconds(0), milliseconds(1));
        });
        done.get_future().get();
        turn();
        CPPUNIT_ASSERT_EQUAL(5, seen);
    }

    void testAfterItsDestructionElsewhereNoCallbackRuns() {
        for (int round = 0; round < 100; round++) {
            std::atomic<bool> destroyed = false;
            std::atomic<bool> late = false;
            {
                Timer timer(*loop_, [&] { late = late || destroyed; });
                timer.start(milliseconds(0), milliseconds(1));
            }
            destroyed = true;
            if (round % 20 == 0) {
                turn();
            }
            CPPUNIT_ASSERT(!late);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TimerTest);

}  // namespace Passenger
