#include <cppunit/extensions/HelperMacros.h>

#include <condition_variable>
#include <thread>

#include "base/Mutex.h"
#include "loop/EventLoop.h"
#include "support/Aborts.h"
#include "support/CapturedLog.h"

namespace Passenger {

/** Locks in the right order are accepted. In development builds, a wrong order aborts. */
class LockOrderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LockOrderTest);
    CPPUNIT_TEST(testLocksOfHigherAndHigherLevelsMayBeHeldTogether);
    CPPUNIT_TEST(testAReleasedLockDoesNotCount);
    CPPUNIT_TEST(testLocksOfAnotherThreadDoNotCount);
    CPPUNIT_TEST(testAfterAWaitTheLockIsHeldAsBefore);
#ifdef PASSENGER_DEVELOPMENT
    CPPUNIT_TEST(testALockOfALowerLevelAbortsAndBothAreNamed);
    CPPUNIT_TEST(testTwoLocksOfOneLevelAbort);
    CPPUNIT_TEST(testLockingAHeldLockAborts);
    CPPUNIT_TEST(testALockIsAlsoCheckedAfterAWait);
    CPPUNIT_TEST(testWaitingForTheLoopWithALockAborts);
#else
    CPPUNIT_TEST(testWithoutTheCheckALockHasNoExtraSize);
#endif
    CPPUNIT_TEST_SUITE_END();

    Mutex pool_{Locks::POOL};
    Mutex files_{Locks::RESTART_FILES};
    Mutex registry_{Locks::CHANNEL_REGISTRY};
    Mutex loop_{Locks::EVENT_LOOP};
    std::condition_variable changed_;

    template <typename Action> static void expectAbort(const char *words, Action action) {
        const CapturedLog log;
        CPPUNIT_ASSERT(aborts(action));
        CPPUNIT_ASSERT_MESSAGE(log.text(), log.contains(words));
    }

    void waitInVain(LockGuard &guard) {
        guard.waitUntil(changed_, std::chrono::steady_clock::now());
    }

public:
    void testLocksOfHigherAndHigherLevelsMayBeHeldTogether() {
        const LockGuard pool(pool_);
        const LockGuard registry(registry_);
        const LockGuard loop(loop_);
    }

    void testAReleasedLockDoesNotCount() {
        { const LockGuard loop(loop_); }
        const LockGuard pool(pool_);
    }

    void testLocksOfAnotherThreadDoNotCount() {
        const LockGuard loop(loop_);
        std::thread([this] { const LockGuard pool(pool_); }).join();
    }

    void testAfterAWaitTheLockIsHeldAsBefore() {
        LockGuard pool(pool_);
        waitInVain(pool);
        const LockGuard registry(registry_);
    }

    void testALockOfALowerLevelAbortsAndBothAreNamed() {
        expectAbort(
            "event=lock.misuse error=\"PoolContext::mutex is taken by a thread that holds ChannelRegistry::mutex_\"",
            [this] {
                const LockGuard registry(registry_);
                const LockGuard pool(pool_);
            });
    }

    void testTwoLocksOfOneLevelAbort() {
        expectAbort("RestartFiles::mutex_ is taken by a thread that holds ChannelRegistry::mutex_", [this] {
            const LockGuard registry(registry_);
            const LockGuard files(files_);
        });
    }

    void testLockingAHeldLockAborts() {
        Mutex &same = pool_;
        expectAbort("PoolContext::mutex is taken by a thread that holds PoolContext::mutex", [this, &same] {
            const LockGuard pool(pool_);
            const LockGuard again(same);
        });
    }

    void testALockIsAlsoCheckedAfterAWait() {
        expectAbort("PoolContext::mutex is taken by a thread that holds ChannelRegistry::mutex_", [this] {
            LockGuard registry(registry_);
            waitInVain(registry);
            const LockGuard pool(pool_);
        });
    }

    void testWaitingForTheLoopWithALockAborts() {
        expectAbort("an event loop is waited for by a thread that holds PoolContext::mutex", [this] {
            EventLoop loop;
            const LockGuard pool(pool_);
            loop.runSync([] {});
        });
    }

    void testWithoutTheCheckALockHasNoExtraSize() {
        CPPUNIT_ASSERT_EQUAL(sizeof(std::mutex), sizeof(Mutex));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LockOrderTest);

}  // namespace Passenger
