#include "spawning/BootGuard.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <atomic>
#include <utility>

#include <boost/thread/thread.hpp>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class BootGuardTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(BootGuardTest);
    CPPUNIT_TEST(testTheKeeperIsToldOfSuccess);
    CPPUNIT_TEST(testWithoutSuccessTheGuardWaitsForTheKeeper);
    CPPUNIT_TEST(testAMovedFromGuardHasNoEffect);
    CPPUNIT_TEST(testTheGuardDoesNotWaitForAKeeperThatHasEnded);
    CPPUNIT_TEST_SUITE_END();

    FileDescriptor keeper_;

    BootGuard make() {
        auto pair = makeStreamPair();
        keeper_ = std::move(pair.second);
        return BootGuard(std::move(pair.first));
    }

    /** The byte that the keeper reads next: 1 for success, 0 for the order to sweep. */
    ssize_t read() {
        char byte = 0;
        return ::read(keeper_.get(), &byte, 1);
    }

public:
    void tearDown() override {
        keeper_.reset();
        LeakCheck::tearDown();
    }

    void testTheKeeperIsToldOfSuccess() {
        {
            auto guard = make();
            guard.succeeded();
        }
        CPPUNIT_ASSERT_EQUAL(ssize_t(1), read());
    }

    void testWithoutSuccessTheGuardWaitsForTheKeeper() {
        std::atomic<bool> swept{false};
        boost::thread keeper;
        {
            const auto guard = make();
            keeper = boost::thread([&] {
                if (read() == 0) {
                    swept = true;
                }
                keeper_.reset();
            });
        }
        CPPUNIT_ASSERT(swept);
        keeper.join();
    }

    void testAMovedFromGuardHasNoEffect() {
        BootGuard guard = make();
        BootGuard heir;
        heir = std::move(guard);
        heir.succeeded();
        CPPUNIT_ASSERT_EQUAL(ssize_t(1), read());
    }

    void testTheGuardDoesNotWaitForAKeeperThatHasEnded() {
        auto guard = make();
        keeper_.reset();
        guard.succeeded();
        guard = make();
        keeper_.reset();
        guard.sweep();
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BootGuardTest);

}  // namespace Passenger
