#include "loop/EventLoop.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>

#include <future>
#include <list>
#include <optional>
#include <stdexcept>
#include <vector>

#include "support/Aborts.h"
#include "support/CapturedLog.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"

namespace Passenger {

class EventLoopTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(EventLoopTest);
    CPPUNIT_TEST(testPostedCallbacksRunInOrderOnTheLoop);
    CPPUNIT_TEST(testCallbacksOfManyThreadsAllRun);
    CPPUNIT_TEST(testACallbackMayPostAnother);
    CPPUNIT_TEST(testPostDoesNotWait);
    CPPUNIT_TEST(testRunSyncWaitsForItsCallback);
    CPPUNIT_TEST(testRunSyncOnTheLoopRunsAtOnce);
    CPPUNIT_TEST(testRunSyncRunsAfterCallbacksPostedBefore);
    CPPUNIT_TEST(testStopRunsCallbacksPostedBefore);
    CPPUNIT_TEST(testStopMayBeCalledAgainAndByManyThreads);
    CPPUNIT_TEST(testAfterStopNothingRuns);
    CPPUNIT_TEST(testSignalsAreBlockedOnTheLoopOnly);
    CPPUNIT_TEST(testALoopKnowsWhetherAThreadIsItsOwn);
    CPPUNIT_TEST(testACallbackThatThrowsEndsTheProcess);
    CPPUNIT_TEST(testAnExceptionUnderRunSyncReachesItsCaller);
    CPPUNIT_TEST_SUITE_END();

    std::optional<EventLoop> loop_;

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_.emplace();
    }

    void tearDown() override {
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testPostedCallbacksRunInOrderOnTheLoop() {
        std::vector<int> order;
        for (int i = 0; i < 100; i++) {
            loop_->post([&, i] {
                loop_->assertOnLoop();
                order.push_back(i);
            });
        }
        loop_->runSync([] {});
        CPPUNIT_ASSERT_EQUAL(std::size_t{100}, order.size());
        for (int i = 0; i < 100; i++) {
            CPPUNIT_ASSERT_EQUAL(i, order[static_cast<std::size_t>(i)]);
        }
    }

    void testCallbacksOfManyThreadsAllRun() {
        int count = 0;
        std::list<TestThread> threads;
        for (int i = 0; i < 4; i++) {
            threads.emplace_back([&] {
                for (int j = 0; j < 500; j++) {
                    loop_->post([&] { count++; });
                    if (j % 50 == 0) {
                        loop_->runSync([&] { count++; });
                    }
                }
            });
        }
        for (auto &thread : threads) {
            thread.join();
        }
        loop_->runSync([] {});
        CPPUNIT_ASSERT_EQUAL(4 * 510, count);
    }

    void testACallbackMayPostAnother() {
        std::promise<void> done;
        loop_->post([&] { loop_->post([&] { done.set_value(); }); });
        done.get_future().get();
    }

    void testPostDoesNotWait() {
        std::promise<void> go;
        std::future<void> ready = go.get_future();
        loop_->post([&] { ready.get(); });
        loop_->post([] {});
        go.set_value();
        loop_->runSync([] {});
    }

    void testRunSyncWaitsForItsCallback() {
        bool ran = false;
        loop_->runSync([&] { ran = loop_->onLoopThread(); });
        CPPUNIT_ASSERT(ran);
    }

    void testRunSyncOnTheLoopRunsAtOnce() {
        int order = 0;
        loop_->runSync([&] {
            loop_->runSync([&] { order = 1; });
            order *= 10;
        });
        CPPUNIT_ASSERT_EQUAL(10, order);
    }

    void testRunSyncRunsAfterCallbacksPostedBefore() {
        bool ran = false;
        loop_->post([&] { ran = true; });
        bool seen = false;
        loop_->runSync([&] { seen = ran; });
        CPPUNIT_ASSERT(seen);
    }

    void testStopRunsCallbacksPostedBefore() {
        int count = 0;
        for (int i = 0; i < 100; i++) {
            loop_->post([&] { count++; });
        }
        loop_->stop();
        CPPUNIT_ASSERT_EQUAL(100, count);
    }

    void testStopMayBeCalledAgainAndByManyThreads() {
        TestThread other([&] { loop_->stop(); });
        loop_->stop();
        other.join();
        loop_->stop();
    }

    void testAfterStopNothingRuns() {
        loop_->stop();
        bool ran = false;
        loop_->post([&] { ran = true; });
        thrownBy<std::logic_error>([&] { loop_->runSync([&] { ran = true; }); });
        loop_.reset();
        CPPUNIT_ASSERT(!ran);
    }

    void testSignalsAreBlockedOnTheLoopOnly() {
        sigset_t onLoop;
        loop_->runSync([&] { pthread_sigmask(SIG_SETMASK, nullptr, &onLoop); });
        sigset_t here;
        pthread_sigmask(SIG_SETMASK, nullptr, &here);
        for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR1}) {
            CPPUNIT_ASSERT_EQUAL(1, sigismember(&onLoop, signal));
            CPPUNIT_ASSERT_EQUAL(0, sigismember(&here, signal));
        }
    }

    void testALoopKnowsWhetherAThreadIsItsOwn() {
        CPPUNIT_ASSERT(!loop_->onLoopThread());
        EventLoop other;
        bool onOther = true;
        loop_->runSync([&] { onOther = other.onLoopThread(); });
        CPPUNIT_ASSERT(!onOther);
    }

    void testACallbackThatThrowsEndsTheProcess() {
        loop_.reset();
        const CapturedLog log;
        CPPUNIT_ASSERT(aborts([] {
            EventLoop loop;
            loop.post([] { throw std::runtime_error("must not be lost"); });
            loop.runSync([] {});
        }));
    }

    void testAnExceptionUnderRunSyncReachesItsCaller() {
        thrownBy<std::runtime_error>([&] { loop_->runSync([] { throw std::runtime_error("for the caller"); }); });
        loop_->runSync([] {});
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(EventLoopTest);

}  // namespace Passenger
